"""The door to offer documents: JSON in, a checked Offer or every fault out."""

from __future__ import annotations

from typing import Any

import msgspec

from rules.checks import faults
from rules.document import Offer, Status
from rules.lint import Advice, lint
from rules.policy import DEFAULT_POLICY, BrandPolicy
from rules.strict import DocumentErrors, decode

__all__ = [
    "Advice",
    "Offer",
    "OfferErrors",
    "Status",
    "decode_offer",
    "encode_offer",
    "lint",
    "offer_schema",
    "parse_offer",
]

OfferErrors = DocumentErrors
"""Raised by ``parse_offer``: ``errors`` is a list of {pointer, code, detail}."""

_decoder = msgspec.json.Decoder(Offer)
_encoder = msgspec.json.Encoder()


def parse_offer(document: object, policy: BrandPolicy = DEFAULT_POLICY) -> Offer:
    """The offer in ``document`` (JSON bytes, text or parsed), checked in full, as it must be when saved.

    ``policy`` declares the user attributes that an audience may read. Raises OfferErrors with every fault.
    """
    offer = decode(document, Offer)
    found = list(faults(offer, policy))
    if found:
        raise OfferErrors(found)
    return offer


def decode_offer(raw: bytes) -> Offer:
    """A stored document that ``parse_offer`` accepted before: its shape is checked, its meaning not again."""
    return _decoder.decode(raw)


def encode_offer(offer: Offer) -> bytes:
    """The document as JSON; defaults are left out."""
    return _encoder.encode(offer)


def offer_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the offer document."""
    return msgspec.json.schema(Offer)
