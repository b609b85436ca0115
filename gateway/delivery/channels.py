"""Which channels are open: the one place that chooses transports and builds channels from credentials."""

from __future__ import annotations

from typing import Final, Literal

from gateway.delivery.apns import ApnsApp, ApnsChannel
from gateway.delivery.apns_http2 import Http2Apns
from gateway.delivery.apns_stock import StockApns
from gateway.delivery.channel import Channel
from gateway.delivery.fcm import FcmApp, FcmChannel
from gateway.delivery.fcm_http2 import Http2Fcm
from gateway.delivery.fcm_stock import StockFcm

Transport = Literal["http2", "stock"]
TRANSPORTS: Final[tuple[Transport, ...]] = ("http2", "stock")
"""``http2`` is fast and survives what networks do; ``stock`` is the libraries' own, should ours ever fail."""

SEND_TIMEOUT_S: Final = 10.0
"""Longest one attempt may take; both providers answer within a second when they are well."""


def open_channels(
    *,
    apns: ApnsApp | None = None,
    fcm: FcmApp | None = None,
    transport: Transport = "http2",
    timeout_s: float = SEND_TIMEOUT_S,
) -> dict[str, Channel]:
    """The channels with credentials, by name. Call inside the running loop; close each when done."""
    channels: dict[str, Channel] = {}
    if apns is not None:
        open_apns = Http2Apns if transport == "http2" else StockApns
        channels["apns"] = ApnsChannel(open_apns(apns, timeout_s=timeout_s))
    if fcm is not None:
        open_fcm = Http2Fcm if transport == "http2" else StockFcm
        channels["fcm"] = FcmChannel(open_fcm(fcm, timeout_s=timeout_s))
    return channels
