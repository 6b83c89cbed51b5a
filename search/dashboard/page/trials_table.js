// The table of all trials: sorted, filtered, picked, its columns hidden. Tabulator holds the rows.

import { keep, keepList, listOf, view } from "./address.js";
import { direction, field, metric, name, rows, study } from "./trials.js";
import { element, isNumber, said, stateWord, wordsOf } from "./words.js";

const MOST_PICKED = 12;
const hidden = new Set(listOf("hide")); // by a reader; on a telephone the table itself hides what has no room
let table;

/** A word, `=adam`, `> 0.9`, `<= 3` or `0.001..0.1`; any of several between bars. */
function passes(term, value, words = said) {
  return term.split("|").some((part) => passesOne(part.trim(), value, words));
}

function passesOne(term, value, words) {
  const range = term.match(/^(\S+)\s*\.\.\s*(\S+)$/);
  const bound = term.match(/^(<=|>=|<|>|=)\s*(.+)$/);
  if (range) return isNumber(value) && value >= Number(range[1]) && value <= Number(range[2]);
  if (!bound) return words(value).toLowerCase().includes(term.toLowerCase());
  const [, sign, text] = bound;
  if (sign === "=") return words(value) === text;
  const limit = Number(text);
  if (!isNumber(value)) return false;
  if (value === limit) return sign.length === 2;
  return sign[0] === "<" ? value < limit : value > limit;
}

/** A text that a spreadsheet would run begins with an apostrophe in a file. */
const harmless = (value) => (typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value);

function link(cell) {
  const { number, baseline } = cell.getData();
  const shown = element("span");
  shown.append(element("a", number, { href: `/winnow/studies/${study}/trials/${number}` }));
  if (baseline) shown.append(element("span", " baseline", { className: "aside" }));
  return shown;
}

function state(cell) {
  const { state: word, feasible } = cell.getData();
  return element("span", stateWord(word) + (feasible ? "" : ", infeasible"), { className: word.toLowerCase() });
}

/** On several lines. Tabulator's own formatter gives markup, which is no text where a row unfolds. */
function reason(cell) {
  cell.getElement().style.whiteSpace = "pre-wrap";
  return element("span", cell.getValue() ?? "");
}

function column(title, key, more = {}) {
  const numeric = [...rows.values()].some((row) => isNumber(row[key]));
  return {
    title,
    field: key,
    titleFormatter: "plaintext",
    headerFilter: "input",
    headerFilterFunc: (term, value) => passes(term, value, wordsOf(key)),
    headerFilterParams: { elementAttributes: { "aria-label": `filter ${title}` } },
    sorter: numeric ? "number" : "alphanum",
    sorterParams: { alignEmptyValues: "bottom" },
    hozAlign: numeric ? "right" : "left",
    formatter: (cell) => element("span", wordsOf(key)(cell.getValue())),
    titleDownload: harmless(title),
    accessorDownload: harmless,
    visible: !hidden.has(key),
    minWidth: 72, // room for a filter
    ...more,
  };
}

/** Let Enter and the space bar do what a click does. */
function asButton(place, label = "") {
  Object.assign(place, { tabIndex: 0, role: "button", ...(label && { ariaLabel: label }) });
  place.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    place.click();
  });
}

/** On a telephone: the columns for which there is no room stand below the row, where a touch opens it. */
const isNarrow = matchMedia("(max-width: 40rem)").matches;
const unfolding = { formatter: "responsiveCollapse", headerSort: false, width: 34, resizable: false, download: false };

function folded(cells) {
  const list = element("dl", "", { className: "folded" });
  for (const { title, value } of cells) {
    const shown = element("dd", value instanceof Node ? "" : said(value));
    if (value instanceof Node) shown.append(value);
    list.append(element("dt", title), shown);
  }
  return list;
}

function columns(parameters) {
  const kept = { responsive: 0 };
  return [
    ...(isNarrow ? [unfolding] : []),
    { formatter: "rowSelection", hozAlign: "center", headerSort: false, width: 34, frozen: !isNarrow, download: false, ...kept },
    column("trial", "number", { frozen: !isNarrow, formatter: link, minWidth: 80, ...kept }),
    column("state", "state", { formatter: state, headerFilterFunc: (term, value) => passes(term, stateWord(value)) }),
    column(metric, "value", kept),
    ...parameters.map((each) => column(each, field(each))),
    column("seconds", "seconds"),
    column("reason", "reason", { formatter: reason, minWidth: 260, maxInitialWidth: 480 }),
  ];
}

