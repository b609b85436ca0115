"""Every Redis key and channel, spelled once. ``docs/redis.md`` lists them with type, lifetime and writer.

A key's hash tag (the part in braces) decides its slot in a Redis Cluster. All keys of one user, and the outbox that
carries his pushes, share the tag of his partition, so that one script may touch them together. What belongs to the
whole brand has tags of its own.
"""

from __future__ import annotations

from zlib import crc32

PRESENT_NEWS = "gp:news:present"
"""Channel: who became present or left; see ``lua/save_presence.lua``."""
CATALOG_NEWS = "gp:news:catalog"
"""Channel: the catalog version just committed, decimal."""
ACTIVITY_NEWS = "gp:news:activity"
"""Channel: JSON arrays of activity events."""

LAYOUT = "gp:{meta}:layout"
PARTITIONS = "gp:{meta}:partitions"
PSEUDONYM_KEY = "gp:{meta}:pseudonym_key"

API_KEYS = "gp:{keys}:api"
SOURCES = "gp:{keys}:sources"

CATALOG_VERSION = "gp:{catalog}:version"
CATALOG_PLAN = "gp:{catalog}:plan"
CATALOG_STAGED = "gp:{catalog}:staged"
CATALOG_FORGOTTEN = "gp:{catalog}:forgotten"

AUDIT = "gp:{audit}:log"


def partition_of(user_id: str, partitions: int) -> int:
    """The partition that holds a user: CRC-32 of the id's UTF-8 bytes, modulo the number of partitions."""
    return crc32(user_id.encode()) % partitions


def outbox(partition: int) -> str:
    """Stream of claimed pushes that wait for a sender."""
    return f"gp:{{p{partition:02}}}:outbox"


def dead_letters(partition: int) -> str:
    """Stream of pushes that were given up."""
    return f"gp:{{p{partition:02}}}:dead"


def present(partition: int) -> str:
    """Hash of users who are in, entering or leaving some geofence, each with his coarse cell."""
    return f"gp:{{p{partition:02}}}:present"


def due(partition: int) -> str:
    """Sorted set of users by the instant at which time alone changes their presence."""
    return f"gp:{{p{partition:02}}}:due"


def presence(partition: int, user_id: str) -> str:
    """What is remembered of one user's whereabouts."""
    return f"gp:{{p{partition:02}}}:u:{user_id}:presence"


def around_user(partition: int) -> tuple[str, str]:
    """What a presence's key begins and ends with, around the user id."""
    return f"gp:{{p{partition:02}}}:u:", ":presence"


def pushes(partition: int, user_id: str) -> str:
    """The user's past pushes, from which cooldowns and caps are counted."""
    return f"gp:{{p{partition:02}}}:u:{user_id}:pushes"


def profile(partition: int, user_id: str) -> str:
    """The user's profile document: consent, attributes, devices."""
    return f"gp:{{p{partition:02}}}:u:{user_id}:profile"


def behaviour(partition: int, user_id: str) -> str:
    """What the user did: events and visits."""
    return f"gp:{{p{partition:02}}}:u:{user_id}:behaviour"


def outcomes(partition: int, user_id: str) -> str:
    """Hash of what happened to the user's pushes, each thing once."""
    return f"gp:{{p{partition:02}}}:u:{user_id}:outcomes"


def traces(partition: int, user_id: str) -> str:
    """List of the user's latest decisions, newest first."""
    return f"gp:{{p{partition:02}}}:u:{user_id}:traces"


def deferred(partition: int, user_id: str) -> str:
    """Hash of what is to be decided about the user later."""
    return f"gp:{{p{partition:02}}}:u:{user_id}:deferred"


def inbox(partition: int, user_id: str) -> str:
    """Hash of the offers that wait in the user's app."""
    return f"gp:{{p{partition:02}}}:u:{user_id}:inbox"


def deferred_due(partition: int) -> str:
    """Sorted set of users by when the first of their deferred decisions is due."""
    return f"gp:{{p{partition:02}}}:deferred"


def tombstone(partition: int, pseudonym: str) -> str:
    """When the user behind a pseudonym was erased."""
    return f"gp:{{p{partition:02}}}:t:{pseudonym}"


