// Fields for passwords: what was typed can be looked at, and a meter tells how hard a new password is to guess.
const BITS_OF_A_STRONG_ONE = 70;
const KINDS = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/];
const SIZES = [26, 26, 10, 33];

export function helpWithPasswords() {
  for (const input of document.querySelectorAll('input[type="password"]')) {
    input.after(shower(input));
    if (input.autocomplete === "new-password") input.after(meter(input));
  }
}

function shower(input) {
  const box = Object.assign(document.createElement("input"), { type: "checkbox" });
  const label = Object.assign(document.createElement("label"), { className: "hint" });
  label.append(box, " Show");
  box.addEventListener("change", () => {
    input.type = box.checked ? "text" : "password";
  });
  input.form?.addEventListener("submit", () => {
    input.type = "password"; // browsers remember what is typed into other fields
  });
  return label;
}

function meter(input) {
  const shown = Object.assign(document.createElement("meter"), { max: BITS_OF_A_STRONG_ONE, low: 35, high: 55 });
  shown.optimum = BITS_OF_A_STRONG_ONE;
  shown.setAttribute("aria-label", "How hard the new password is to guess");
  input.addEventListener("input", () => {
    shown.value = bits(input.value);
  });
  return shown;
}

// Characters that repeat their neighbour, or follow it, add next to nothing; the server refuses what many people use.
export function bits(password) {
  const alphabet = KINDS.reduce((sum, kind, n) => sum + (kind.test(password) ? SIZES[n] : 0), 0) || 1;
  const characters = [...password].map((letter) => letter.codePointAt(0));
  const news = characters.filter((code, n) => n === 0 || Math.abs(code - characters[n - 1]) > 1);
  return Math.min(news.length, 3 * new Set(characters).size) * Math.log2(alphabet);
}
