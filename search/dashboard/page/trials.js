// The trials of the study as rows: all of them once, then only what may have changed since.

const PAGE = 10000; // trials that one request brings
export const place = document.getElementById("workspace");
export const { study, metric, direction, name } = place.dataset;
export const url = `/winnow/api/studies/${study}`;
export const rows = new Map(); // by number
export const field = (parameter) => `parameter ${parameter}`;

/** Of two rows the better first. */
export const better = (a, b) => (direction === "maximize" ? b.value - a.value : a.value - b.value);

/** The searched hyperparameters, in the order in which trials brought them. */
export function parameters() {
  const found = new Set();
  for (const row of rows.values()) for (const each of Object.keys(row.parameters)) found.add(each);
  return [...found];
}

function flat(trial) {
  const row = { ...trial };
  for (const [each, value] of Object.entries({ ...trial.parameters, ...trial.trained })) row[field(each)] = value;
  return row;
}

/** Yield rows as they come: those with new numbers, those that have not ended, those that ended since the last look. */
export async function* fetchRows() {
  let last = "";
  let after = -1;
  for (const row of rows.values()) {
    if (row.ended > last) last = row.ended;
    if (row.number > after) after = row.number;
  }
  for (let more = true; more; last = "") {
    const since = last && `&ended_since=${encodeURIComponent(last)}`;
    const answer = await fetch(`${url}/trials?after=${after}&limit=${PAGE}${since}`);
    if (answer.status >= 500) throw new Error(answer.statusText); // an outage, of which the event stream tells
    if (!answer.ok) return;
    const fresh = (await answer.json()).map(flat);
    for (const row of fresh) rows.set(row.number, row);
    if (fresh.length) yield fresh;
    more = fresh.length === PAGE;
    after = Math.max(after, ...rows.keys());
  }
}
