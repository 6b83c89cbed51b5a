// The address keeps the view: what follows its # is all that another person needs to see the same.

export const view = new URLSearchParams(location.hash.slice(1));

export function keep(name, value) {
  if (value) view.set(name, value);
  else view.delete(name);
  history.replaceState(null, "", view.size ? `#${view}` : location.pathname);
}

export const keepList = (name, list) => keep(name, list.length ? JSON.stringify(list) : "");

export function listOf(name) {
  try {
    const list = JSON.parse(view.get(name) ?? "[]");
    return Array.isArray(list) ? list : [];
  } catch {
    return []; // an address that somebody typed
  }
}
