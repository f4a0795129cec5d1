// What every page gains from scripts: parts that refresh themselves, local times, uploads in parts.
import htmx from "htmx.org";
import { localise } from "./times.js";
import { sendInParts } from "./uploads.js";

const HELD_OPEN = "details[open]";

localise(document);
document.body.addEventListener("htmx:afterSwap", () => localise(document));

// A list is not refreshed while nobody looks, or while somebody is about to delete something in it.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  const list = event.detail.elt;
  if (list.matches("[data-poll]") && (document.hidden || list.querySelector(HELD_OPEN))) event.preventDefault();
});

for (const form of document.querySelectorAll("form[data-sends]")) sendInParts(form);

// The server is away for a moment: the next refresh will tell; nothing to show.
document.body.addEventListener("htmx:sendError", () => console.info("the server does not answer at the moment"));
window.htmx = htmx;