function keepTable() {
  keepList("sort", table.getSorters().map((sorter) => [sorter.field, sorter.dir]));
  keepList("filter", table.getHeaderFilters().map((filter) => [filter.field, filter.value]));
  keepList("hide", [...hidden]);
}

function listColumns() {
  const boxes = table.getColumns().filter((each) => each.getField()).map((each) => {
    const label = element("label");
    const box = element("input", "", { type: "checkbox", checked: !hidden.has(each.getField()) });
    box.addEventListener("change", () => {
      hidden[box.checked ? "delete" : "add"](each.getField());
      each[box.checked ? "show" : "hide"]();
      keepTable();
    });
    label.append(box, ` ${each.getDefinition().title}`);
    return label;
  });
  document.getElementById("columns").replaceChildren(...boxes);
}

function tellCount() {
  const [shown, all] = [table.getDataCount("active"), table.getDataCount()];
  const whole = `${all.toLocaleString("en")} trial${all === 1 ? "" : "s"}`;
  document.getElementById("counted").textContent = shown === all ? whole : `${shown.toLocaleString("en")} of ${whole}`;
}

/** Make the table of the rows that are there; `changed` is called when other rows are shown, `picked` with the ticked. */
export async function makeTable(parameters, changed, picked) {
  table?.destroy();
  const sorted = listOf("sort").length ? listOf("sort") : [["value", direction === "maximize" ? "desc" : "asc"]];
  table = new Tabulator("#trials-table", {
    data: [...rows.values()],
    index: "number",
    columns: columns(parameters),
    initialSort: sorted.map(([key, dir]) => ({ column: key, dir })),
    initialHeaderFilter: listOf("filter").map(([key, value]) => ({ field: key, value })),
    layout: "fitDataFill",
    ...(isNarrow ? { responsiveLayout: "collapse", responsiveLayoutCollapseStartOpen: false, responsiveLayoutCollapseFormatter: folded } : {}),
    maxHeight: "34rem",
    nestedFieldSeparator: false,
    placeholder: () => (rows.size ? "No trial is shown." : "There is no trial yet."),
    selectableRows: MOST_PICKED,
    rowFormatter: (row) => {
      const { number, baseline } = row.getData();
      row.getElement().classList.toggle("baseline", baseline);
      const toggle = row.getElement().querySelector(".tabulator-responsive-collapse-toggle:not([role])");
      if (toggle) asButton(toggle, `more of trial ${number}`);
    },
  });
  const made = table;
  const built = new Promise((resolve) => table.on("tableBuilt", resolve));
  table.on("tableBuilt", () => {
    for (const row of table.getRows("visible")) row.normalizeHeight(); // they were measured before their columns
    for (const title of document.querySelectorAll("#trials-table .tabulator-sortable .tabulator-col-title")) asButton(title);
    listColumns();
    tellCount();
    const ticked = (view.get("pick") ?? "").split(",").filter(Boolean).map(Number);
    table.selectRow(ticked.filter((number) => rows.has(number)));
    table.on("rowSelectionChanged", (data) => {
      keep("pick", data.map((row) => row.number).join(","));
      picked(data);
    });
    picked(table.getSelectedData());
    changed();
  });
  table.on("dataFiltered", () => requestAnimationFrame(() => {
    if (made !== table || !table.initialized) return;
    tellCount();
    keepTable();
    changed();
  }));
  table.on("dataSorted", () => table.initialized && keepTable());
  await built;
}

export async function updateTable(fresh) {
  await table.updateOrAddData(fresh);
  tellCount();
}

export const shownRows = () => table.getRows("active").map((row) => row.getData());

/** Filter by columns: `limits` is [[field, term], …]; the filters stand above the columns and in the address. */
export function filterBy(limits) {
  for (const [key, term] of limits) table.setHeaderFilterValue(key, term);
}

export const toggle = (number) => table.toggleSelectRow(number);
export const pickedRows = () => table.getSelectedData();

document.getElementById("clear").addEventListener("click", () => {
  table.clearFilter(true);
  table.deselectRow();
});
document.getElementById("download").addEventListener("click", () => table.download("csv", `${name}.csv`));
