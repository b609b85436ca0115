"""Who may do what: permissions, and the roles and scopes that are sets of them.

A role is for a person, scopes are for machines; a key may have one role, some scopes, or both. Every operation names
the one permission that opens it, so these two tables and the operations are all there is to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """What an operation may ask of its caller."""

    SEND_PINGS = "pings:send"
    REPORT_EVENTS = "events:report"
    USE_INBOX = "inbox:use"
    SIGN_IN = "console:use"
    READ_CATALOG = "catalog:read"
    ROLL_BACK = "catalog:rollback"
    WRITE_GEOFENCES = "geofences:write"
    WRITE_OFFERS = "offers:write"
    PAUSE_OFFERS = "offers:pause"
    APPROVE_OFFERS = "offers:approve"
    WRITE_POLICY = "policy:write"
    WRITE_CODES = "codes:write"
    SIMULATE = "simulations:run"
    READ_REPORTS = "reports:read"
    WATCH_ACTIVITY = "activity:read"
    READ_DECISIONS = "decisions:read"
    READ_DELIVERIES = "deliveries:read"
    REPLAY_DELIVERIES = "deliveries:replay"
    WRITE_USERS = "users:write"
    READ_USERS = "users:read"
    EXPORT_USERS = "users:export"
    ERASE_USERS = "users:erase"
    READ_AUDIT = "audit:read"
    MANAGE_KEYS = "keys:manage"
    MANAGE_SOURCES = "sources:manage"


MEANING: Final[Mapping[Permission, str]] = {
    Permission.SEND_PINGS: "send pings",
    Permission.REPORT_EVENTS: "report what users did, and what became of pushes",
    Permission.USE_INBOX: "show a user the offers that wait in the app",
    Permission.SIGN_IN: "sign in to the console",
    Permission.READ_CATALOG: "see geofences, offers, policy, code pools, imports and earlier versions",
    Permission.ROLL_BACK: "return the catalog to an earlier version",
    Permission.WRITE_GEOFENCES: "put, import, tag and delete geofences",
    Permission.WRITE_OFFERS: "write offers, submit and delete them",
    Permission.PAUSE_OFFERS: "pause an offer",
    Permission.APPROVE_OFFERS: "approve or reject what others submitted",
    Permission.WRITE_POLICY: "set the brand's policy",
    Permission.WRITE_CODES: "fill code pools",
    Permission.SIMULATE: "try walks, reach and previews; nothing is sent",
    Permission.READ_REPORTS: "see reports",
    Permission.WATCH_ACTIVITY: "watch what happens, users as hashes",
    Permission.READ_DECISIONS: "see why a push was sent or not",
    Permission.READ_DELIVERIES: "see pushes that were given up",
    Permission.REPLAY_DELIVERIES: "send pushes that were given up once more",
    Permission.WRITE_USERS: "write profiles, consents and devices",
    Permission.READ_USERS: "see a single user: profile, consents, devices",
    Permission.EXPORT_USERS: "see the decisions about a user and the stores visited; export all that is held",
    Permission.ERASE_USERS: "erase a user",
    Permission.READ_AUDIT: "see who changed what",
    Permission.MANAGE_KEYS: "make, rotate and revoke keys",
    Permission.MANAGE_SOURCES: "let in clients that phones have",
}
"""Each permission in words."""

ADMIN: Final = "admin"
"""The role, and the scope, that holds every permission."""

_EVERYTHING: Final = frozenset(Permission)
_LOOKING: Final = frozenset(
    {
        Permission.SIGN_IN,
        Permission.READ_CATALOG,
        Permission.SIMULATE,
        Permission.READ_REPORTS,
        Permission.WATCH_ACTIVITY,
        Permission.READ_DECISIONS,
        Permission.READ_DELIVERIES,
    }
)
_PERSONAL: Final = frozenset({Permission.READ_USERS, Permission.EXPORT_USERS, Permission.ERASE_USERS})
_APPS: Final = frozenset({Permission.REPORT_EVENTS, Permission.USE_INBOX, Permission.WRITE_USERS})

ROLES: Final[Mapping[str, frozenset[Permission]]] = {
    "viewer": _LOOKING,
    "store_ops": _LOOKING | {Permission.WRITE_GEOFENCES, Permission.PAUSE_OFFERS},
    "marketer": _LOOKING | {Permission.WRITE_OFFERS, Permission.PAUSE_OFFERS, Permission.WRITE_CODES},
    "approver": _LOOKING | {Permission.APPROVE_OFFERS, Permission.PAUSE_OFFERS},
    "privacy": _PERSONAL
    | {Permission.SIGN_IN, Permission.READ_CATALOG, Permission.READ_DECISIONS, Permission.READ_AUDIT},
    ADMIN: _EVERYTHING,
}
"""What people are. Only who writes nothing else approves; only store operations are bound to tags."""

TAGGED_ROLE: Final = "store_ops"
"""The role whose keys name the tags that they may touch."""

SCOPES: Final[Mapping[str, frozenset[Permission]]] = {
    "ingest": _APPS | {Permission.SEND_PINGS},
    "events": _APPS | {Permission.READ_USERS, Permission.ERASE_USERS},
    "ops": (_LOOKING | _PERSONAL)
    | {
        Permission.ROLL_BACK,
        Permission.WRITE_GEOFENCES,
        Permission.WRITE_OFFERS,
        Permission.PAUSE_OFFERS,
        Permission.WRITE_POLICY,
        Permission.WRITE_CODES,
        Permission.REPLAY_DELIVERIES,
        Permission.WRITE_USERS,
    },
    ADMIN: _EVERYTHING,
}
"""What machines are. No scope but admin approves: a second pair of eyes is a person's."""


def permissions_of(role: str | None, scopes: Iterable[str]) -> frozenset[Permission]:
    """All that a key with this role and these scopes may do; a name that is not known here gives nothing."""
    sets = [SCOPES.get(scope, frozenset()) for scope in scopes]
    return frozenset[Permission]().union(ROLES.get(role or "", ()), *sets)


def holders(permission: Permission) -> tuple[list[str], list[str]]:
    """The roles and the scopes that have a permission."""
    return (
        [name for name, held in ROLES.items() if permission in held],
        [name for name, held in SCOPES.items() if permission in held],
    )
