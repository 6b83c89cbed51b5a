// The workspace of a study's page: its trials come, the table shows them, and what it shows is drawn and compared.

import { clearComparison, compare } from "./comparison.js";
import { explore } from "./explorer.js";
import { fetchRows, parameters } from "./trials.js";
import { makeTable, pickedRows, updateTable } from "./trials_table.js";

const button = document.getElementById("compare");
let names; // of the hyperparameters that have a column
let compared = false; // what the address names is compared once by itself
let busy = false;
let again = false;
const PAUSE = 10000; // milliseconds, after an outage

function picked(trials) {
  button.disabled = trials.length < 2;
  if (trials.length < 2) clearComparison();
  else if (!compared) compare(trials);
  compared = true;
}

/** Show what is new; one look at a time. */
async function refresh() {
  again = busy;
  if (busy) return;
  busy = true;
  try {
    for await (const fresh of fetchRows()) {
      const known = parameters();
      if (names && known.length === names.length) await updateTable(fresh);
      else await makeTable((names = known), () => explore(known), picked);
      explore(known);
    }
    if (!names) await makeTable((names = []), () => {}, picked);
  } catch {
    setTimeout(refresh, PAUSE);
  } finally {
    busy = false;
  }
  if (again) refresh();
}

button.addEventListener("click", () => compare(pickedRows()));
document.addEventListener("winnow:trials", refresh);
refresh();
