"""The outbox entry: everything a sender needs to deliver one claimed push, and nothing it must look up.

A job is written by the claim's script in the same breath as the cooldowns it spends, so it is complete and
immutable. Only the user's devices are read at send time: a token may have changed since.
"""

from __future__ import annotations

import uuid
from typing import Final

import msgspec

from rules.model import Message

_PUSH_IDS: Final = uuid.UUID("6f0b1d5e-2f0c-5d55-9a6e-5f6765767073")
"""Namespace of the name-based push ids (RFC 9562, version 5)."""


def push_id_for(user_id: str, offer_id: str, visit_id: str) -> str:
    """The push id of this user, offer and visit: the same UUID however often, and wherever, it is computed.

    It doubles as ``apns-id`` (which must be a UUID) and as collapse id, so that a repeat replaces its twin.
    """
    return str(uuid.uuid5(_PUSH_IDS, f"{user_id}\x00{offer_id}\x00{visit_id}"))


class PushJob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One claimed push. Instants are UTC epoch milliseconds.

    ``channels`` are tried in order; ``push`` stands for the user's devices, most recently registered first.
    ``expires_at_ms`` is the earliest of offer end, store closing and the visit's relevance: never sent after it.
    ``received_at_ms`` is when the ping that caused it reached the gateway: the start of ping-to-accepted.
    """

    push_id: str
    user_id: str
    offer_id: str
    geofence_id: str
    message: Message
    expires_at_ms: int
    claimed_at_ms: int
    received_at_ms: int
    offer_version: int = 1
    visit_id: str = ""
    variant: str = ""
    channels: tuple[str, ...] = ("push",)
    transactional: bool = False

    def encode(self) -> bytes:
        """The entry as JSON, the form in which the outbox stream carries it."""
        return _ENCODER.encode(self)

    @classmethod
    def decode(cls, entry: bytes) -> PushJob:
        """The job of an outbox entry. Raises msgspec.MsgspecError or UnicodeDecodeError on foreign bytes."""
        return _DECODER.decode(entry)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(PushJob)
