"use strict";

// Where a page is watched, the server says what changed: sections as they are to be shown, and versions of the parts
// that take longer, which are then fetched again.

const watched = document.body.dataset.events;
const study = document.body.dataset.study;
const outage = document.getElementById("outage");
const PAUSE = 10000; // milliseconds between two fetches of one part
let ended = false; // the study is gone, or the session

function tellOutage(text) {
  outage.textContent = text;
  outage.hidden = text === "";
}

function show(sections) {
  for (const [id, html] of Object.entries(sections)) {
    const place = document.getElementById(id);
    if (!place || place.shown === html) continue;
    keepFocus(place, () => (place.innerHTML = html));
    place.shown = html;
  }
}

/** Change what is in a place; what had the focus has it again, a link by where it leads, a table by its name. */
function keepFocus(place, change) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const name = ["href", "aria-labelledby", "aria-label"].find((each) => focused?.hasAttribute(each));
  const same = name && `[${name}="${CSS.escape(focused.getAttribute(name))}"]`;
  change();
  if (same) place.querySelector(same)?.focus({ preventScroll: true });
}

// --- figures: as the report has them, in the colours of the page

const isDark = matchMedia("(prefers-color-scheme: dark)");
const DARK = { "#1F2933": "#e6eaee", "#000000": "#f4f6f8", "#E4E7EB": "#2b343d", white: "rgba(0,0,0,0)", "#0072B2": "#4ea8de" };

function figureOf(place) {
  let text = place.querySelector("script")?.textContent ?? place.figure;
  place.figure = text;
  if (isDark.matches) {
    for (const [light, dark] of Object.entries(DARK)) text = text.replaceAll(`"${light}"`, `"${dark}"`);
  }
  return JSON.parse(text);
}

function draw(place) {
  const figure = figureOf(place);
  const layout = { ...figure.layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
  Plotly.react(place, figure.data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
}

// One after the other, when the browser has the time: a page of many figures answers meanwhile.
const later = window.requestIdleCallback?.bind(window) ?? ((work) => setTimeout(work, 50));

function drawAll(within) {
  if (window.Plotly) within.querySelectorAll(".picture").forEach((place) => later(() => place.isConnected && draw(place)));
}

isDark.addEventListener("change", () => drawAll(document));

// --- parts of the page that take longer

const versions = {};

function names(within) {
  return [...within.querySelectorAll("figure h3")].map((heading) => heading.id).join(" ");
}

async function fetchPart(part) {
  part.fetching = true;
  let again = true; // after an outage, of which the event stream tells
  try {
    const answer = await fetch(`/winnow/studies/${study}/parts/${part.dataset.part}`);
    if (answer.ok) replacePart(part, await answer.text());
    again = !answer.ok;
  } catch {}
  if (part.dataset.part === "analyses") offer(part);
  await new Promise((resolve) => setTimeout(resolve, PAUSE));
  if (again || part.querySelector("[data-running]")) part.fetched = undefined; // a command tells nobody when it ends
  part.fetching = false;
  update();
}

/** Offer the analyses that can be made now, each with what it will take. */
function offer(part) {
  for (const box of document.querySelectorAll("p[data-cost]")) {
    const words = part.querySelector(`template[data-cost="${box.dataset.cost}"]`);
    box.closest("form").hidden = !words;
    if (words) box.innerHTML = words.innerHTML;
  }
}

function replacePart(part, html) {
  const fresh = document.createElement("div");
  fresh.innerHTML = html;
  const known = part.querySelectorAll(".picture");
  if (known.length && names(part) === names(fresh)) {
    // The same pictures with new numbers: drawn over, so that nothing jumps and a zoom stays.
    const drawn = fresh.querySelectorAll(".picture");
    known.forEach((place, index) => {
      place.figure = drawn[index].querySelector("script").textContent;
      drawn[index].replaceWith(place);
    });
  }
  keepFocus(part, () => part.replaceChildren(...fresh.childNodes));
  drawAll(part);
}

function update() {
  if (ended) return;
  for (const part of document.querySelectorAll(".part")) {
    const wanted = part.dataset.version.split(" ").map((name) => versions[name]).join(" ");
    if (part.fetching || part.fetched === wanted) continue;
    part.fetched = wanted;
    fetchPart(part);
  }
}

// --- the stream

let trialsSeen;

function listen() {
  const source = new EventSource(watched);
  source.addEventListener("message", (event) => {
    const { sections = {}, outage: text, ...numbers } = JSON.parse(event.data);
    tellOutage(text ? `What you see may be old: ${text}` : "");
    show(sections);
    Object.assign(versions, numbers);
    if (study) update();
    if (numbers.trials !== undefined && numbers.trials !== trialsSeen) {
      trialsSeen = numbers.trials;
      document.dispatchEvent(new Event("winnow:trials"));
    }
  });
  source.addEventListener("gone", () => {
    source.close();
    ended = true;
    tellOutage("This page has ended: the study was deleted, or the session is over. Reload to see.");
  });
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) tellOutage("The dashboard does not answer. Trying again…");
    else setTimeout(listen, 3000);
  });
}

// --- what an editor or an admin asks for

for (const form of document.querySelectorAll(".manage")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await fetch(form.dataset.url, {
      method: form.dataset.method,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(form))),
    });
    if (answer.ok && form.dataset.after) location.assign(form.dataset.after);
    const told = form.querySelector(".answer") ?? document.getElementById("answer");
    told.textContent = answer.ok ? ((await answer.json()).answer ?? "Done.") : (await answer.json()).reason;
    for (const part of document.querySelectorAll(".part[data-part=analyses]")) {
      part.fetched = undefined;
      part.fetching = false;
    }
    update();
  });
  form.querySelector("fieldset").disabled = false; // until somebody hears it, nothing can be sent
}

document.addEventListener("DOMContentLoaded", () => drawAll(document));
if (watched) listen();
