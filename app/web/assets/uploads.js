// Files of forms, sent in parts that can be paused and resumed; without this script the form sends them whole.
import { Transfer } from "./transfer.js";

const CHECKPOINTS = /\.(pth|pt|safetensors|ckpt|bin|pth\.tar)$/i;

const STOPPED = ["paused", "failed"];

export function sendInParts(form) {
  const running = new Map(); // by input
  const choosesAtOnce = form.querySelector("[data-into]") !== null;
  // A browser that comes back to this page may show it as it was left.
  addEventListener("pageshow", () => enable(form, true));
  form.addEventListener("change", ({ target }) => {
    if (!target.matches("input[type=file]")) return;
    running.get(target)?.transfer.discard(); // of the file that was chosen before
    if (choosesAtOnce) begin(form, target, running);
  });
  if (choosesAtOnce) acceptDrops(form);
  form.addEventListener("submit", async (event) => {
    for (const input of form.querySelectorAll("input[type=file]")) {
      const entry = running.get(input);
      if (!entry && input.files.length) begin(form, input, running);
      if (entry && STOPPED.includes(entry.transfer.state)) go(entry, form, input, running);
    }
    if (!running.size) return;
    event.preventDefault();
    enable(form, false);
    const isSent = await allSent(running);
    enable(form, true); // or the button that was pressed would not be sent
    if (!isSent) return;
    if (!choosesAtOnce) return location.assign("/uploads");
    form.requestSubmit(event.submitter);
    enable(form, false);
  });
}

// Whether everything has arrived; false as soon as something is paused, discarded or has failed.
async function allSent(running) {
  while (running.size) {
    const [{ ended }] = running.values();
    if (!(await ended)) return false;
  }
  return true;
}

function begin(form, input, running) {
  const file = input.files[0];
  if (!file) return;
  const kind = input.dataset.kind ?? form.elements[input.dataset.kindFrom].value;
  const box = input.closest(".field").querySelector(".sent") ?? form.querySelector(".sent");
  const entry = {};
  const transfer = new Transfer(file, kind, form.elements.form_token.value, (one) => {
    show(box, one, () => go(entry, form, input, running));
    if (one.state === "discarded") running.delete(input);
  });
  entry.transfer = transfer;
  running.set(input, entry);
  if (input.dataset.into) input.value = ""; // its file is the script's now, and another may be chosen
  go(entry, form, input, running);
}

function go(entry, form, input, running) {
  entry.ended = entry.transfer.run().then(() => {
    if (entry.transfer.state !== "done") return false;
    running.delete(input);
    if (input.dataset.into) choose(form.elements[input.dataset.into], entry.transfer.upload);
    else input.value = "";
    return true;
  });
}

function enable(form, isEnabled) {
  for (const button of form.querySelectorAll("button")) {
    if (!button.closest(".sent")) button.disabled = !isEnabled;
  }
}

function choose(select, upload) {
  const known = [...select.options].find(({ value }) => value === upload.id);
  if (known) known.selected = true;
  else select.append(new Option(upload.name, upload.id, true, true));
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

const TEXTS = {
  starting: (one) => `${one.file.name}: starting.`,
  sending: (one) => `${one.file.name}: ${share(one.done, one.file.size)}`,
  paused: (one) => `${one.file.name}: paused at ${share(one.done, one.file.size)}`,
  completing: (one) => `${one.file.name} is uploaded; completing.`,
  done: (one) => `${one.file.name} is uploaded.`,
  failed: (one) => `${one.file.name}: ${one.message}`,
  discarded: () => "",
};

function show(box, transfer, resume) {
  const { state } = transfer;
  box.hidden = state === "discarded";
  box.querySelector("progress").value = transfer.file.size ? transfer.done / transfer.file.size : 1;
  const status = box.querySelector("p");
  status.textContent = TEXTS[state](transfer);
  if (box.dataset.state === state && box.transfer === transfer) return;
  box.dataset.state = state;
  box.transfer = transfer;
  const focused = box.contains(document.activeElement);
  box.querySelector(".actions")?.remove();
  const buttons = document.createElement("div");
  buttons.className = "actions";
  if (state === "sending") buttons.append(button("Pause", transfer, () => transfer.pause()));
  if (state === "paused") buttons.append(button("Resume", transfer, resume));
  if (state === "failed") buttons.append(button("Try again", transfer, resume));
  if (["starting", "sending", "paused", "failed"].includes(state)) buttons.append(button("Discard", transfer, () => transfer.discard()));
  if (buttons.childElementCount) box.append(buttons);
  if (focused) buttons.querySelector("button")?.focus();
}

function button(label, { file }, act) {
  const one = document.createElement("button");
  one.type = "button";
  one.className = "small";
  one.dataset.act = label.toLowerCase();
  one.append(label, hidden(` ${file.name}`));
  one.addEventListener("click", act);
  return one;
}

function hidden(text) {
  const span = document.createElement("span");
  span.className = "hidden";
  span.textContent = text;
  return span;
}

function share(sent, size) {
  return size ? `${Math.floor((100 * sent) / size)} %` : "sent";
}

// Files may be dropped on the field that they are for, or anywhere on the page: then their names tell where they belong.
function acceptDrops(form) {
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    mark(form, event.target.closest?.(".field.file"));
  });
  addEventListener("dragleave", (event) => event.relatedTarget ?? mark(form, null));
  addEventListener("drop", (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    mark(form, null);
    const field = event.target.closest?.(".field.file");
    const isFolder = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()?.isDirectory === true);
    files.forEach((file, at) => put(form, field && files.length === 1 ? field : fieldFor(form, file), file, isFolder[at]));
  });
}

function mark(form, field) {
  for (const one of form.querySelectorAll(".field.file")) one.classList.toggle("over", one === field);
}

function fieldFor(form, file) {
  const into = CHECKPOINTS.test(file.name) ? "checkpoint_id" : "dataset_id";
  return form.querySelector(`input[data-into=${into}]`).closest(".field.file");
}

function put(form, field, file, isFolder) {
  const box = field.querySelector(".sent");
  if (isFolder) {
    box.hidden = false;
    box.querySelector("p").textContent = `${file.name} is a folder: pack it as .zip or .tar, and drop that.`;
    return;
  }
  const input = field.querySelector("input[type=file]");
  const chosen = new DataTransfer();
  chosen.items.add(file);
  input.files = chosen.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}
