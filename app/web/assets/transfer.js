// One file on its way to the service, in parts: it can be paused, and goes on where it was, also after the page was left.
const TRIES = 4;
const WAIT_MS = 1000;
const AT_ONCE = 3;
const ADDRESSES_AT_ONCE = 32;
const OPEN = ["created", "uploading"];
const SIGNED_OUT = [401, 403]; // who signs in again goes on with the same upload
const LATER = [408, 429];
const UNDER_WAY = ["starting", "sending", "completing"];
const KEPT = "primesvt-upload:";

export class Transfer {
  // `onChange` is called with this whenever there is something to show.
  constructor(file, kind, token, onChange) {
    Object.assign(this, { file, kind, token, onChange, upload: null, state: "starting", message: "", sent: new Map() });
    this.ended = Promise.resolve();
    this.direct = { isPossible: true };
    // The same file as last time, as far as a page may know.
    this.key = KEPT + JSON.stringify([kind, file.name, file.size, file.lastModified]);
  }

  get done() {
    return Math.min([...this.sent.values()].reduce((sum, bytes) => sum + bytes, 0), this.file.size);
  }

  // Ends when the file is complete, paused or discarded, or cannot be sent. What an earlier attempt still does ends first.
  run() {
    this.ended = this.ended.then(() => this.attempt());
    return this.ended;
  }

  async attempt() {
    if (this.state === "done" || this.state === "discarded") return;
    this.stop = new AbortController();
    try {
      if (!this.upload) {
        this.show("starting");
        this.upload = (await this.remembered()) ?? (await this.begin());
        this.stop.signal.throwIfAborted();
      }
      this.show("sending");
      await this.sendMissing();
      this.show("completing");
      this.upload = await this.send("POST", `/uploads/${this.upload.id}/complete`);
      forget(this.key);
      this.show("done");
    } catch (error) {
      if (UNDER_WAY.includes(this.state)) this.show("failed", error.message);
      if (error.isFinal) this.forgetAll();
    }
  }

  // The service takes no more of this upload: another attempt is another upload.
  forgetAll() {
    forget(this.key);
    this.upload = null;
    this.whole = undefined;
    this.sent.clear();
  }

  pause() {
    this.show("paused");
    this.stop.abort();
  }

  async discard() {
    this.show("discarded");
    this.stop?.abort();
    await this.ended; // an upload that is just being created is known then
    const id = this.upload?.id ?? recall(this.key); // of an earlier visit, where its question was stopped
    forget(this.key);
    const form = new URLSearchParams({ form_token: this.token });
    if (id) await fetch(`/uploads/${encodeURIComponent(id)}/delete`, { method: "POST", body: form, redirect: "manual" });
  }

  show(state, message = "") {
    this.state = state;
    this.message = message;
    this.onChange(this);
  }

  async begin() {
    const announced = { kind: this.kind, name: this.file.name, size_bytes: this.file.size };
    const body = JSON.stringify(announced);
    // Goes on when it is stopped: an upload that the service has created and no page knows of would be left behind.
    const upload = await this.send("POST", "/uploads/begin", body, "application/json", { signal: null });
    remember(this.key, upload.id);
    return upload;
  }

  // What an earlier visit to the page has begun to send of this file, if it still takes parts.
  async remembered() {
    const id = recall(this.key);
    if (!id) return null;
    try {
      const upload = await this.send("GET", `/api/v1/uploads/${encodeURIComponent(id)}`);
      if (!OPEN.includes(upload.state) || upload.size_bytes !== this.file.size) return null;
      for (const number of upload.received_parts) this.sent.set(number, this.partOf(upload, number).size);
      return upload;
    } catch (error) {
      if (error.isFinal) return null; // it was deleted, or is another team's
      throw error;
    }
  }

  partOf(upload, number) {
    const start = (number - 1) * upload.part_bytes;
    return this.file.slice(start, start + upload.part_bytes);
  }

