// Follows a running job through its server-sent events: refreshes the panel and adds measurements to the charts.
import { rate } from "./chart_base.js";

const PAUSE_MS = 1000;
const ENDED = ["succeeded", "failed", "cancelled"];

export function follow(box, first, onData) {
  const model = new Model(first);
  const refresh = atMostEvery(PAUSE_MS, () => box.querySelector("#live")?.dispatchEvent(new Event("refresh")));
  const relist = atMostEvery(2 * PAUSE_MS, () => document.getElementById("log-lines")?.dispatchEvent(new Event("refresh")));
  const redraw = atMostEvery(PAUSE_MS, () => onData(model.data()));
  box.addEventListener("htmx:afterSwap", () => announce(box.querySelector("#live .big")?.textContent ?? ""));
  const source = new EventSource(box.dataset.events);
  source.addEventListener("progress", (event) => {
    if (model.add(JSON.parse(event.data))) redraw();
    refresh();
    relist();
  });
  source.addEventListener("state", (event) => {
    if (ENDED.includes(JSON.parse(event.data).state)) source.close();
    refresh();
    relist();
  });
}

// Screen readers announce each new step, not every unit of it.
function announce(step) {
  const announcement = document.getElementById("announcement");
  if (announcement.textContent !== step) announcement.textContent = step;
}

// The stream begins with the job's first event, so the model begins empty; a cell reported twice counts once.
class Model {
  constructor(first) {
    this.lines = { ...first.lines };
    this.cells = new Map();
    this.tried = new Map();
    this.measured = new Map();
    this.baseline = this.lines.by_disagreement ? 1 : null;
  }

  add({ step, facts }) {
    if (facts?.disagreement !== undefined) return this.addDisagreement(facts);
    if (facts?.rate !== undefined && facts.accuracy_drop !== undefined) return this.addCell(facts);
    if (facts?.rate !== undefined && this.baseline !== null) return this.addTried(facts);
    if (step === "confirm" && facts?.accuracy_drop !== undefined && this.baseline !== null) return this.addMeasured(facts);
    return false;
  }

  // Where a disagreement is promised, agreement with the original stands in place of accuracy.
  addDisagreement(facts) {
    const agreement = { ...facts, accuracy: 1 - facts.disagreement, accuracy_drop: facts.disagreement };
    if (facts.memory_saving === undefined) return this.addCell(agreement);
    return facts.samples === undefined ? this.addTried(agreement) : this.addMeasured(agreement);
  }

  addCell(facts) {
    if (!this.cells.has(facts.group)) this.cells.set(facts.group, new Map());
    this.cells.get(facts.group).set(facts.rate, { drop: facts.accuracy_drop, isBound: facts.is_bound === true });
    this.baseline = facts.accuracy + facts.accuracy_drop;
    return true;
  }

  addTried(facts) {
    const label = facts.group ? `${facts.group} at ${rate(100 * facts.rate)} %` : "candidate";
    const point = { label, saving: 100 * facts.memory_saving, drop: 100 * (this.baseline - facts.accuracy) };
    this.tried.set(JSON.stringify(point), point);
    return true;
  }

  addMeasured(facts) {
    const point = { label: "confirmation images", saving: 100 * facts.memory_saving, drop: 100 * facts.accuracy_drop };
    this.measured.set(facts.memory_saving, point); // of several looks at a candidate the last
    return true;
  }

  data() {
    const robustness = [...this.cells].map(([group, drops]) => ({
      group,
      points: [[0, 0], ...[...drops].map(([at, { drop }]) => [100 * at, 100 * drop]).sort((a, b) => a[0] - b[0])],
      bounds: [...drops].filter(([, { isBound }]) => isBound).map(([at]) => 100 * at),
    }));
    const tried = [...this.tried.values()];
    const measured = [...this.measured.values()];
    return { robustness, steps: [], tried, measured, confirmed: [], not_proven: [], not_confirmed: [], delivered: null, lines: this.withLimit() };
  }

  // The budget on the scale of what is lost, once the original is measured.
  withLimit() {
    const { allowed_drop: allowed, min_accuracy: lowest } = this.lines;
    const limits = allowed === null ? [] : [allowed];
    if (this.baseline !== null && lowest !== null) limits.push(100 * this.baseline - lowest);
    return { ...this.lines, most_lost: limits.length ? Math.min(...limits) : null };
  }
}

function atMostEvery(pause, act) {
  let waiting = null;
  return () => {
    waiting ??= setTimeout(() => {
      waiting = null;
      act();
    }, pause);
  };
}
