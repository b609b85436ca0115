// Pushes by day: the one door to uPlot. Repainted on a change of theme and of width.

import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../theme";
import { eachDay, type Report } from "./state";

const HEIGHT_PX = 220;
const DAY_S = 86_400;
const DAY_STEPS = [1, 2, 7, 14, 28, 56].map((days) => days * DAY_S);
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

function dayOf(atS: number): string {
  return day.format(atS * 1_000);
}

export function DayChart({ report }: { report: Report }) {
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = container.current!;
    let plot: uPlot | null = null;
    const draw = (): void => {
      plot?.destroy();
      plot = new uPlot(options(widthWithin(element)), data(report), element);
    };
    const stop = effect(() => {
      void theme.value;
      draw();
    });
    const resized = new ResizeObserver(() => plot?.setSize({ width: widthWithin(element), height: HEIGHT_PX }));
    resized.observe(element);
    return () => {
      stop();
      resized.disconnect();
      plot?.destroy();
    };
  }, [report]);
  return (
    <div class="chart" ref={container} role="img" aria-label="Delivered and opened pushes by day; see the table" />
  );
}

/** The frame's width less its padding, as the style sheet has it. */
function widthWithin(element: HTMLElement): number {
  const { paddingLeft, paddingRight } = getComputedStyle(element);
  return element.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
}

function data(report: Report): uPlot.AlignedData {
  const days = eachDay(report);
  return [
    days.map(({ atS }) => atS),
    days.map(({ funnel }) => funnel.delivered ?? 0),
    days.map(({ funnel }) => funnel.opened ?? 0),
  ];
}

function options(width: number): uPlot.Options {
  const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: color("--ink-3"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    font: '12px "Inter Variable", sans-serif',
  };
  const bars = uPlot.paths.bars?.({ size: [0.6, 28], radius: 0.2 });
  return {
    width,
    height: HEIGHT_PX,
    cursor: { y: false, drag: { setScale: false } },
    scales: {
      x: { range: (_plot, first, last) => [first - DAY_S / 2, last + DAY_S / 2] },
      y: { range: (_plot, _low, high) => [0, Math.max(4, high * 1.1)] },
    },
    tzDate: (atS) => uPlot.tzDate(new Date(atS * 1_000), "Etc/UTC"),
    axes: [
      { ...axis, grid: { show: false }, incrs: DAY_STEPS, values: (_plot, splits) => splits.map(dayOf), space: 64 },
      { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6] },
    ],
    series: [
      { label: "Day", value: (_plot, atS) => (atS === null ? "–" : dayOf(atS)) },
      {
        label: "Delivered",
        stroke: color("--push"),
        fill: color("--push"),
        ...(bars && { paths: bars }),
        points: { show: false },
      },
      { label: "Opened", stroke: color("--present"), width: 2, points: { size: 6 } },
    ],
  };
}
