"use strict";

// The table of all trials, and what is drawn of those that it shows: sorted, filtered, picked, compared. The address
// keeps the view. Tabulator holds the rows, Plotly draws them.

const place = document.getElementById("workspace");
const { study: studyId, metric, direction } = place.dataset;
const PAGE = 1000; // trials that one request brings
const MOST_LINES = 500; // of parallel coordinates: the best of those shown
const MOST_POINTS = 3000; // of a picture: the best of those shown
const MOST_COMPARED = 12;
const view = new URLSearchParams(location.hash.slice(1));
const rows = new Map(); // by number
let names = []; // of the searched hyperparameters
let table;

const field = (name) => `parameter ${name}`;
const better = (a, b) => (direction === "maximize" ? b.value - a.value : a.value - b.value);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isNumber = (value) => typeof value === "number";

function said(value) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (!isNumber(value) || Number.isInteger(value)) return String(value);
  return Math.abs(value) < 1e-4 ? value.toExponential(3) : String(Number(value.toPrecision(4)));
}

function element(tag, content = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = content;
  Object.assign(made, attributes);
  return made;
}

// --- the address

function keep(name, value) {
  if (value) view.set(name, value);
  else view.delete(name);
  history.replaceState(null, "", view.size ? `#${view}` : location.pathname);
}

function keepTable() {
  keep("sort", table.getSorters().map((sorter) => `${sorter.field}~${sorter.dir}`).join("|"));
  keep("filter", table.getHeaderFilters().map((filter) => `${filter.field}~${filter.value}`).join("|"));
  keep("hide", table.getColumns().filter((column) => !column.isVisible()).map((column) => column.getField()).join("|"));
}

const pairs = (name) => (view.get(name) ?? "").split("|").filter(Boolean).map((pair) => pair.split("~"));

// --- the rows

function flat(trial) {
  const row = { ...trial };
  for (const [name, value] of Object.entries({ ...trial.parameters, ...trial.trained })) row[field(name)] = value;
  return row;
}

/** Bring what may have changed since the last time: all trials from the first that had not ended. */
async function fetchTrials() {
  const open = [...rows.values()].filter((row) => ["RUNNING", "WAITING"].includes(row.state)).map((row) => row.number);
  let after = Math.min(...open, rows.size ? Math.max(...rows.keys()) + 1 : 0) - 1;
  const fresh = [];
  for (let more = true; more; ) {
    const answer = await fetch(`/winnow/api/studies/${studyId}/trials?after=${after}&limit=${PAGE}`);
    if (!answer.ok) return null;
    const found = await answer.json();
    fresh.push(...found.map(flat));
    more = found.length === PAGE;
    if (found.length) after = found[found.length - 1].number;
  }
  for (const row of fresh) rows.set(row.number, row);
  return fresh;
}

// --- the table

/** A word, a number, `> 0.9`, `<= 3` or `0.001..0.1`. */
function passes(term, value) {
  const range = term.match(/^\s*(\S+)\s*\.\.\s*(\S+)\s*$/);
  const bound = term.match(/^\s*(<=|>=|<|>|=)\s*(\S+)\s*$/);
  if (range) return isNumber(value) && value >= Number(range[1]) && value <= Number(range[2]);
  if (bound && bound[1] === "=") return said(value) === bound[2];
  if (bound) {
    const limit = Number(bound[2]);
    if (!isNumber(value)) return false;
    return bound[1][0] === "<" ? value < limit || (bound[1] === "<=" && value === limit) : value > limit || (bound[1] === ">=" && value === limit);
  }
  return said(value).toLowerCase().includes(term.trim().toLowerCase());
}

/** A text that a spreadsheet would run begins with an apostrophe in a file. */
const harmless = (value) => (typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value);

function link(cell) {
  const { number, baseline } = cell.getData();
  const shown = element("span");
  shown.append(element("a", number, { href: `/winnow/studies/${studyId}/trials/${number}` }));
  if (baseline) shown.append(element("span", " baseline", { className: "aside" }));
  return shown;
}

