// What all charts share; colours are those of the style sheet, so that light and dark agree with the page.
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function number(value, digits = 2) {
  return value.toFixed(digits).replace("-", "\u2212");
}

// A rate in percent, which somebody chose, as it is.
export function rate(percent) {
  return String(Number(percent.toFixed(4)));
}

export function axis(name, isVertical) {
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

export function common(title, formatter, legend) {
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
