// Which page is shown: real addresses below /console/, moved between without loading the document again.

import { signal } from "@preact/signals";

const ROOT = "/console/";

export const page = signal(pageOf(location.pathname));

addEventListener("popstate", () => (page.value = pageOf(location.pathname)));

export function addressOf(name: string): string {
  return ROOT + name;
}

export function go(name: string): void {
  if (name !== page.value) history.pushState(null, "", addressOf(name));
  page.value = name;
}

/** A click handler for links to pages, leaving new tabs and windows to the browser. */
export function follow(event: MouseEvent, name: string): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(name);
}

function pageOf(path: string): string {
  return path.startsWith(ROOT) ? path.slice(ROOT.length).replace(/\/$/, "") : "";
}
