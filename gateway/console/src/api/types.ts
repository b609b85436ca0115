// What the gateway's API says, as far as the console reads it. Instants are UTC epoch milliseconds.

import type { Feature, MultiPolygon, Point, Polygon } from "geojson";

export interface GeofenceProperties {
  name?: string;
  tags?: string[];
  radius_m?: number;
  [key: string]: unknown;
}

export type GeofenceFeature = Feature<Polygon | MultiPolygon | Point, GeofenceProperties | null> & { id: string };

export interface OfferDocument {
  id: string;
  name?: string;
  status?: string;
  [key: string]: unknown;
}

export type Gate =
  | "consent"
  | "fix_quality"
  | "trigger"
  | "active"
  | "quiet_hours"
  | "audience"
  | "experiment"
  | "render"
  | "arbitration"
  | "claim"
  | "delivery";

/** One gate's answer: what it saw, what it asked for, what would have passed. */
export interface Verdict {
  gate?: Gate | null;
  passed?: boolean;
  rule?: string | null;
  actual?: unknown;
  required?: unknown;
  would_pass?: string | null;
}

/** What happened between a user and a geofence. */
export interface Transition {
  geofence_id: string;
  kind: string;
  reason?: string | null;
  duration_ms?: number | null;
  dwell_s?: number | null;
  distance_m?: number | null;
}

/** One offer that a transition woke, with every gate's verdict in order. */
export interface Candidate {
  offer_id: string;
  geofence_id: string;
  transition?: Transition;
  verdicts: Verdict[];
  message?: { title: string; body: string } | null;
  refused_by: string | null;
  held_out?: boolean;
}

/** A decision looked up afterwards. */
export interface DecisionTrace {
  at_ms: number;
  push_ids: string[];
  candidates: Candidate[];
}

/** `user` is a keyed hash and `cell` an H3 cell of resolution 9: the stream never carries a person or a place. */
export interface TransitionEvent {
  type: "transition";
  at_ms: number;
  user: string;
  geofence_id: string;
  kind: string;
  reason?: string | null;
  cell?: string | null;
}

export interface DecisionEvent extends Verdict {
  type: "decision";
  /** Opens the whole trace, and names nobody. */
  decision_id?: string;
  at_ms: number;
  user: string;
  offer_id: string;
  geofence_id: string;
  kind: string;
  outcome: "claimed" | "refused";
}

export interface DeliveryEvent {
  type: "delivery";
  at_ms: number;
  push_id: string;
  user: string;
  offer_id: string;
  geofence_id: string;
  provider: string;
  status: string;
  code?: string | null;
  title?: string;
  body?: string;
  ping_to_accepted_ms?: number | null;
}

export interface PresenceEvent {
  type: "presence";
  at_ms: number;
  users_present: number;
  pings_per_s: number;
  cells: Record<string, number>;
}

export type ActivityEvent = TransitionEvent | DecisionEvent | DeliveryEvent | PresenceEvent;
