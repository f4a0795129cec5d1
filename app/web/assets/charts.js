// The job page's two charts, drawn by ECharts over the server's plain ones, and what a running job tells meanwhile.
import { CanvasRenderer } from "echarts/renderers";
import { LineChart, ScatterChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { memoryOption, robustnessOption } from "./options.js";
import { follow } from "./live.js";

use([AriaComponent, CanvasRenderer, GridComponent, LegendComponent, LineChart, MarkLineComponent, ScatterChart, TooltipComponent]);

const OPTIONS = { memory: memoryOption, robustness: robustnessOption };
const HAS_DATA = {
  memory: (curves) => curves.steps.length + curves.tried.length + curves.tested.length + curves.held.length + curves.failed.length > 0,
  robustness: (curves) => curves.robustness.length > 0,
};
const charts = {};

function draw(curves) {
  for (const box of document.querySelectorAll("[data-chart]")) {
    const name = box.dataset.chart;
    if (!HAS_DATA[name](curves)) continue;
    if (!charts[name]) {
      box.classList.add("drawn");
      box.classList.remove("waiting");
      box.replaceChildren();
      charts[name] = init(box);
      new ResizeObserver(() => charts[name].resize()).observe(box);
    }
    charts[name].setOption(OPTIONS[name](curves, box.clientWidth), { replaceMerge: ["series"] });
  }
}

const source = document.getElementById("curves");
if (source) {
  let curves = JSON.parse(source.textContent);
  draw(curves);
  const redraw = () => draw(curves);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const running = document.querySelector("[data-events]");
  if (running) {
    follow(running, curves, (newer) => {
      curves = newer;
      draw(curves);
    });
  }
}
