// Ticked rows of lists: they stay chosen on other pages of a list, under other filters, and from the results to the jobs,
// until something is done with them. What can be done is offered once there are enough.
const LIST = "[data-chooses]";

export function countChosen() {
  document.body.addEventListener("change", (event) => {
    const list = event.target.closest(LIST);
    if (!list) return;
    if (event.target.matches("[data-all]"))
      for (const box of boxes(list)) box.checked = event.target.checked;
    keep(list, [...elsewhere(list), ...ticked(list)]);
    show(list);
  });
  document.body.addEventListener("click", (event) => {
    const list = event.target.closest(LIST);
    if (!list || !event.target.matches("[data-none]")) return;
    keep(list, []);
    restore(list);
  });
  document.body.addEventListener("submit", (event) => {
    if (event.target.matches(LIST)) keep(event.target, []);
  });
  document.body.addEventListener("htmx:afterSwap", restoreAll);
  for (const button of document.querySelectorAll("[data-choose]")) offerToCompare(button);
  restoreAll();
}

// A page of one job: the job is chosen, and the other one is looked for in the list.
function offerToCompare(button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    write(button.dataset.team, [...read(button.dataset.team), button.dataset.choose]);
    location.assign("/");
  });
}

function restoreAll() {
  for (const list of document.querySelectorAll(LIST)) {
    for (const part of list.querySelectorAll("[data-needs-script]")) part.hidden = false;
    restore(list);
  }
}

function restore(list) {
  const chosen = new Set(read(list.dataset.chooses));
  for (const box of boxes(list)) box.checked = chosen.has(box.value);
  show(list);
}

function boxes(list) {
  return [...list.querySelectorAll("input[type=checkbox][name=job]")];
}

function ticked(list) {
  return boxes(list)
    .filter((box) => box.checked)
    .map((box) => box.value);
}

function elsewhere(list) {
  const here = new Set(boxes(list).map((box) => box.value));
  return read(list.dataset.chooses).filter((job) => !here.has(job));
}

function show(list) {
  const away = elsewhere(list);
  const count = ticked(list).length + away.length;
  send(list, away);
  const told = list.querySelector("[data-chosen]");
  if (told) told.textContent = count ? `${count} chosen${away.length ? `, ${away.length} not in view` : ""}` : told.dataset.chosen;
  for (const button of list.querySelectorAll("button[data-least]")) {
    const { least, most } = button.dataset;
    button.disabled = count < Number(least) || count > Number(most);
  }
  for (const button of list.querySelectorAll("[data-none]")) button.hidden = !count;
  const every = list.querySelector("[data-all]");
  if (every) every.checked = boxes(list).length > 0 && boxes(list).every((box) => box.checked);
}

// What is chosen but not in view is sent as well.
function send(list, jobs) {
  for (const old of list.querySelectorAll("input[type=hidden][name=job]")) old.remove();
  for (const job of jobs) {
    const sent = document.createElement("input");
    Object.assign(sent, { type: "hidden", name: "job", value: job });
    list.append(sent);
  }
}

// Of one tab, each team by itself; where the browser keeps nothing, only what is in view counts.
function keep(list, jobs) {
  write(list.dataset.chooses, jobs);
}

function read(team) {
  try {
    return JSON.parse(sessionStorage.getItem(`chosen ${team}`) ?? "[]");
  } catch {
    return [];
  }
}

function write(team, jobs) {
  try {
    sessionStorage.setItem(`chosen ${team}`, JSON.stringify([...new Set(jobs)]));
  } catch {
    console.info("the browser keeps nothing of this page");
  }
}
