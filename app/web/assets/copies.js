// Secrets that are shown once: a button that copies, and a reload that asks for the page instead of sending the form again.
const SHOWN_MS = 2000;

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
    showBriefly(button, "Copied");
  } catch {
    showBriefly(button, "Press Ctrl+C");
  }
}

function showBriefly(button, text) {
  const label = button.textContent;
  button.textContent = text;
  setTimeout(() => {
    button.textContent = label;
  }, SHOWN_MS);
}
