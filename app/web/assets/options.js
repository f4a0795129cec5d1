// ECharts options of a job's two charts.
import { axis, colour, common, number, rate } from "./chart_base.js";

const MOST_SHOWN = 8;
const SYMBOLS = ["circle", "rect", "diamond", "triangle"];

function limit(where, label, name, position) {
  return {
    silent: true,
    symbol: "none",
    data: [{ ...where, lineStyle: { color: colour(name), type: "dashed", width: 1.3 } }],
    label: { formatter: label, position, color: colour("soft") },
  };
}

// A line of its own, so that hiding a curve in the legend does not hide the limit.
function limitSeries(marks) {
  return marks.map((markLine, at) => ({ id: `limit-${at}`, type: "line", data: [], silent: true, markLine, tooltip: { show: false } }));
}

export function robustnessOption(charts) {
  const series = charts.robustness.map((curve, at) => ({
    id: `group-${curve.group}`,
    type: "line",
    name: curve.group,
    data: curve.points.map((value) => (curve.bounds.includes(value[0]) ? { value, symbol: "arrow", symbolSize: 11, name: "bound" } : { value })),
    color: colour(`s${at % MOST_SHOWN}`),
    symbol: SYMBOLS[Math.floor(at / MOST_SHOWN) % SYMBOLS.length],
    symbolSize: 6,
    lineStyle: { width: 1.8 },
    emphasis: { focus: "series" },
  }));
  const selected = Object.fromEntries(charts.robustness.slice(MOST_SHOWN).map((curve) => [curve.group, false]));
  const allowed = charts.lines.allowed_drop;
  const [lost, unit] = charts.lines.by_disagreement ? ["disagreement", "%"] : ["accuracy drop", "points"];
  const marks = allowed === null ? [] : [limit({ yAxis: allowed }, `max. ${lost}`, "s5", "insideStartTop")];
  const text = ({ seriesName, value, name }) =>
    `${seriesName}\n${rate(value[0])} % of its channels removed: ${lost} ${name === "bound" ? "at least " : ""}${number(value[1])} ${unit}`;
  const drops = charts.robustness.flatMap((curve) => curve.points.map((point) => point[1]));
  return {
    ...common(`${lost[0].toUpperCase()}${lost.slice(1)} when one channel group alone is pruned`, text, {
      data: charts.robustness.map((curve) => curve.group),
      selected,
    }),
    xAxis: { ...axis("channels removed, %", false), min: 0, max: 100 },
    yAxis: { ...axis(`${lost}, ${unit}`, true), max: allowed !== null && allowed > Math.max(...drops) ? Math.ceil(1.1 * allowed) : undefined },
    series: [...series, ...limitSeries(marks)],
  };
}

export function memoryOption(charts) {
  const sets = [
    ["tried", "s4", charts.tried, "scatter", "circle", 7],
    ["search images", "s0", charts.steps, "line", "circle", 7],
    ["confirmation images", "s1", charts.measured, "scatter", "diamond", 12],
    ["confirmed", "s2", charts.confirmed, "scatter", "diamond", 13],
    ["not proven", "s3", charts.not_proven, "scatter", "emptyDiamond", 13],
    ["not confirmed", "s5", charts.not_confirmed, "scatter", "triangle", 11],
  ].filter(([, , points]) => points.length);
  const series = sets.map(([name, tone, points, type, symbol, symbolSize]) => ({
    id: name,
    type,
    name,
    color: colour(tone),
    symbol,
    symbolSize,
    data: points.map((point) => ({ value: [point.saving, point.accuracy], name: point.label })),
    lineStyle: { width: 1.8 },
    z: type === "line" ? 2 : 3,
  }));
  const { floor, target } = charts.lines;
  const what = charts.lines.by_disagreement ? "agreement" : "accuracy";
  const marks = [
    ...(floor === null ? [] : [limit({ yAxis: floor }, `${what} floor`, "s5", "insideStartTop")]),
    ...(target === null ? [] : [limit({ xAxis: target }, "memory target", "soft", "insideEndTop")]),
  ];
  const points = sets.flatMap(([, , ofSet]) => ofSet);
  const heights = [...points.map((point) => point.accuracy), ...(floor === null ? [] : [floor])];
  const text = ({ seriesName, name, value }) =>
    `${name}\n${number(value[0], 1)} % saved, ${what} ${number(value[1])} %\n${seriesName}`;
  return {
    ...common(`${what[0].toUpperCase()}${what.slice(1)} against parameter memory saved`, text, { data: sets.map(([name]) => name) }),
    xAxis: { ...axis("parameter memory saved, %", false), min: 0, max: Math.ceil(1.05 * Math.max(...points.map((point) => point.saving), target ?? 0, 1)) },
    yAxis: { ...axis(`${what}, %`, true), min: Math.floor(Math.min(...heights) - 0.3), max: Math.ceil(Math.max(...heights) + 0.3) },
    series: [...series, ...limitSeries(marks)],
  };
}
