// Ticked rows of a list: what can be done with them is offered once there are enough, and the list keeps still meanwhile.
const LIST = "[data-chooses]";

export function countChosen() {
  document.body.addEventListener("change", (event) => {
    const list = event.target.closest(LIST);
    if (!list) return;
    if (event.target.matches("[data-all]"))
      for (const box of boxes(list)) box.checked = event.target.checked;
    show(list);
  });
  document.body.addEventListener("htmx:afterSwap", showAll);
  showAll();
}

function showAll() {
  for (const list of document.querySelectorAll(LIST)) {
    for (const part of list.querySelectorAll("[data-needs-script]")) part.hidden = false;
    show(list);
  }
}

function boxes(list) {
  return [...list.querySelectorAll("input[name=job]")];
}

function show(list) {
  const all = boxes(list);
  const chosen = all.filter((box) => box.checked);
  const told = list.querySelector("[data-chosen]");
  if (told) told.textContent = chosen.length ? `${chosen.length} chosen` : told.dataset.chosen;
  for (const button of list.querySelectorAll("button[data-least]")) {
    const { least, most } = button.dataset;
    button.disabled = chosen.length < Number(least) || chosen.length > Number(most);
  }
  const every = list.querySelector("[data-all]");
  if (every) every.checked = all.length > 0 && chosen.length === all.length;
}
