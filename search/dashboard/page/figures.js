// How a figure of the workspace is drawn: by Plotly, in the colours of the page.

export const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8F98"];
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Words as Plotly shows them unchanged: it would read `<b>` in a name as markup. */
export const plain = (words) => String(words).replaceAll("&", "&amp;").replaceAll("<", "&lt;");

export function axis(title, more = {}) {
  const line = colour("--line");
  return { title: { text: plain(title) }, gridcolor: line, linecolor: line, zeroline: false, automargin: true, exponentformat: "e", ...more };
}

export function draw(picture, traces, layout) {
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
