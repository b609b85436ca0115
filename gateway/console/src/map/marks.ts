// A mark on the map for a moment: a ring that grows and fades where someone came in, or a push was sent or refused.
//
// Marks are elements animated by the style sheet, so that the map itself is not redrawn for them.

import { type Map as Maplibre, Marker } from "maplibre-gl";

export type MarkKind = "push" | "refusal" | "enter";

const SHOWN_MS = 2_400;
/** More would only flicker; pushes have room of their own, so that they are never crowded out. */
const MOST_AT_ONCE: Record<MarkKind, number> = { push: 20, refusal: 12, enter: 12 };

const shown: Record<MarkKind, number> = { push: 0, refusal: 0, enter: 0 };

export function mark(map: Maplibre, at: [number, number], kind: MarkKind): void {
  if (shown[kind] >= MOST_AT_ONCE[kind]) return;
  const element = document.createElement("div");
  element.className = `mark mark-${kind}`;
  element.setAttribute("aria-hidden", "true");
  element.append(document.createElement("i"));
  const marker = new Marker({ element }).setLngLat(at).addTo(map);
  element.removeAttribute("tabindex");
  element.removeAttribute("role");
  element.removeAttribute("aria-label");
  shown[kind] += 1;
  setTimeout(() => {
    marker.remove();
    shown[kind] -= 1;
  }, SHOWN_MS);
}
