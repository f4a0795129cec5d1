// Secrets that are shown once: a button that copies, and a reload that asks for the page instead of sending the form again.
const TOLD_MS = 2000;

export function offerCopies() {
  const shown = document.querySelector("[data-once]");
  if (shown) history.replaceState(null, "", shown.dataset.once);
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button, document.getElementById(button.dataset.copy)));
  }
}

// Only pages from this machine or over HTTPS may write the clipboard; elsewhere the text is selected, to be copied by hand.
async function copy(button, input) {
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
    say(button, "Copied");
  } catch {
    say(button, "Press Ctrl+C");
  }
}

function say(button, told) {
  const label = button.textContent;
  button.textContent = told;
  setTimeout(() => {
    button.textContent = label;
  }, TOLD_MS);
}
