// A mark on the map for a moment: a ring that grows and fades where a push was sent or refused.
//
// Marks are elements animated by the style sheet, so that the map itself is not redrawn for them.

import { type Map as Maplibre, Marker } from "maplibre-gl";

const SHOWN_MS = 2_400;
const MOST_AT_ONCE = 24;

let shown = 0;

export function mark(map: Maplibre, at: [number, number], kind: "push" | "refusal"): void {
  if (shown >= MOST_AT_ONCE) return;
  const element = document.createElement("div");
  element.className = `mark mark-${kind}`;
  element.setAttribute("aria-hidden", "true");
  element.append(document.createElement("i"));
  const marker = new Marker({ element }).setLngLat(at).addTo(map);
  element.removeAttribute("tabindex");
  element.removeAttribute("role");
  element.removeAttribute("aria-label");
  shown += 1;
  setTimeout(() => {
    marker.remove();
    shown -= 1;
  }, SHOWN_MS);
}
