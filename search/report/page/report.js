"use strict";

for (const place of document.querySelectorAll(".picture")) {
  const figure = JSON.parse(place.querySelector("script").textContent);
  Plotly.newPlot(place, figure.data, figure.layout, { responsive: true, displaylogo: false });
}

// Paper has another width than the window, and plotly does not notice by itself.
const fitAll = () => document.querySelectorAll(".picture").forEach((place) => Plotly.Plots.resize(place));
window.addEventListener("beforeprint", fitAll);
window.addEventListener("afterprint", fitAll);

// Numbers by size, texts by the alphabet, and what is missing last in either direction.
const isMissing = (text) => text === "" || text === "—";

function compare(left, right, descending) {
  if (isMissing(left) || isMissing(right)) return isMissing(left) - isMissing(right);
  const difference = parseFloat(left) - parseFloat(right);
  const order = isNaN(difference) ? left.localeCompare(right) : difference;
  return descending ? -order : order;
}

for (const table of document.querySelectorAll(".sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.firstChild.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows];
      rows.sort((above, below) => compare(text(above), text(below), descending));
      table.tBodies[0].append(...rows);
    });
  });
}
