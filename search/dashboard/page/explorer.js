// Which picture of the shown trials is drawn, and what a box or a click in it does to the table.

import { keep, view } from "./address.js";
import { MOST_LINES, MOST_POINTS, PICTURES } from "./pictures.js";
import { better } from "./trials.js";
import { filterBy, shownRows, toggle } from "./trials_table.js";
import { element, isNumber, later, said } from "./words.js";

const picture = document.getElementById("explored");
const kindBox = document.getElementById("picture-kind");
const pairBoxes = ["x", "y"].map((which) => document.getElementById(`${which}-name`));
let parameters = [];
let waiting = false;

function offer() {
  for (const [index, box] of pairBoxes.entries()) {
    const wanted = box.value || view.get("xy"[index]) || parameters[Math.min(index, parameters.length - 1)];
    box.replaceChildren(...parameters.map((name) => element("option", name, { value: name, selected: name === wanted })));
  }
}

function best(count) {
  const ended = shownRows().filter((row) => isNumber(row.value) && row.state !== "RUNNING").sort(better);
  const chosen = ended.slice(0, count);
  const trials = `${ended.length.toLocaleString("en")} trial${ended.length === 1 ? "" : "s"}`;
  const told = chosen.length < ended.length ? `The best ${chosen.length.toLocaleString("en")} of ${trials}.` : `${trials}.`;
  document.getElementById("drawn").textContent = told;
  picture.ariaLabel = `${kindBox.selectedOptions[0].text}: ${told}`;
  return chosen;
}

function drawNow() {
  waiting = false;
  if (!parameters.length) return; // no trial has come yet
  const kind = kindBox.value;
  const chosen = best(kind === "parallel" ? MOST_LINES : MOST_POINTS);
  document.getElementById("explorer").hidden = !chosen.length;
  document.getElementById("pair").hidden = kind !== "contour";
  if (!window.Plotly || !chosen.length) return;
  offer();
  if (picture.kind !== kind) Plotly.purge(picture);
  picture.kind = kind;
  PICTURES[kind](picture, chosen, parameters, pairBoxes.map((box) => box.value));
  picture.removeAllListeners?.("plotly_selected");
  picture.removeAllListeners?.("plotly_click");
  picture.on("plotly_selected", (event) => event?.points.length && brush(event.points));
  picture.on("plotly_click", (event) => toggle(event.points[0].customdata[0]));
}

/** Draw the trials that the table shows, once the browser has the time. */
export function explore(names) {
  parameters = names ?? parameters;
  if (waiting) return;
  waiting = true;
  later(drawNow);
}

/** The nearest number of four digits that is not above ("floor") or not below ("ceil"). */
function outward(value, way) {
  const near = Number(value.toPrecision(4));
  if (way === "floor" ? near <= value : near >= value) return near;
  const step = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 3);
  return Number((near + (way === "floor" ? -step : step)).toPrecision(4));
}

/** Filter the table by what the points in a box span: a range of numbers, or the kinds, for each column in it. */
function brush(points) {
  const spanned = new Map();
  const add = (key, value) => value !== undefined && spanned.set(key, [...(spanned.get(key) ?? []), value]);
  for (const { customdata, y } of points) {
    add(customdata[3], customdata[4]);
    if (kindBox.value === "contour") add(customdata[7], customdata[8]);
    if (kindBox.value === "slice") add("value", y);
  }
  filterBy([...spanned].map(([key, values]) => {
    if (!values.every(isNumber)) return [key, [...new Set(values.map(said))].map((kind) => `=${kind}`).join(" | ")];
    return [key, `${outward(Math.min(...values), "floor")}..${outward(Math.max(...values), "ceil")}`];
  }));
}

kindBox.value = view.get("view") in PICTURES ? view.get("view") : "parallel";
kindBox.addEventListener("change", () => {
  keep("view", kindBox.value);
  explore();
});
for (const [index, box] of pairBoxes.entries()) {
  box.addEventListener("change", () => {
    keep("xy"[index], box.value);
    explore();
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => explore());
document.addEventListener("DOMContentLoaded", () => explore()); // Plotly is there then
