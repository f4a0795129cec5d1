// ECharts options of a team's charts: its run time by day. Results and comparisons are in list_options.js.
import { axis, colour, common, number } from "./chart_base.js";

export function usageOption({ days }) {
  const text = ({ seriesName, name, value }) => `${name}\n${seriesName}: ${number(value, 1)} min`;
  const bars = (name, tone, key) => ({
    id: key,
    type: "bar",
    name,
    color: colour(tone),
    data: days.map((day) => day[key]),
    barGap: "-100%", // GPU time is a part of run time, and drawn over it
  });
  return {
    ...common("Run time by day", text, { data: ["all devices", "GPUs"] }),
    xAxis: { ...axis("day", false), type: "category", data: days.map((day) => day.day) },
    yAxis: { ...axis("run time, minutes", true), min: 0, minInterval: 1 },
    series: [bars("all devices", "s4", "run"), bars("GPUs", "s1", "gpu")],
  };
}
