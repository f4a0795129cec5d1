// Times in the reader's own zone; their titles keep UTC.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    time.textContent = format.format(new Date(time.dateTime));
    time.dataset.local = "";
  }
}
