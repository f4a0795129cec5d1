// What every page gains from scripts: parts that refresh themselves, local times, uploads in parts, secrets to copy.
import htmx from "htmx.org";
import { countChosen } from "./chosen.js";
import { offerCopies } from "./copies.js";
import { takeNearest } from "./nearest.js";
import { helpWithPasswords } from "./passwords.js";
import { localise } from "./times.js";
import { sendInParts } from "./uploads.js";

const HELD_OPEN = "details[open], input[name=job]:checked";

localise(document);
document.body.addEventListener("htmx:afterSwap", () => localise(document));

// A list is not refreshed while nobody looks; no part of a page is while somebody is about to change something in it.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  const isAnswered = part.matches("form"); // somebody asks by it for another list
  if ((!isAnswered && part.querySelector(HELD_OPEN)) || (part.matches("[data-poll]") && document.hidden)) event.preventDefault();
});

countChosen();
offerCopies();
helpWithPasswords();
for (const form of document.querySelectorAll("form[data-sends]")) sendInParts(form);
for (const form of document.querySelectorAll("form:has(#ahead)")) takeNearest(form);

// The server is away for a moment: the next refresh will tell; nothing to show.
document.body.addEventListener("htmx:sendError", () => console.info("the server does not answer at the moment"));
window.htmx = htmx;
