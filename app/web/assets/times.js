// Times in the reader's own zone; their titles keep UTC.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    time.textContent = (time.closest(".log") ? exact : format).format(new Date(time.dateTime));
    time.dataset.local = "";
  }
}