  // Several at a time: while one part waits for its answer, the line carries others.
  async sendMissing() {
    const upload = this.upload;
    const isWhole = (number) => this.sent.get(number) === this.partOf(upload, number).size && this.whole?.has(number);
    this.whole ??= new Set(this.sent.keys());
    const missing = Array.from({ length: upload.parts }, (_, index) => index + 1).filter((number) => !isWhole(number));
    while (missing.length) {
      const numbers = missing.splice(0, ADDRESSES_AT_ONCE);
      const addresses = await this.addressesOf(numbers);
      const sendNext = async () => {
        for (let number = numbers.shift(); number; number = numbers.shift()) {
          const part = this.partOf(upload, number);
          const onPart = (bytes) => this.note(number, bytes);
          if (!(await this.sendDirectly(addresses.get(number), part, onPart))) await this.sendPart(number, part, onPart);
          this.whole.add(number);
          this.note(number, part.size);
        }
      };
      const workers = Array.from({ length: AT_ONCE }, sendNext);
      try {
        await Promise.all(workers);
      } catch (error) {
        this.stop.abort();
        await Promise.allSettled(workers);
        throw error;
      }
    }
  }

  note(number, bytes) {
    this.sent.set(number, bytes);
    if (this.state === "sending") this.onChange(this);
  }

  // Where storage takes parts itself; nowhere where this browser could not reach it before.
  async addressesOf(numbers) {
    if (!this.direct.isPossible) return new Map();
    const body = JSON.stringify({ numbers });
    const { items } = await this.send("POST", `/uploads/${this.upload.id}/part-urls`, body, "application/json");
    return new Map(items.map(({ number, url }) => [number, url]));
  }

  // Where a first part fails, storage is out of reach or does not allow this page; the server takes parts, too. Once one
  // has arrived there, the line has broken: it is tried again.
  async sendDirectly(address, part, onProgress) {
    for (let attempt = 1; address && this.direct.isPossible; attempt++) {
      try {
        await this.send("PUT", address, part, "application/octet-stream", { isOurs: false, onProgress });
        this.direct.hasWorked = true;
        return true;
      } catch (error) {
        if (this.stop.signal.aborted) throw error;
        if (!this.direct.hasWorked || error.isRefusal || attempt === TRIES) this.direct.isPossible = false;
        else await this.rest(attempt);
      }
    }
    return false;
  }

  rest(attempt) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, WAIT_MS * 2 ** attempt);
      this.stop.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(new Error("stopped"));
      });
    });
  }

  async sendPart(number, part, onProgress) {
    const digest = await sha256(part);
    for (let attempt = 1; ; attempt++) {
      try {
        const address = `/uploads/${this.upload.id}/parts/${number}`;
        return await this.send("PUT", address, part, "application/octet-stream", { digest, onProgress });
      } catch (error) {
        if (error.isRefusal || attempt === TRIES || this.stop.signal.aborted) throw error;
        await this.rest(attempt);
      }
    }
  }

  // XMLHttpRequest, because fetch does not tell how much was sent.
  send(method, address, body, type, { isOurs = true, digest, onProgress, signal = this.stop.signal } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new Error("stopped"));
      const request = new XMLHttpRequest();
      const abort = () => request.abort();
      signal?.addEventListener("abort", abort);
      request.onloadend = () => signal?.removeEventListener("abort", abort);
      request.open(method, address);
      request.responseType = "json";
      if (isOurs) {
        request.setRequestHeader("X-Form-Token", this.token);
        request.setRequestHeader("Accept", "application/json");
      }
      if (type) request.setRequestHeader("Content-Type", type);
      if (digest) request.setRequestHeader("X-Content-Sha256", digest);
      if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded);
      request.onabort = () => reject(new Error("stopped"));
      request.onerror = () => reject(new Error("The server does not answer. What was sent is kept."));
      request.onload = () => {
        if (request.status < 300) return resolve(request.response);
        const detail = request.status === 401 ? "The session has ended; sign in again." : request.response?.detail;
        const error = new Error(detail ?? `The server answered with status ${request.status}.`);
        error.isRefusal = request.status >= 400 && request.status < 500 && !LATER.includes(request.status);
        error.isFinal = error.isRefusal && !SIGNED_OUT.includes(request.status);
        reject(error);
      };
      request.send(body);
    });
  }
}

// Only pages from this machine or over HTTPS may compute digests; the server checks lengths in any case.
async function sha256(part) {
  if (!globalThis.crypto?.subtle) return null;
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await part.arrayBuffer()));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A browser may refuse to keep anything; then a file begins anew after a reload.
function remember(key, id) {
  try {
    localStorage.setItem(key, id);
  } catch {}
}

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function forget(key) {
  try {
    localStorage.removeItem(key);
  } catch {}
}
