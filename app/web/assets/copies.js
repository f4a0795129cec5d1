// Buttons that copy an input or a text; and, of secrets that are shown once, a reload that asks for the page again instead of
// sending the form a second time.
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
async function copy(button, source) {
  if (source.select) source.select();
  else getSelection().selectAllChildren(source);
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    showBriefly(button, "Copied");
  } catch {
    showBriefly(button, "Press Ctrl+C");
  }
}

function showBriefly(button, text) {
  const label = [...button.childNodes];
  button.replaceChildren(text);
  setTimeout(() => button.replaceChildren(...label), SHOWN_MS);
}
