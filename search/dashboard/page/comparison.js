// Ticked trials side by side: their configurations in a table, their curves in one figure.

import { axis, draw, PALETTE } from "./figures.js";
import { metric, study, url } from "./trials.js";
import { element, said, score, stateWord } from "./words.js";

const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"]; // as in a report: colour alone tells no line apart
const place = document.getElementById("comparison");

function table(trials) {
  const grid = element("table", "", { className: "differing" });
  const head = grid.createTHead().insertRow();
  head.append(element("th", "", { scope: "col" }));
  for (const { number } of trials) {
    const heading = element("th", "", { scope: "col" });
    heading.append(element("a", `trial ${number}`, { href: `/winnow/studies/${study}/trials/${number}` }));
    head.append(heading);
  }
  const settings = trials.map((trial) => ({ ...trial.parameters, ...trial.config }));
  const lines = [[metric, trials.map((trial) => score(trial.value))], ["state", trials.map((trial) => stateWord(trial.state))]];
  for (const name of new Set(settings.flatMap(Object.keys))) lines.push([name, settings.map((each) => each[name])]);
  const body = grid.createTBody();
  for (const [name, values] of lines) {
    const row = body.insertRow();
    row.className = new Set(values.map((value) => JSON.stringify(value))).size > 1 ? "changed" : "";
    row.append(element("th", name, { scope: "row" }), ...values.map((value) => element("td", said(value))));
  }
  return grid;
}

function curves(picture, trials) {
  const traces = trials.filter((trial) => trial.curve.length).map((trial, index) => ({
    x: trial.curve.map((epoch) => epoch.epoch),
    y: trial.curve.map((epoch) => epoch.value),
    name: `trial ${trial.number}`,
    mode: trial.curve.length > 1 ? "lines" : "markers",
    line: { color: PALETTE[index % PALETTE.length], dash: DASHES[index % DASHES.length], width: 2 },
  }));
  const few = Math.max(...traces.map((trace) => trace.x.at(-1))) <= 10; // then no tick stands at half an epoch
  if (traces.length) draw(picture, traces, { xaxis: axis("epoch", few ? { dtick: 1 } : {}), yaxis: axis(metric), height: 360 });
}

export async function compare(picked) {
  const numbers = picked.map((row) => row.number).sort((a, b) => a - b);
  const answers = await Promise.all(numbers.map((number) => fetch(`${url}/trials/${number}`)));
  const trials = await Promise.all(answers.filter((answer) => answer.ok).map((answer) => answer.json()));
  const grid = table(trials);
  const scroll = element("div", "", { className: "scroll tall", tabIndex: 0, role: "region", ariaLabel: "Side by side" });
  scroll.append(grid);
  const only = element("label", "", { className: "caption" });
  const box = element("input", "", { type: "checkbox", checked: true });
  box.addEventListener("change", () => grid.classList.toggle("differing", box.checked));
  only.append(box, " only what differs");
  const picture = element("div", "", { className: "explored", role: "img", ariaLabel: `Curves of the trials ${numbers.join(", ")}` });
  place.replaceChildren(element("h3", "Side by side"), only, scroll, picture);
  curves(picture, trials);
}

export const clearComparison = () => place.replaceChildren();
