// Takes the nearest possible value of a problem into its input; without this script the button sends the form for that.
export function takeNearest(form) {
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=take]");
    const [name, value] = button?.value.split("=", 2) ?? [];
    const input = form.elements[name];
    if (!input) return;
    event.preventDefault();
    const fold = input.closest("details");
    if (fold) fold.open = true;
    input.value = value;
    input.focus();
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