function column(title, name, more = {}) {
  const numeric = [...rows.values()].some((row) => isNumber(row[name]));
  return {
    title,
    field: name,
    titleFormatter: "plaintext",
    headerFilter: "input",
    headerFilterFunc: passes,
    headerFilterParams: { elementAttributes: { "aria-label": `filter ${title}` } },
    sorter: numeric ? "number" : "alphanum",
    sorterParams: { alignEmptyValues: "bottom" },
    hozAlign: numeric ? "right" : "left",
    formatter: (cell) => element("span", said(cell.getValue())),
    titleDownload: harmless(title),
    accessorDownload: harmless,
    visible: !(view.get("hide") ?? "").split("|").includes(name),
    ...more,
  };
}

function columns() {
  return [
    { formatter: "rowSelection", hozAlign: "center", headerSort: false, width: 34, frozen: true, download: false },
    column("trial", "number", { frozen: true, formatter: link, minWidth: 80 }),
    column("state", "state", {
      formatter: (cell) => {
        const state = cell.getValue().toLowerCase();
        return element("span", state + (cell.getData().feasible ? "" : ", infeasible"), { className: state });
      },
    }),
    column(metric, "value"),
    ...names.map((name) => column(name, field(name))),
    column("seconds", "seconds"),
    column("reason", "reason", { formatter: "textarea", minWidth: 260, widthGrow: 2 }),
  ];
}

function listColumns() {
  const list = document.getElementById("columns");
  list.replaceChildren(
    ...table.getColumns().filter((each) => each.getField()).map((each) => {
      const label = element("label");
      const box = element("input", "", { type: "checkbox", checked: each.isVisible() });
      box.addEventListener("change", () => {
        each.toggle();
        keepTable();
      });
      label.append(box, ` ${each.getDefinition().title}`);
      return label;
    }),
  );
}

const shownRows = () => table.getRows("active").map((row) => row.getData());

function tellCount() {
  const shown = table.getDataCount("active");
  const all = table.getDataCount();
  const whole = `${all.toLocaleString("en")} trial${all === 1 ? "" : "s"}`;
  document.getElementById("counted").textContent = shown === all ? whole : `${shown.toLocaleString("en")} of ${whole}`;
}

function makeTable() {
  table = new Tabulator("#trials-table", {
    data: [...rows.values()],
    index: "number",
    columns: columns(),
    initialSort: (pairs("sort").length ? pairs("sort") : [["value", direction === "maximize" ? "desc" : "asc"]]).map(
      ([column, dir]) => ({ column, dir }),
    ),
    initialHeaderFilter: pairs("filter").map(([name, value]) => ({ field: name, value })),
    layout: "fitDataFill",
    maxHeight: "34rem",
    nestedFieldSeparator: false,
    placeholder: "No trial is shown.",
    selectableRows: MOST_COMPARED,
    rowFormatter: (row) => row.getElement().classList.toggle("baseline", row.getData().baseline),
  });
  table.on("tableBuilt", () => {
    listColumns();
    tellCount();
    table.selectRow((view.get("pick") ?? "").split(",").filter(Boolean).map(Number).filter((number) => rows.has(number)));
    table.on("rowSelectionChanged", (picked) => {
      keep("pick", picked.map((row) => row.number).join(","));
      document.getElementById("compare").disabled = picked.length < 2;
      if (picked.length < 2) document.getElementById("comparison").replaceChildren();
    });
    document.getElementById("compare").disabled = table.getSelectedData().length < 2;
    if (table.getSelectedData().length > 1) compare();
    explore();
  });
  table.on("dataFiltered", () => requestAnimationFrame(() => {
    tellCount();
    keepTable();
    explore();
  }));
  table.on("dataSorted", () => table.initialized && keepTable());
}

async function refresh() {
  const fresh = await fetchTrials();
  if (fresh === null) return;
  const known = [...new Set([...rows.values()].flatMap((row) => Object.keys(row.parameters)))];
  if (table && known.length === names.length) {
    if (fresh.length) await table.updateOrAddData(fresh);
    tellCount();
    explore();
    return;
  }
  names = known;
  table?.destroy();
  makeTable();
}

