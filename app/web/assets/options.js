// What ECharts is to draw; colours are those of the style sheet, so that light and dark agree with the page.
const MOST_SHOWN = 8;
const SYMBOLS = ["circle", "rect", "diamond", "triangle"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function number(value, digits = 2) {
  return value.toFixed(digits).replace("-", "\u2212");
}

function axis(name, isVertical) {
  return {
    type: "value",
    name,
    nameLocation: "middle",
    nameGap: isVertical ? 42 : 28,
    nameTextStyle: { color: colour("soft") },
    axisLabel: { color: colour("soft") },
    axisLine: { lineStyle: { color: colour("line") } },
    splitLine: { show: isVertical, lineStyle: { color: colour("line") } },
  };
}

function common(title, formatter, legend) {
  return {
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    animationDuration: 300,
    aria: { enabled: true, label: { description: title } },
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 58, right: 18, top: 18, bottom: 84 },
    legend: {
      type: "scroll",
      bottom: 0,
      textStyle: { color: colour("ink") },
      inactiveColor: colour("soft"),
      pageTextStyle: { color: colour("soft") },
      pageIconColor: colour("ink"),
      pageIconInactiveColor: colour("line"),
      ...legend,
    },
    // Drawn on the canvas: the policy of these pages allows no styles inside markup.
    tooltip: {
      trigger: "item",
      renderMode: "richText",
      backgroundColor: colour("card"),
      borderColor: colour("line"),
      textStyle: { color: colour("ink") },
      confine: true,
      formatter,
    },
  };
}

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

export function robustnessOption(curves) {
  const series = curves.robustness.map((curve, at) => ({
    id: `group-${curve.group}`,
    type: "line",
    name: curve.group,
    data: curve.points,
    color: colour(`s${at % MOST_SHOWN}`),
    symbol: SYMBOLS[Math.floor(at / MOST_SHOWN) % SYMBOLS.length],
    symbolSize: 6,
    lineStyle: { width: 1.8 },
    emphasis: { focus: "series" },
  }));
  const selected = Object.fromEntries(curves.robustness.slice(MOST_SHOWN).map((curve) => [curve.group, false]));
  const allowed = curves.lines.allowed_drop;
  const marks = allowed === null ? [] : [limit({ yAxis: allowed }, "allowed drop", "s5", "insideStartTop")];
  const told = ({ seriesName, value }) => `${seriesName}\n${number(value[0], 0)} % of its channels: drop ${number(value[1])} points`;
  const drops = curves.robustness.flatMap((curve) => curve.points.map((point) => point[1]));
  return {
    ...common("Drop of accuracy when one channel group alone is pruned", told, {
      data: curves.robustness.map((curve) => curve.group),
      selected,
    }),
    xAxis: { ...axis("channels of the group removed, %", false), min: 0, max: 100 },
    yAxis: { ...axis("drop, points", true), max: allowed !== null && allowed > Math.max(...drops) ? Math.ceil(1.1 * allowed) : undefined },
    series: [...series, ...limitSeries(marks)],
  };
}

export function memoryOption(curves) {
  const sets = [
    ["candidates tried", "s4", curves.tried, "scatter", "circle", 7],
    ["accepted steps", "s0", curves.steps, "line", "circle", 7],
    ["on unseen images", "s1", curves.tested, "scatter", "diamond", 12],
    ["on unseen images: holds", "s2", curves.held, "scatter", "diamond", 13],
    ["on unseen images: fails", "s5", curves.failed, "scatter", "triangle", 11],
  ].filter(([, , spots]) => spots.length);
  const series = sets.map(([name, tone, spots, type, symbol, symbolSize]) => ({
    id: name,
    type,
    name,
    color: colour(tone),
    symbol,
    symbolSize,
    data: spots.map((spot) => ({ value: [spot.saving, spot.accuracy], name: spot.label })),
    lineStyle: { width: 1.8 },
    z: type === "line" ? 2 : 3,
  }));
  const { floor, target } = curves.lines;
  const marks = [
    ...(floor === null ? [] : [limit({ yAxis: floor }, "accuracy floor", "s5", "insideStartTop")]),
    ...(target === null ? [] : [limit({ xAxis: target }, "target", "soft", "insideEndTop")]),
  ];
  const spots = sets.flatMap(([, , found]) => found);
  const heights = [...spots.map((spot) => spot.accuracy), ...(floor === null ? [] : [floor])];
  const told = ({ seriesName, name, value }) => `${name}\n${number(value[0], 1)} % saved, accuracy ${number(value[1])} %\n${seriesName}`;
  return {
    ...common("Accuracy against parameter memory saved", told, { data: sets.map(([name]) => name) }),
    xAxis: { ...axis("parameter memory saved, %", false), min: 0, max: Math.ceil(1.05 * Math.max(...spots.map((s) => s.saving), target ?? 0, 1)) },
    yAxis: { ...axis("accuracy, %", true), min: Math.floor(Math.min(...heights) - 0.3), max: Math.ceil(Math.max(...heights) + 0.3) },
    series: [...series, ...limitSeries(marks)],
  };
}
