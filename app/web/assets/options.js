// ECharts options of a job's two charts, both in points of accuracy lost (percent, where a disagreement is limited).
import { axis, colour, common, number, rate } from "./chart_base.js";

const COLOURS = 8;
const ZONES = 2; // times the limit; what loses more is left alone, and leaves the chart at its top
const USUAL_LIMIT = 3;
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

export function robustnessOption(charts, isWhole) {
  const series = charts.robustness.map((curve, at) => ({
    id: `group-${curve.group}`,
    type: "line",
    name: curve.group,
    data: curve.points.map((value) => (curve.bounds.includes(value[0]) ? { value, symbol: "arrow", symbolSize: 11, name: "bound" } : { value })),
    color: colour(`s${at % COLOURS}`),
    symbol: SYMBOLS[Math.floor(at / COLOURS) % SYMBOLS.length],
    symbolSize: 6,
    lineStyle: { width: 1.8 },
    emphasis: { focus: "series" },
  }));
  const allowed = charts.lines.most_lost;
  const [lost, unit] = charts.lines.by_disagreement ? ["disagreement", "%"] : ["accuracy drop", "points"];
  const marks = allowed === null ? [] : [limit({ yAxis: allowed }, `max. ${lost}`, "s5", "insideStartTop")];
  const text = ({ seriesName, value, name }) =>
    `${seriesName}\n${rate(value[0])} % of its channels removed: ${lost} ${name === "bound" ? "at least " : ""}${number(value[1])} ${unit}`;
  const drops = charts.robustness.flatMap((curve) => curve.points.map((point) => point[1]));
  const zone = ZONES * (allowed || USUAL_LIMIT);
  const most = isWhole || Math.max(...drops) <= zone ? Math.max(...drops, (allowed ?? 0) * 1.1) : zone;
  return {
    ...common(`${lost[0].toUpperCase()}${lost.slice(1)} when one channel group alone is pruned`, text, {
      data: charts.robustness.map((curve) => curve.group),
    }),
    xAxis: { ...axis("channels removed, %", false), min: 0, max: 100 },
    yAxis: { ...axis(`${lost}, ${unit}`, true), ...ends(Math.min(...drops), most) },
    series: [...series, ...limitSeries(marks)],
  };
}

// Ends of an axis that has `most` on it: whole halves of its leading digit.
function ends(least, most) {
  const step = 10 ** Math.floor(Math.log10(Math.max(most, -least, 0.1))) / 2;
  return { min: Math.floor(Math.min(least, 0) / step) * step, max: Math.ceil(most / step) * step };
}

const SETS = [
  ["tried", "tried", "s4", "scatter", "circle", 7],
  ["search images", "steps", "s0", "line", "circle", 7],
  ["confirmation images", "measured", "s1", "scatter", "diamond", 12],
  ["confirmed", "confirmed", "s2", "scatter", "diamond", 13],
  ["not proven", "not_proven", "s3", "scatter", "diamond", 13],
  ["not confirmed", "not_confirmed", "s5", "scatter", "triangle", 11],
];

export function memoryOption(charts) {
  const { most_lost: allowed, target, by_disagreement: isAgreement } = charts.lines;
  const [lost, unit] = isAgreement ? ["disagreement", "%"] : ["accuracy drop", "points"];
  const sets = SETS.filter(([, kind]) => charts[kind].length);
  const points = sets.flatMap(([, kind]) => charts[kind]);
  const heights = points.flatMap(({ drop, bound }) => [drop, bound ?? drop]);
  const marks = [
    ...(allowed === null ? [] : [limit({ yAxis: allowed }, `at most ${number(allowed)} ${unit}`, "s5", "insideStartTop")]),
    ...(target === null ? [] : [limit({ xAxis: target }, "memory target", "soft", "insideEndTop")]),
  ];
  const text = ({ seriesName, name, value, data }) =>
    [`${name}: ${number(value[0], 1)} % saved`, `${lost} ${number(value[1])} ${unit}${boundText(data?.bound, unit)}`, seriesName, data?.limit ? `another budget: ${data.limit} ${unit}` : ""]
      .filter(Boolean)
      .join("\n");
  return {
    ...common(`${lost[0].toUpperCase()}${lost.slice(1)} against parameter memory saved`, text, { data: [...sets.map(([name]) => name), ...(charts.delivered ? ["delivered"] : [])] }),
    xAxis: { ...axis("parameter memory saved, %", false), min: 0, max: Math.ceil(1.05 * Math.max(...points.map((point) => point.saving), target ?? 0, 1)) },
    yAxis: { ...axis(`${lost}, ${unit}`, true), ...ends(Math.min(...heights), 1.05 * Math.max(allowed ?? 0, ...heights, 0.1)) },
    series: [...sets.map((set) => setSeries(charts, set)), ...intervals(points), ...delivered(charts.delivered), ...limitSeries(marks)],
  };
}

// ECharts fills its own hollow symbols with white, also on a dark page.
function hollow(tone) {
  return { color: "transparent", borderColor: colour(tone), borderWidth: 2 };
}

function boundText(bound, unit) {
  return bound === null || bound === undefined ? "" : `, at most ${number(bound)} ${unit}`;
}

function setSeries(charts, [name, kind, tone, type, symbol, symbolSize]) {
  return {
    id: name,
    type,
    name,
    color: colour(tone),
    symbol,
    symbolSize,
    cursor: charts[kind].some(({ url }) => url) ? "pointer" : "default",
    data: charts[kind].map(({ label, saving, drop, bound, limit: wanted, url }) => ({ value: [saving, drop], name: label, bound, limit: wanted, url })),
    lineStyle: { width: 1.8 },
    itemStyle: kind === "not_proven" ? hollow(tone) : {},
    z: type === "line" ? 2 : 4,
  };
}

// From what was measured up to the bound: one line, broken between points.
function intervals(points) {
  const bounded = points.filter(({ bound }) => typeof bound === "number");
  if (!bounded.length) return [];
  const data = bounded.flatMap(({ saving, drop, bound }) => [[saving, drop], [saving, bound], [saving, null]]);
  const ends = bounded.map(({ saving, bound }) => ({ value: [saving, bound] }));
  const shared = { silent: true, color: colour("soft"), tooltip: { show: false }, z: 3 };
  return [
    { ...shared, id: "intervals", type: "line", data, symbol: "none", lineStyle: { width: 1.6, color: colour("soft") }, connectNulls: false },
    { ...shared, id: "bounds", type: "scatter", data: ends, symbol: "rect", symbolSize: [11, 2] },
  ];
}

function delivered(point) {
  if (!point) return [];
  return [
    {
      id: "delivered",
      type: "scatter",
      name: "delivered",
      silent: true,
      color: colour("ink"),
      symbol: "circle",
      symbolSize: 24,
      itemStyle: hollow("ink"),
      data: [{ value: [point.saving, point.drop], name: point.label }],
      label: { show: true, position: point.saving > 20 ? "left" : "right", formatter: "delivered", color: colour("ink"), backgroundColor: colour("card"), padding: [1, 4], fontWeight: 600 },
      tooltip: { show: false },
      z: 5,
    },
  ];
}
