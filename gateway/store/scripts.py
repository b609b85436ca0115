"""The Lua scripts of ``lua/``, read once from the package; each says its keys, arguments and reply in its header."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest under which Redis knows it."""

    source: bytes
    sha: str


def _read(*names: str) -> Script:
    """The script of these files, the functions that it uses first."""
    folder = resources.files("gateway.store").joinpath("lua")
    source = b"".join(folder.joinpath(f"{name}.lua").read_bytes() for name in names)
    return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())


SAVE_PRESENCE = _read("save_presence")
TAKE_DUE_PRESENCE = _read("take_due_presence")
TAKE_DUE = _read("take_due")
CLAIM = _read("claim")
REFUND = _read("give_back", "refund")
GRANT = _read("grant")
ACCEPT_GRANT = _read("accept_grant")
RELEASE_LEASE = _read("release_lease")
ADD_CODES = _read("add_codes")
LEND_CODES = _read("lend_codes")
ACCEPT_CODES = _read("accept_codes")
RELEASE_CODES = _read("release_codes")
ACKNOWLEDGE = _read("acknowledge")
HOLD = _read("hold")
BURY = _read("give_back", "bury")
REPLAY_DEAD = _read("replay_dead")
RECORD_OUTCOME = _read("record_outcome")
RECORD_PURCHASE = _read("record_purchase")
PUT_TRACES = _read("put_traces")
PUT_BEHAVIOUR = _read("put_behaviour")
COUNT = _read("count")
ADD_SEEN = _read("add_seen")
DEFER = _read("defer")
TAKE_DEFERRED = _read("take_deferred")
COMPARE_AND_SET = _read("compare_and_set")
COMPARE_AND_DELETE = _read("compare_and_delete")
COMMIT = _read("commit")
PLAN_COMMIT = _read("plan_commit")
PLAN_PART = _read("plan_part")
MOVE_POINTERS = _read("move_pointers")
PUBLISH_COMMIT = _read("publish_commit")

SCRIPTS = (
    SAVE_PRESENCE,
    TAKE_DUE_PRESENCE,
    TAKE_DUE,
    CLAIM,
    REFUND,
    GRANT,
    ACCEPT_GRANT,
    RELEASE_LEASE,
    ADD_CODES,
    LEND_CODES,
    ACCEPT_CODES,
    RELEASE_CODES,
    ACKNOWLEDGE,
    HOLD,
    BURY,
    REPLAY_DEAD,
    RECORD_OUTCOME,
    RECORD_PURCHASE,
    PUT_TRACES,
    PUT_BEHAVIOUR,
    COUNT,
    ADD_SEEN,
    DEFER,
    TAKE_DEFERRED,
    COMPARE_AND_SET,
    COMPARE_AND_DELETE,
    COMMIT,
    PLAN_COMMIT,
    PLAN_PART,
    MOVE_POINTERS,
    PUBLISH_COMMIT,
)
