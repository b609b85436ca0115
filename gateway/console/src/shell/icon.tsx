// The few signs the console uses, drawn on a 24-pixel grid.

const PATHS = {
  mark: "M12 2l8.66 5v10L12 22l-8.66-5V7z M12 9a3 3 0 1 1 0 6a3 3 0 0 1 0-6z",
  sun: "M12 8a4 4 0 1 1 0 8a4 4 0 0 1 0-8z M12 2v3 M12 19v3 M2 12h3 M19 12h3 M5 5l2 2 M17 17l2 2 M19 5l-2 2 M7 17l-2 2",
  moon: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.500 10.500z",
  close: "M6 6l12 12 M18 6L6 18",
  pause: "M8 5v14 M16 5v14",
  play: "M7 4l12 8-12 8z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