// --- trials side by side

const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8F98"];
const DASHES = ["solid", "dash", "dot"];

async function compare() {
  const numbers = table.getSelectedData().map((row) => row.number).sort((a, b) => a - b);
  const found = await Promise.all(
    numbers.map((number) => fetch(`/winnow/api/studies/${studyId}/trials/${number}`).then((answer) => answer.json())),
  );
  const settings = found.map((trial) => ({ ...trial.parameters, ...trial.config }));
  const grid = element("table");
  const head = grid.createTHead().insertRow();
  head.append(element("th", "", { scope: "col" }), ...found.map((trial) => element("th", `trial ${trial.number}`, { scope: "col" })));
  const body = grid.createTBody();
  const lines = [[metric, found.map((trial) => trial.value)], ["state", found.map((trial) => trial.state.toLowerCase())]];
  for (const name of new Set(settings.flatMap(Object.keys))) lines.push([name, settings.map((each) => each[name])]);
  for (const [name, values] of lines) {
    const row = body.insertRow();
    row.className = new Set(values.map((value) => JSON.stringify(value))).size > 1 ? "changed" : "";
    row.append(element("th", name, { scope: "row" }), ...values.map((value) => element("td", said(value))));
  }
  const scroll = element("div", "", { className: "scroll tall", tabIndex: 0 });
  scroll.append(grid);
  const only = element("label", "", { className: "caption" });
  const box = element("input", "", { type: "checkbox", checked: true });
  box.addEventListener("change", () => grid.classList.toggle("differing", box.checked));
  grid.classList.add("differing");
  only.append(box, " only what differs");
  const picture = element("div", "", { className: "explored" });
  document.getElementById("comparison").replaceChildren(element("h3", "Side by side"), only, scroll, picture);
  const traces = found.filter((trial) => trial.curve.length).map((trial, index) => ({
    x: trial.curve.map((epoch) => epoch.epoch),
    y: trial.curve.map((epoch) => epoch.value),
    name: `trial ${trial.number}`,
    mode: trial.curve.length > 1 ? "lines" : "markers",
    line: { color: PALETTE[index % PALETTE.length], dash: DASHES[Math.floor(index / PALETTE.length) % DASHES.length], width: 2 },
  }));
  if (traces.length) draw(picture, traces, { xaxis: axis("epoch"), yaxis: axis(metric), height: 360 });
}

// --- pictures of the trials shown

function axis(title, more = {}) {
  const line = colour("--line");
  return { title: { text: plain(title) }, gridcolor: line, linecolor: line, zeroline: false, automargin: true, ...more };
}

/** Words as Plotly shows them unchanged: it would read `<b>` in a name as markup. */
const plain = (words) => String(words).replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function draw(picture, traces, layout) {
  Plotly.react(
    picture,
    traces,
    {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 13, color: colour("--ink") },
      margin: { l: 56, r: 16, t: 28, b: 48 },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      ...layout,
    },
    { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "select2d", "resetScale2d"]] },
  );
}

const isLog = (values) => values.every((value) => isNumber(value) && value > 0) && Math.max(...values) / Math.min(...values) > 50;

/** A hyperparameter as positions on an axis from 0 to 1, and the words at some of them. */
function scale(name, chosen) {
  const values = chosen.map((row) => row[name]).filter((value) => value !== undefined && value !== null);
  if (values.length && values.every(isNumber)) {
    const way = isLog(values) ? Math.log10 : (value) => value;
    const [low, high] = [Math.min(...values.map(way)), Math.max(...values.map(way))];
    const at = (value) => (isNumber(value) ? (way(value) - low) / (high - low || 1) : null);
    return { at, ends: [Math.min(...values), Math.max(...values)].map((value) => [at(value), said(value)]) };
  }
  const kinds = [...new Set(values.map(said))].sort();
  const at = (value) => (value === undefined || value === null ? null : kinds.indexOf(said(value)) / (kinds.length - 1 || 1));
  return { at, ends: kinds.map((kind, index) => [index / (kinds.length - 1 || 1), kind]) };
}

