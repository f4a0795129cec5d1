// Points of a chart that can be chosen: links beside the canvas, reached by Tab, walked by arrow keys, opened by Enter.
const NEXT = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export function offerPoints(box, chart, option) {
  const found = option.series.flatMap(({ name, data: all }, seriesIndex) =>
    (all ?? []).flatMap((data, dataIndex) => (data?.url ? [{ name, data, seriesIndex, dataIndex }] : [])),
  );
  const list = box.parentElement.querySelector(".points") ?? newList(box);
  list.replaceChildren(...found.map((point) => link(point, chart)));
  list.hidden = !found.length;
  if (list.firstElementChild) list.firstElementChild.tabIndex = 0;
  const place = () => found.forEach((point, at) => put(list.children[at], chart, point));
  chart.off("finished");
  chart.on("finished", place);
}

function newList(box) {
  const list = document.createElement("div");
  list.className = "points";
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Points of the chart: arrow keys move, Enter takes one as another budget");
  list.addEventListener("keydown", (event) => {
    const step = NEXT[event.key];
    if (!step) return;
    event.preventDefault();
    const links = [...list.children];
    const at = (links.indexOf(document.activeElement) + step + links.length) % links.length;
    links.forEach((one, place) => (one.tabIndex = place === at ? 0 : -1));
    links[at].focus();
  });
  box.after(list);
  return list;
}

function link({ name, data, seriesIndex, dataIndex }, chart) {
  const point = document.createElement("a");
  point.href = data.url;
  point.tabIndex = -1;
  point.textContent = `${data.name}, ${name}: ${data.value[0].toFixed(1)} % saved, ${data.value[1].toFixed(2)} lost; allow ${data.limit}`;
  point.addEventListener("focus", () => chart.dispatchAction({ type: "showTip", seriesIndex, dataIndex }));
  point.addEventListener("blur", () => chart.dispatchAction({ type: "hideTip" }));
  point.addEventListener("click", (event) => take(data, event));
  return point;
}

function put(point, chart, { data, seriesIndex }) {
  const at = chart.convertToPixel({ seriesIndex }, data.value);
  if (!point || !at) return;
  point.style.left = `${at[0]}px`;
  point.style.top = `${at[1]}px`;
}

// Into the form on this page, where it has one; otherwise where the point's address leads.
export function take(data, event) {
  const input = document.querySelector("#another-budget input[type=number]");
  if (!input || !data.limit) return event ? undefined : location.assign(data.url);
  event?.preventDefault();
  input.value = data.limit;
  input.scrollIntoView({ block: "center" });
  input.focus();
  input.select();
}

export function takeFromTable() {
  for (const one of document.querySelectorAll("a.take")) {
    one.addEventListener("click", (event) => take({ limit: one.dataset.take, url: one.href }, event));
  }
}
