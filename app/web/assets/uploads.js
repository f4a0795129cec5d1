// Large files in parts, so that one that fails is sent again alone; without this script the form sends them whole.
const TRIES = 4;
const WAIT_MS = 1000;
const AT_ONCE = 3;
const ADDRESSES_AT_ONCE = 32;

export function sendInParts(form) {
  // A browser that comes back to this page may show it as it was left.
  addEventListener("pageshow", () => enable(form, true));
  form.addEventListener("submit", async (event) => {
    const inputs = [...form.querySelectorAll("input[type=file]")].filter((input) => input.files.length);
    if (!inputs.length) return;
    event.preventDefault();
    enable(form, false);
    try {
      for (const input of inputs) await sendOne(form, input);
      if (!form.querySelector("[data-into]")) return location.assign("/uploads");
      enable(form, true); // or the button that was pressed would not be sent
      form.requestSubmit(event.submitter);
      enable(form, false);
    } catch (error) {
      showProgress(form, error.message, 0);
      enable(form, true);
    }
  });
}

function enable(form, isEnabled) {
  for (const button of form.querySelectorAll("button")) button.disabled = !isEnabled;
}

async function sendOne(form, input) {
  const file = input.files[0];
  const kind = input.dataset.kind ?? form.elements[input.dataset.kindFrom].value;
  const token = form.elements.form_token.value;
  const announced = { kind, name: file.name, size_bytes: file.size };
  const upload = await send("POST", "/uploads/begin", token, JSON.stringify(announced), "application/json");
  const sent = new Map();
  const onProgress = (number, bytes) => {
    sent.set(number, bytes);
    const done = [...sent.values()].reduce((sum, some) => sum + some, 0);
    showProgress(form, `${file.name}: ${share(done, file.size)}`, done / file.size);
  };
  await sendParts(upload, file, token, onProgress);
  showProgress(form, `${file.name} is uploaded; completing.`, 1);
  await send("POST", `/uploads/${upload.id}/complete`, token);
  if (input.dataset.into) choose(form.elements[input.dataset.into], upload.id, file.name);
  input.value = "";
}

// Several at a time: while one part waits for its answer, the line carries others.
async function sendParts(upload, file, token, onProgress) {
  const direct = { isPossible: true };
  for (let first = 1; first <= upload.parts; first += ADDRESSES_AT_ONCE) {
    const count = Math.min(ADDRESSES_AT_ONCE, upload.parts - first + 1);
    const numbers = Array.from({ length: count }, (_, index) => first + index);
    const addresses = await addressesOf(upload, numbers, token, direct);
    const sendNext = async () => {
      for (let number = numbers.shift(); number; number = numbers.shift()) {
        const start = (number - 1) * upload.part_bytes;
        const part = file.slice(start, start + upload.part_bytes);
        const onPart = (bytes) => onProgress(number, bytes);
        if (await sendDirectly(addresses.get(number), part, direct, onPart)) continue;
        await sendPart(`/uploads/${upload.id}/parts/${number}`, token, part, onPart);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sendNext));
  }
}

// Where storage takes parts itself; nowhere where this browser could not reach it before.
async function addressesOf(upload, numbers, token, direct) {
  if (!direct.isPossible) return new Map();
  const body = JSON.stringify({ numbers });
  const { items } = await send("POST", `/uploads/${upload.id}/part-urls`, token, body, "application/json");
  return new Map(items.map(({ number, url }) => [number, url]));
}

async function sendDirectly(address, part, direct, onProgress) {
  if (!address || !direct.isPossible) return false;
  try {
    await send("PUT", address, null, part, "application/octet-stream", null, onProgress);
    return true;
  } catch {
    direct.isPossible = false; // out of reach, or it does not allow this page; the server takes parts, too
    return false;
  }
}

async function sendPart(address, token, part, onProgress) {
  const digest = await sha256(part);
  for (let attempt = 1; ; attempt++) {
    try {
      return await send("PUT", address, token, part, "application/octet-stream", digest, onProgress);
    } catch (error) {
      if (error.isFinal || attempt === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS * 2 ** attempt));
    }
  }
}

// XMLHttpRequest, because fetch does not tell how much was sent.
function send(method, address, token, body, type, digest, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    request.responseType = "json";
    if (token) {
      request.setRequestHeader("X-Form-Token", token);
      request.setRequestHeader("Accept", "application/json");
    }
    if (type) request.setRequestHeader("Content-Type", type);
    if (digest) request.setRequestHeader("X-Content-Sha256", digest);
    if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onerror = () => reject(new Error("The server does not answer. Submit the form again."));
    request.onload = () => {
      if (request.status < 300) return resolve(request.response);
      const detail = request.status === 401 ? "The session has ended; sign in again." : request.response?.detail;
      const error = new Error(detail ?? `The server answered with status ${request.status}.`);
      error.isFinal = request.status >= 400 && request.status < 500;
      reject(error);
    };
    request.send(body);
  });
}

// Only pages from this machine or over HTTPS may compute digests; the server checks lengths in any case.
async function sha256(part) {
  if (!globalThis.crypto?.subtle) return null;
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await part.arrayBuffer()));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function choose(select, id, name) {
  select.append(new Option(name, id, true, true));
}

function showProgress(form, message, done) {
  const box = form.querySelector(".sent");
  box.hidden = false;
  box.querySelector("progress").value = done;
  box.querySelector("p").textContent = message;
}

function share(sent, size) {
  return size ? `${Math.floor((100 * sent) / size)} %` : "sent";
}