function best(count) {
  const finished = shownRows().filter((row) => isNumber(row.value) && row.state !== "RUNNING");
  const chosen = finished.sort(better).slice(0, count);
  document.getElementById("drawn").textContent =
    chosen.length < finished.length
      ? `The best ${chosen.length.toLocaleString("en")} of the ${finished.length.toLocaleString("en")} shown trials that have a value.`
      : `${chosen.length.toLocaleString("en")} trials.`;
  return chosen;
}

const PICTURES = {
  parallel(picture) {
    const chosen = best(MOST_LINES);
    const axes = [...names.map((name) => [name, field(name)]), [metric, "value"]].map(([title, name]) => ({ title, name, ...scale(name, chosen) }));
    const groups = 5;
    const traces = Array.from({ length: groups }, (_, group) => {
      const members = chosen.filter((_, rank) => Math.floor((rank * groups) / chosen.length) === groups - 1 - group);
      const tone = Math.min(1, 0.2 + 20 / chosen.length) * (0.15 + (0.85 * group) / (groups - 1));
      return {
        x: members.flatMap(() => [...axes.keys(), null]),
        y: members.flatMap((row) => [...axes.map((each) => each.at(row[each.name])), null]),
        customdata: members.flatMap((row) => [...axes.map((each) => [row.number, each.title, said(row[each.name])]), null]),
        mode: "lines+markers",
        line: { width: 1.2, color: `rgba(0, 114, 178, ${tone})` },
        marker: { size: 5, color: `rgba(0, 114, 178, ${tone})` },
        hovertemplate: "trial %{customdata[0]}: %{customdata[1]} %{customdata[2]}<extra></extra>",
        name: group === groups - 1 ? "best fifth" : group === 0 ? "worst fifth" : "",
        showlegend: group === groups - 1 || group === 0,
      };
    });
    const annotations = place.clientWidth < 700 ? [] : axes.flatMap((each, index) =>
      each.ends.map(([y, text]) => ({ x: index, y, text: plain(text), showarrow: false, xanchor: "left", xshift: 5, font: { size: 11 }, bgcolor: colour("--paper"), opacity: 0.85 })),
    );
    draw(picture, traces, {
      height: 420,
      dragmode: "select",
      annotations,
      xaxis: axis("", { tickvals: [...axes.keys()], ticktext: axes.map((each) => plain(each.title)), range: [-0.15, axes.length - 0.6] }),
      yaxis: axis("", { visible: false, range: [-0.06, 1.06] }),
    });
  },
  slice(picture) {
    const chosen = best(MOST_POINTS);
    const across = Math.min(names.length, place.clientWidth < 700 ? 1 : 3);
    const layout = { grid: { rows: Math.ceil(names.length / across), columns: across, pattern: "independent", ygap: 0.35 }, showlegend: false };
    layout.height = 260 * layout.grid.rows;
    const traces = names.map((name, index) => {
      const key = index ? index + 1 : "";
      const values = chosen.map((row) => row[field(name)]);
      const here = values.filter((value) => value !== undefined && value !== null);
      layout[`xaxis${key}`] = axis(name, here.every(isNumber) ? { type: isLog(here) ? "log" : "linear" } : { type: "category" });
      layout[`yaxis${key}`] = axis(index % across ? "" : metric);
      return {
        x: values.map((value) => (isNumber(value) ? value : value === undefined ? null : said(value))),
        y: chosen.map((row) => row.value),
        customdata: chosen.map((row) => [row.number]),
        mode: "markers",
        marker: { size: 6, opacity: 0.6, color: PALETTE[0] },
        hovertemplate: "trial %{customdata[0]}: %{x}, %{y:.4g}<extra></extra>",
        xaxis: `x${key}`,
        yaxis: `y${key}`,
      };
    });
    draw(picture, traces, layout);
  },
  contour(picture) {
    const chosen = best(MOST_POINTS);
    const [x, y] = ["x", "y"].map((which) => document.getElementById(`${which}-name`).value);
    const points = chosen.filter((row) => [x, y].every((name) => row[field(name)] !== undefined && row[field(name)] !== null));
    const [across, up] = [x, y].map((name) => scale(field(name), points));
    const cells = Math.max(2, Math.min(12, Math.floor(Math.sqrt(points.length / 4))));
    const sums = Array.from({ length: cells }, () => Array.from({ length: cells }, () => []));
    const cell = (at) => Math.min(cells - 1, Math.floor(at * cells));
    for (const row of points) sums[cell(up.at(row[field(y)]))][cell(across.at(row[field(x)]))].push(row.value);
    const middles = Array.from({ length: cells }, (_, index) => index / (cells - 1));
    const z = sums.map((line) => line.map((values) => (values.length ? values.reduce((a, b) => a + b) / values.length : null)));
    const ticks = (axisOf) => ({ tickvals: axisOf.ends.map(([at]) => at), ticktext: axisOf.ends.map(([, text]) => plain(text)), range: [-0.04, 1.04] });
    draw(
      picture,
      [
        { type: "contour", x: middles, y: middles, z, connectgaps: true, colorscale: "Viridis", reversescale: direction === "minimize", contours: { coloring: "heatmap" }, colorbar: { title: { text: plain(metric) } }, hoverinfo: "skip" },
        { x: points.map((row) => across.at(row[field(x)])), y: points.map((row) => up.at(row[field(y)])), customdata: points.map((row) => [row.number, said(row[field(x)]), said(row[field(y)]), said(row.value)]), mode: "markers", marker: { size: 6, color: "#ffffff", line: { width: 1, color: "#1f2933" } }, hovertemplate: "trial %{customdata[0]}: %{customdata[1]}, %{customdata[2]}: %{customdata[3]}<extra></extra>" },
      ],
      { height: 460, showlegend: false, xaxis: axis(x, ticks(across)), yaxis: axis(y, ticks(up)) },
    );
  },
};

