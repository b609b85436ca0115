"""Which channels are open: the one place that chooses transports and builds channels from credentials."""

from __future__ import annotations

from typing import Final, Literal

from gateway.delivery.apns import ApnsApp, ApnsChannel
from gateway.delivery.apns_stock import StockApns
from gateway.delivery.channel import Channel
from gateway.delivery.fcm import FcmApp, FcmChannel
from gateway.delivery.fcm_stock import StockFcm

Transport = Literal["stock"]
TRANSPORTS: Final[tuple[Transport, ...]] = ("stock",)

SEND_TIMEOUT_S: Final = 10.0
"""Longest one attempt may take; both providers answer within a second when they are well."""


def open_channels(
    *,
    apns: ApnsApp | None = None,
    fcm: FcmApp | None = None,
    transport: Transport = "stock",
    timeout_s: float = SEND_TIMEOUT_S,
) -> dict[str, Channel]:
    """The channels with credentials, by name. Call inside the running loop; close each when done."""
    channels: dict[str, Channel] = {}
    if apns is not None:
        channels["apns"] = ApnsChannel(StockApns(apns, timeout_s=timeout_s))
    if fcm is not None:
        channels["fcm"] = FcmChannel(StockFcm(fcm, timeout_s=timeout_s))
    return channels
