// The pictures of the trials that the table shows: parallel coordinates, slices, a contour.
// Each point carries [trial, hyperparameter, value in words, field, value]: what a tooltip says and a brush filters by.

import { axis, colour, draw, plain } from "./figures.js";
import { direction, field, metric } from "./trials.js";
import { isNumber, said, score, wordsOf } from "./words.js";

export const MOST_LINES = 500; // of parallel coordinates: the best of those shown
export const MOST_POINTS = 2000; // of other pictures
const UNUSED = -0.12; // where the line of a trial passes a hyperparameter that it does without
const GROUPS = 5; // of trials by their rank, the best drawn last and darkest
const narrow = (picture) => picture.clientWidth < 700;
const shortened = (text) => (text.length > 12 ? `${text.slice(0, 11)}…` : text);
const isThere = (value) => value !== undefined && value !== null;
const point = (row, title, key) => [row.number, title, wordsOf(key)(row[key]), key, row[key]];

/** Whether numbers span many scales and most are far below the largest: a log axis shows them best, 0 below it. */
function isLog(values) {
  const positive = values.filter((value) => value > 0).sort((a, b) => a - b);
  if (positive.length < 2 || values.some((value) => value < 0)) return false;
  const [least, middle, largest] = [0, Math.floor(positive.length / 2), positive.length - 1].map((place) => positive[place]);
  return largest / least > 50 && largest / middle > 5;
}

/** A column as positions on an axis from 0 to 1, and the words at some of them. */
function scale(key, rows) {
  const values = rows.map((row) => row[key]).filter(isThere);
  if (values.length && values.every(isNumber)) {
    const log = isLog(values);
    const here = log ? values.filter((value) => value > 0) : values;
    const ends = [Math.min(...here), Math.max(...here)];
    const [low, high] = log ? ends.map(Math.log10) : ends;
    const bottom = here.length < values.length ? 0.1 : 0; // of the log scale, above the place of 0
    const along = (value) => bottom + ((1 - bottom) * ((log ? Math.log10(value) : value) - low)) / (high - low || 1);
    const at = (value) => (isNumber(value) ? (log && value === 0 ? 0 : along(value)) : null);
    return { at, ends: [...(bottom ? [0] : []), ...ends].map((value) => [at(value), wordsOf(key)(value)]) };
  }
  const kinds = [...new Set(values.map(said))].sort((a, b) => a.localeCompare(b, "en", { numeric: true })); // 6 before 12
  const at = (value) => (isThere(value) ? kinds.indexOf(said(value)) / (kinds.length - 1 || 1) : null);
  return { at, ends: kinds.map((kind, index) => [index / (kinds.length - 1 || 1), kind]), kinds: kinds.length };
}

function parallel(picture, rows, parameters) {
  const axes = [...parameters.map((name) => [name, field(name)]), [metric, "value"]].map(([title, key]) => ({ title, key, ...scale(key, rows) }));
  const partial = axes.filter(({ key }) => rows.some((row) => !isThere(row[key])));
  for (const { ends } of partial) ends.push([UNUSED, "unused"]);
  const traces = Array.from({ length: GROUPS }, (_, group) => {
    const members = rows.filter((_, rank) => Math.floor((rank * GROUPS) / rows.length) === GROUPS - 1 - group);
    const strength = Math.min(1, 0.2 + 20 / rows.length) * (0.15 + (0.85 * group) / (GROUPS - 1));
    const tone = `rgba(${colour("--trial")}, ${strength})`;
    return {
      x: members.flatMap(() => [...axes.keys(), null]),
      y: members.flatMap((row) => [...axes.map((each) => each.at(row[each.key]) ?? UNUSED), null]),
      customdata: members.flatMap((row) => [...axes.map((each) => point(row, each.title, each.key)), null]),
      mode: "lines+markers",
      line: { width: 1.2, color: tone },
      marker: { size: 5, color: tone },
      hovertemplate: "trial %{customdata[0]}: %{customdata[1]} %{customdata[2]}<extra></extra>",
      name: group === GROUPS - 1 ? "best fifth" : group === 0 ? "worst fifth" : "",
      showlegend: rows.length >= GROUPS && (group === GROUPS - 1 || group === 0),
    };
  });
  const words = axes.flatMap((each, index) =>
    each.ends.map(([y, text]) => ({ x: index, y, text: plain(text), showarrow: false, xanchor: "left", xshift: 5, font: { size: 11 }, bgcolor: colour("--paper"), opacity: 0.85 })),
  );
  draw(picture, traces, {
    height: 420,
    dragmode: "select",
    annotations: narrow(picture) ? [] : words,
    xaxis: axis("", { tickvals: [...axes.keys()], ticktext: axes.map((each) => plain(each.title)), tickangle: narrow(picture) ? 90 : 0, range: [-0.15, axes.length - 0.6] }),
    yaxis: axis("", { visible: false, range: [(partial.length ? UNUSED : 0) - 0.06, 1.06] }),
  });
}

