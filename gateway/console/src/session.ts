// Who is signed in: a session, whose cookie no script can read, and what its key may do.

import { signal } from "@preact/signals";

export interface Session {
  key_id: string;
  name: string;
  /** null for a machine's key. */
  role: string | null;
  scopes: readonly string[];
  permissions: readonly string[];
  /** What store operations may touch; empty where nothing bounds them. */
  tags: readonly string[];
  csrf_token: string;
}

/** null where nobody is signed in; undefined until the gateway has said. */
export const session = signal<Session | null | undefined>(undefined);
/** Why nobody is signed in any more; "" where nobody asked for more. */
export const farewell = signal("");

/** Who may do what, in words for those who may not. */
const HOLDERS: Record<string, string> = {
  "offers:write": "marketers",
  "offers:pause": "marketers, approvers and store operations",
  "offers:approve": "approvers",
  "geofences:write": "store operations",
  "codes:write": "marketers",
  "users:read": "privacy officers",
  "users:export": "privacy officers",
  "users:erase": "privacy officers",
  "audit:read": "privacy officers and admins",
};

export function may(permission: string): boolean {
  return session.value?.permissions.includes(permission) ?? false;
}

/** Why something is not to be done; undefined where it may be. For the title of what is disabled. */
export function refusal(permission: string): string | undefined {
  if (may(permission)) return undefined;
  const role = session.value?.role;
  const who = HOLDERS[permission] ?? "admins";
  return `This is for ${who}. You are signed in as ${role ? role.replaceAll("_", " ") : (session.value?.name ?? "nobody")}.`;
}

/** Takes a key out of the address (`#key=…`), wiped from the address bar and from history. */
export function keyFromAddress(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("key")?.trim();
  if (!given) return null;
  fragment.delete("key");
  const rest = fragment.toString();
  history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
  return given;
}
