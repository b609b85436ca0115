// A walk: places on the map become pings at a pace; a GPX file brings its own times.

import type { Position } from "geojson";
import { distanceM } from "../map/shapes";

export interface Ping {
  ts: number;
  lat: number;
  lon: number;
  accuracy: number;
}

export interface Pace {
  speedMps: number;
  everyS: number;
  accuracyM: number;
  /** How long the walker stays at the last place. */
  stayS: number;
}

/** The gateway takes 5,000 pings in one question. */
export const MOST_PINGS = 5_000;

const DECIMALS = 7;

/** Pings along straight lines between places, and at the last one while the walker stays. */
export function pingsAlong(places: readonly Position[], pace: Pace, startMs: number): Ping[] {
  const positions = [...stepsAlong(places, pace.speedMps * pace.everyS)];
  const last = positions.at(-1);
  const stays = last ? Math.ceil(pace.stayS / pace.everyS) : 0;
  for (let times = 0; times < stays; times++) positions.push(last!);
  return positions.slice(0, MOST_PINGS).map(([lon = 0, lat = 0], place) => ({
    ts: startMs + place * pace.everyS * 1_000,
    lat: Number(lat.toFixed(DECIMALS)),
    lon: Number(lon.toFixed(DECIMALS)),
    accuracy: pace.accuracyM,
  }));
}

function* stepsAlong(places: readonly Position[], stepM: number): Generator<Position> {
  const [first, ...others] = places;
  if (!first) return;
  yield first;
  let from = first;
  let leftM = stepM;
  for (const to of others) {
    let restM = distanceM(from, to);
    while (restM >= leftM) {
      const share = leftM / restM;
      from = [from[0]! + (to[0]! - from[0]!) * share, from[1]! + (to[1]! - from[1]!) * share];
      yield from;
      restM -= leftM;
      leftM = stepM;
    }
    leftM -= restM;
    from = to;
  }
  yield from;
}

export class NotGpx extends Error {}

/** The track points of a GPX file, with their own times where it has them, else ten seconds apart. */
export function readGpx(text: string, accuracyM: number): Ping[] {
  const document = new DOMParser().parseFromString(text, "application/xml");
  if (document.querySelector("parsererror")) throw new NotGpx("This file is not GPX: it is not well-formed XML.");
  const points = [...document.querySelectorAll("trkpt, rtept")];
  if (points.length === 0) throw new NotGpx("This GPX file has no track and no route.");
  const begun = Date.now();
  return points.slice(0, MOST_PINGS).map((point, place) => {
    const time = Date.parse(point.querySelector("time")?.textContent ?? "");
    return {
      ts: Number.isNaN(time) ? begun + place * 10_000 : time,
      lat: Number(point.getAttribute("lat")),
      lon: Number(point.getAttribute("lon")),
      accuracy: accuracyM,
    };
  });
}
