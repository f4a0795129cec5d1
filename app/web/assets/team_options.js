// ECharts options of a team's charts: its results, and its run time by day.
import { axis, colour, common, number } from "./chart_base.js";

const TONES = { met: "s2", accuracy_floor_reached: "s1", not_proven: "s3", nothing_prunable: "s4" };
const OTHER = "s6";

export function resultsOption({ results }) {
  const labels = [...new Set(results.map((result) => result.label))];
  const series = labels.map((label) => {
    const points = results.filter((result) => result.label === label);
    return {
      id: label,
      type: "scatter",
      name: label,
      color: colour(TONES[points[0].verdict] ?? OTHER),
      symbolSize: 11,
      itemStyle: { opacity: 0.8 },
      data: points.map((point) => ({ value: [point.saving, point.drop], name: point.name, url: point.url })),
    };
  });
  const text = ({ seriesName, name, value }) =>
    `${name}\n${number(value[0], 1)} % saved, accuracy drop ${number(value[1])} points\n${seriesName}`;
  return {
    ...common("Accuracy drop against parameter memory saved, one point a result", text, { data: labels }),
    xAxis: { ...axis("parameter memory saved, %", false), min: 0 },
    yAxis: axis("accuracy drop, points", true),
    series,
  };
}

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
