// Values as people read them, in the words of the server's pages, and the elements that show them.

export const isNumber = (value) => typeof value === "number";

export function said(value) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (Array.isArray(value)) return value.map(said).join(", ") || "none";
  if (!isNumber(value) || Number.isInteger(value)) return String(value);
  if (Math.abs(value) < 1e-4) return value.toExponential(3).replace(/\.?0*e-(\d)$/, "e-0$1").replace(/\.?0*e/, "e");
  return String(Number(value.toPrecision(4)));
}

/** A result beside others: four decimals, so that all stand on one scale; what is large or small, as other values. */
export function score(value) {
  const size = Math.abs(value);
  return isNumber(value) && (size === 0 || (size >= 0.001 && size < 1000)) ? value.toFixed(4) : said(value);
}

/** How the values of a column are said. */
export const wordsOf = (key) => (key === "value" ? score : said);

const STATES = { COMPLETE: "completed", FAIL: "failed" };

/** A state in the word of all pages. */
export const stateWord = (state) => STATES[state] ?? state.toLowerCase();

export function element(tag, content = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = content;
  Object.assign(made, attributes);
  return made;
}

/** Do some work when the browser has nothing more urgent to do. */
export const later = window.requestIdleCallback?.bind(window) ?? ((work) => setTimeout(work, 50));