def push_trace(push_id: str) -> str:
    """The decision that led to a push."""
    return f"gp:{{d:{push_id}}}:trace"


def token_owner(token_digest: str) -> str:
    """Which user and device a push token was last registered for."""
    return f"gp:{{t:{token_digest}}}:owner"


def documents(kind: str) -> str:
    """Hash of a kind's documents: id to where the present version's body is."""
    return f"gp:{{catalog}}:{kind}"


def body(token: str) -> str:
    """One version of one document, immutable."""
    return f"gp:{{catalog}}:body:{token}"


def changes(version: int | str) -> str:
    """What one catalog version changed."""
    return f"gp:{{catalog}}:changes:{version}"


def changes_part(version: int | str, part: int) -> str:
    """A part of what a large version changed, from 0."""
    return f"gp:{{catalog}}:changes:{version}:{part}"


def offer_statistics(offer_id: str, day: str) -> str:
    """Hash of one offer's counters of one UTC day (YYYYMMDD)."""
    return f"gp:{{s:{offer_id}}}:day:{day}"


def traffic(day: str, geofence_id: str) -> str:
    """HyperLogLog of the users who entered a geofence on a UTC day (YYYYMMDD)."""
    return f"gp:{{traffic}}:{day}:at:{geofence_id}"


def traffic_everywhere(day: str) -> str:
    """HyperLogLog of the users who entered any geofence on a UTC day."""
    return f"gp:{{traffic}}:{day}:everywhere"


def traffic_consent(day: str, what: str) -> str:
    """HyperLogLog of the users who were asked for consent (``asked``), or had given it (``willing``), on a UTC day."""
    return f"gp:{{traffic}}:{day}:{what}"


def traffic_hours(day: str) -> str:
    """Hash of a UTC day's hours to entries into any geofence."""
    return f"gp:{{traffic}}:{day}:hours"


def traffic_union(day: str, digest: str) -> str:
    """HyperLogLog of the users who entered any of some geofences, named by digest, on a UTC day."""
    return f"gp:{{traffic}}:{day}:any:{digest}"


def of_user(partition: int, user_id: str) -> tuple[str, ...]:
    """Every key that holds something of one user under his own name."""
    parts = (presence, pushes, profile, behaviour, outcomes, traces, deferred, inbox)
    return tuple(part(partition, user_id) for part in parts)


def budget(budget_id: str) -> str:
    """Hash of what was granted of an offer-wide budget."""
    return f"gp:{{b:{budget_id}}}:budget"


def lease(partition: int, budget_id: str) -> str:
    """One partition's share of a budget."""
    return f"gp:{{p{partition:02}}}:lease:{budget_id}"


def free_codes(pool: str) -> str:
    """List of a pool's codes that nobody has."""
    return f"gp:{{c:{pool}}}:free"


def known_codes(pool: str) -> str:
    """Set of all codes ever put into a pool, so that none is ever put in twice."""
    return f"gp:{{c:{pool}}}:known"


def lent_codes(pool: str) -> str:
    """Hash of what a pool has lent to which partition."""
    return f"gp:{{c:{pool}}}:lent"


def code_lease(partition: int, pool: str) -> str:
    """One partition's share of a pool."""
    return f"gp:{{p{partition:02}}}:codes:{pool}"


def stream_session(session: str) -> str:
    """Frames of a stream's session that were taken, decimal; a string that lives an hour after the connection."""
    return f"gp:{{w:{session}}}:frames"


def session(token_digest: str) -> str:
    """A console's session, JSON; a string that lives until it is idle or old."""
    return f"gp:{{keys}}:session:{token_digest}"


def sign_in_attempts(place: str, minute: int) -> str:
    """How often signing in failed from one place within a minute; a string that lives a minute."""
    return f"gp:{{keys}}:failed:{place}:{minute}"


def import_job(job_id: str) -> str:
    """One import as it stands, JSON; a string that lives a day."""
    return f"gp:{{job:{job_id}}}:import"


def import_table(job_id: str, name: str) -> str:
    """One of an import's tables as packed CSV; a string that lives a day."""
    return f"gp:{{job:{job_id}}}:{name}"
