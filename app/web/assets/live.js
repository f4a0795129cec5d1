// Follows a running job through its server-sent events: refreshes the panel, and adds what was measured to the charts.
const PAUSE_MS = 1000;
const OVER = ["succeeded", "failed", "cancelled"];

export function follow(box, first, onCurves) {
  const model = new Model(first);
  const refresh = atMostEvery(PAUSE_MS, () => box.querySelector("#live")?.dispatchEvent(new Event("refresh")));
  const redraw = atMostEvery(PAUSE_MS, () => onCurves(model.curves()));
  box.addEventListener("htmx:afterSwap", () => say(box.querySelector("#live .big")?.textContent ?? ""));
  const source = new EventSource(box.dataset.events);
  source.addEventListener("progress", (event) => {
    if (model.add(JSON.parse(event.data))) redraw();
    refresh();
  });
  source.addEventListener("state", (event) => {
    if (OVER.includes(JSON.parse(event.data).state)) source.close();
    refresh();
  });
}

// Screen readers hear of a new step, not of every unit of it.
function say(step) {
  const said = document.getElementById("said");
  if (said.textContent !== step) said.textContent = step;
}

// The stream begins with the job's first event, so the model begins empty; a cell told twice counts once.
class Model {
  constructor(first) {
    this.lines = { ...first.lines };
    this.cells = new Map();
    this.tried = new Map();
    this.tested = new Map();
    this.start = null;
  }

  add({ step, facts }) {
    if (step === "profile" && facts?.rate !== undefined) return this.addCell(facts);
    if (step === "search" && facts?.rate !== undefined) return this.addTried(facts);
    if (step === "confirm" && facts?.accuracy_drop !== undefined && this.start !== null) return this.addTested(facts);
    return false;
  }

  addCell(facts) {
    if (!this.cells.has(facts.group)) this.cells.set(facts.group, new Map());
    this.cells.get(facts.group).set(facts.rate, facts.accuracy_drop);
    this.start = facts.accuracy + facts.accuracy_drop;
    return true;
  }

  addTried(facts) {
    const label = `${facts.group} at ${Math.round(100 * facts.rate)} %`;
    const spot = { label, saving: 100 * facts.memory_saving, accuracy: 100 * facts.accuracy };
    this.tried.set(JSON.stringify(spot), spot);
    return true;
  }

  addTested(facts) {
    const accuracy = 100 * (this.start - facts.accuracy_drop);
    const spot = { label: "on unseen images", saving: 100 * facts.memory_saving, accuracy };
    this.tested.set(JSON.stringify(spot), spot);
    return true;
  }

  curves() {
    const robustness = [...this.cells].map(([group, drops]) => ({
      group,
      points: [[0, 0], ...[...drops].map(([rate, drop]) => [100 * rate, 100 * drop]).sort((a, b) => a[0] - b[0])],
    }));
    const tried = [...this.tried.values()];
    return { robustness, steps: [], tried, held: [], failed: [], tested: [...this.tested.values()], lines: this.withFloor() };
  }

  withFloor() {
    const { allowed_drop: allowed, min_accuracy: lowest } = this.lines;
    const floors = lowest === null ? [] : [lowest];
    if (this.start !== null && allowed !== null) floors.push(100 * this.start - allowed);
    return { ...this.lines, floor: floors.length ? Math.max(...floors) : null };
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