function slices(picture, rows, parameters) {
  const across = Math.min(parameters.length, narrow(picture) ? 1 : 3);
  const grid = { rows: Math.ceil(parameters.length / across), columns: across, pattern: "independent", ygap: 0.35 };
  const layout = { grid, showlegend: false, height: 260 * grid.rows, dragmode: "select" };
  const traces = parameters.map((name, index) => {
    const suffix = index ? index + 1 : "";
    const values = rows.map((row) => row[field(name)]);
    const here = values.filter(isThere);
    layout[`xaxis${suffix}`] = axis(name, here.every(isNumber) ? { type: isLog(here) ? "log" : "linear" } : { type: "category" });
    layout[`yaxis${suffix}`] = axis(index % across ? "" : metric);
    return {
      x: values.map((value) => (isNumber(value) ? value : isThere(value) ? said(value) : null)),
      y: rows.map((row) => row.value),
      customdata: rows.map((row) => point(row, name, field(name))),
      mode: "markers",
      marker: { size: 6, opacity: 0.6, color: `rgb(${colour("--trial")})` },
      hovertemplate: "trial %{customdata[0]}: %{customdata[2]}, %{y:.4g}<extra></extra>",
      xaxis: `x${suffix}`,
      yaxis: `y${suffix}`,
    };
  });
  draw(picture, traces, layout);
}

/** The mean value in each cell of a grid that holds a trial: [up][across], null where there is none. */
function means(points, wide, high) {
  const held = Array.from({ length: high }, () => Array.from({ length: wide }, () => []));
  const cell = (at, cells) => Math.min(cells - 1, Math.floor(at * cells));
  for (const { x, y, value } of points) held[cell(y, high)][cell(x, wide)].push(value);
  return held.map((line) => line.map((values) => (values.length ? values.reduce((a, b) => a + b) / values.length : null)));
}

function contour(picture, rows, _, [x, y]) {
  const there = rows.filter((row) => isThere(row[field(x)]) && isThere(row[field(y)]));
  const [across, up] = [x, y].map((name) => scale(field(name), there));
  const points = there.map((row) => ({ x: across.at(row[field(x)]), y: up.at(row[field(y)]), value: row.value }));
  const most = Math.max(2, Math.min(12, Math.floor(Math.sqrt(points.length / 4))));
  const cells = [across, up].map(({ kinds }) => kinds ?? most);
  const apart = across.kinds || up.kinds; // between two kinds there is nothing: cells, no surface
  const middles = ({ kinds }, count) => Array.from({ length: count }, (_, index) => (apart && !kinds ? (index + 0.5) / count : index / (count - 1 || 1)));
  const margin = ({ kinds }) => (kinds ? 0.5 / (kinds - 1 || 1) : 0.04);
  const ticks = (each) => ({ tickvals: each.ends.map(([at]) => at), ticktext: each.ends.map(([, text]) => plain(narrow(picture) ? shortened(text) : text)), range: [-margin(each), 1 + margin(each)] });
  const surface = { type: apart ? "heatmap" : "contour", x: middles(across, cells[0]), y: middles(up, cells[1]), z: means(points, ...cells), connectgaps: !apart, colorscale: "Viridis", reversescale: direction === "minimize" };
  const thin = narrow(picture) ? { orientation: "h", y: -0.25, yanchor: "top", thickness: 12 } : {};
  draw(
    picture,
    [
      { ...surface, contours: { coloring: "heatmap" }, colorbar: { title: { text: plain(metric), side: "top" }, ...thin }, hoverinfo: "skip" },
      {
        x: points.map((each) => each.x),
        y: points.map((each) => each.y),
        customdata: there.map((row) => [...point(row, x, field(x)), said(row[field(y)]), score(row.value), field(y), row[field(y)]]),
        mode: "markers",
        marker: { size: 6, color: "#ffffff", line: { width: 1, color: "#1f2933" } },
        hovertemplate: "trial %{customdata[0]}: %{customdata[2]}, %{customdata[5]}: %{customdata[6]}<extra></extra>",
      },
    ],
    { height: 460, showlegend: false, dragmode: "select", xaxis: axis(x, ticks(across)), yaxis: axis(y, ticks(up)) },
  );
}

export const PICTURES = { parallel, slice: slices, contour };