const kindBox = document.getElementById("picture-kind");
const picture = document.getElementById("explored");

function offer() {
  for (const [index, which] of ["x", "y"].entries()) {
    const box = document.getElementById(`${which}-name`);
    const wanted = box.value || view.get(which) || names[Math.min(index, names.length - 1)];
    box.replaceChildren(...names.map((name) => element("option", name, { value: name, selected: name === wanted })));
  }
}

function explore() {
  offer();
  const kind = kindBox.value;
  document.getElementById("pair").hidden = kind !== "contour";
  const drawable = window.Plotly && names.length && shownRows().some((row) => isNumber(row.value));
  document.getElementById("explorer").hidden = !drawable;
  if (!drawable) return;
  Plotly.purge(picture);
  PICTURES[kind](picture);
  // A box drawn around points, or a click on one, leaves the trials that it holds in the table.
  picture.on("plotly_selected", (event) => event?.points.length && showOnly(event.points));
  picture.on("plotly_click", (event) => table.toggleSelectRow(event.points[0].customdata[0]));
}

function showOnly(points) {
  const wanted = new Set(points.map((point) => point.customdata[0]));
  table.setFilter((row) => wanted.has(row.number));
}

// --- what a person asks for

kindBox.value = view.get("view") in PICTURES ? view.get("view") : "parallel";
kindBox.addEventListener("change", () => {
  keep("view", kindBox.value);
  explore();
});
for (const which of ["x", "y"]) {
  document.getElementById(`${which}-name`).addEventListener("change", (event) => {
    keep(which, event.target.value);
    explore();
  });
}
document.getElementById("compare").addEventListener("click", compare);
document.getElementById("clear").addEventListener("click", () => {
  table.clearFilter(true);
  table.deselectRow();
});
document.getElementById("download").addEventListener("click", () => table.download("csv", `${place.dataset.name}.csv`));
document.addEventListener("winnow:trials", refresh);
document.addEventListener("DOMContentLoaded", refresh);
