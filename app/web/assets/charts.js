// The charts of a page, drawn by ECharts from its data; those of a running job grow with its events.
import { CanvasRenderer } from "echarts/renderers";
import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { memoryOption, robustnessOption } from "./options.js";
import { compareOption, resultsOption } from "./list_options.js";
import { usageOption } from "./team_options.js";
import { follow } from "./live.js";
import { offerPoints, take, takeFromTable } from "./points.js";

use([
  AriaComponent, BarChart, CanvasRenderer, GridComponent, LegendComponent, LineChart, MarkLineComponent, ScatterChart,
  TooltipComponent,
]);

const CANDIDATES = ["steps", "tried", "measured", "confirmed", "not_proven", "not_confirmed"];
const CHARTS = {
  memory: { option: memoryOption, hasData: (data) => CANDIDATES.some((kind) => data[kind].length) },
  robustness: { option: robustnessOption, hasData: (data) => data.robustness.length > 0 },
  results: { option: resultsOption, hasData: (data) => data.results.length > 0 },
  compare: { option: compareOption, hasData: (data) => data.curves.length > 0 },
  usage: { option: usageOption, hasData: (data) => data.days.length > 0 },
};
const drawn = {};
const whole = new Set(); // names of charts that show their whole range

function draw(data) {
  for (const box of document.querySelectorAll("[data-chart]")) {
    const name = box.dataset.chart;
    const { option, hasData } = CHARTS[name];
    if (!hasData(data)) continue;
    drawn[name] ??= start(box);
    const drawing = option(data, whole.has(name));
    drawn[name].setOption(drawing, { replaceMerge: ["series"] });
    if (name === "memory") offerPoints(box, drawn[name], drawing);
  }
}

function start(box) {
  box.classList.add("drawn");
  box.classList.remove("waiting");
  box.replaceChildren();
  const chart = init(box);
  // A point of the results leads to its job, one of a job to the form of another budget.
  chart.on("click", ({ data }) => data?.url && take(data));
  new ResizeObserver(() => chart.resize()).observe(box);
  return chart;
}

const source = document.getElementById("chart-data");
if (source) {
  let data = JSON.parse(source.textContent);
  draw(data);
  takeFromTable();
  for (const button of document.querySelectorAll("[data-whole]")) {
    button.addEventListener("click", () => {
      const isWhole = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(isWhole));
      whole[isWhole ? "add" : "delete"](button.dataset.whole);
      draw(data);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(data));
  const running = document.querySelector("[data-events]");
  if (running) {
    // The tables hold what the page was loaded with; the charts go on from there.
    for (const table of document.querySelectorAll("details.data")) table.remove();
    follow(running, data, (newer) => {
      data = newer;
      draw(data);
    });
  }
}
