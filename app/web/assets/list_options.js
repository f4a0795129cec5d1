// ECharts options of lists: a team's results with their frontier, and the curves of jobs beside each other.
import { axis, colour, common, number } from "./chart_base.js";

const TONES = { met: "s2", accuracy_floor_reached: "s1", not_proven: "s3", nothing_prunable: "s4" };
const OTHER = "s6";
const FRONTIER = "frontier";
const COLOURS = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"];
const DASHES = ["solid", "dashed", "dotted"];

export function resultsOption({ results, scale }) {
  const isAbsolute = scale === "absolute";
  const labels = [...new Set(results.map((result) => result.label))];
  const series = labels.map((label) => ofVerdict(label, results));
  series.push(frontierLine(results));
  const told = isAbsolute
    ? ([x, y]) => `${number(x)} MiB, accuracy ${number(y)} %`
    : ([x, y]) => `${number(x, 1)} % saved, accuracy drop ${number(y)} points`;
  const text = ({ seriesName, name, value }) => `${name}\n${told(value)}\n${seriesName}`;
  const title = isAbsolute
    ? "Accuracy against parameter memory, one point a result"
    : "Accuracy drop against parameter memory saved, one point a result";
  return {
    ...common(title, text, { data: [...labels, FRONTIER] }),
    xAxis: { ...axis(isAbsolute ? "parameter memory, MiB" : "parameter memory saved, %", false), min: isAbsolute ? undefined : 0, scale: isAbsolute },
    yAxis: { ...axis(isAbsolute ? "accuracy, %" : "accuracy drop, points", true), scale: isAbsolute },
    series,
  };
}

function ofVerdict(label, results) {
  const points = results.filter((result) => result.label === label);
  return {
    id: label,
    type: "scatter",
    name: label,
    color: colour(TONES[points[0].verdict] ?? OTHER),
    symbolSize: 11,
    itemStyle: { opacity: 0.8 },
    data: points.map((point) => ({ value: [point.x, point.y], name: point.name, url: point.url })),
  };
}

function frontierLine(results) {
  const points = results.filter((result) => result.is_on_frontier).sort((a, b) => a.x - b.x);
  return {
    id: FRONTIER,
    type: "line",
    name: FRONTIER,
    color: colour("soft"),
    symbol: "none",
    silent: true,
    z: 1,
    lineStyle: { width: 1.5, type: "dashed" },
    data: points.map((point) => [point.x, point.y]),
  };
}

export function compareOption({ curves }) {
  const text = ({ seriesName, value }) => `${seriesName}\n${number(value[0], 1)} % saved, drop ${number(value[1])} points`;
  const isAny = curves.some((curve) => curve.by_disagreement);
  const series = curves.flatMap((curve, place) => ofJob(curve, place));
  return {
    ...common("Accuracy drop against memory saved, one line a job", text, { data: curves.map((curve) => curve.label) }),
    xAxis: { ...axis("parameter memory saved, %", false), min: 0 },
    yAxis: axis(isAny ? "drop or disagreement, points" : "accuracy drop, points", true),
    series,
  };
}

// More jobs than colours: the rest is told apart by dashes.
function ofJob({ label, points }, place) {
  const tone = colour(COLOURS[place % COLOURS.length]);
  const dash = DASHES[Math.floor(place / COLOURS.length) % DASHES.length];
  return [
    {
      id: `${label} line`,
      type: "line",
      name: label,
      color: tone,
      symbol: "emptyCircle",
      symbolSize: 6,
      lineStyle: { width: 2, type: dash },
      data: points.map((point) => [point.saving, point.loss]),
    },
    {
      id: `${label} tested`,
      type: "scatter",
      name: label,
      color: tone,
      symbol: "circle",
      symbolSize: 11,
      data: points.filter((point) => point.confirmed_loss !== null).map((point) => [point.saving, point.confirmed_loss]),
    },
  ];
}
