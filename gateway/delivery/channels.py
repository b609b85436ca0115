"""Which channels are open: the one place that chooses transports and builds channels from credentials."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final, Literal

import msgspec

from gateway.delivery.apns import ApnsApp, ApnsChannel
from gateway.delivery.apns_http2 import Http2Apns
from gateway.delivery.apns_stock import StockApns
from gateway.delivery.channel import Channel
from gateway.delivery.fcm import FcmApp, FcmChannel
from gateway.delivery.fcm_http2 import Http2Fcm
from gateway.delivery.fcm_stock import StockFcm
from gateway.delivery.http2 import Http2
from gateway.delivery.huawei import HuaweiApp, HuaweiChannel
from gateway.delivery.rustore import RuStoreApp, RuStoreChannel
from gateway.delivery.web_push import WebPushApp, WebPushChannel
from gateway.delivery.webhook import WebhookChannel, WebhookEndpoint
from gateway.errors import ConfigError

Transport = Literal["http2", "stock"]
TRANSPORTS: Final[tuple[Transport, ...]] = ("http2", "stock")
"""``http2`` is fast and survives what networks do; ``stock`` is the libraries' own, should ours ever fail."""

SEND_TIMEOUT_S: Final = 10.0
"""Longest one attempt may take; both providers answer within a second when they are well."""


class MoreApps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Apps beside the first of each provider; devices choose one by its APNs topic or its Firebase project."""

    apns: tuple[ApnsApp, ...] = ()
    fcm: tuple[FcmApp, ...] = ()


def read_more_apps(file: Path) -> MoreApps:
    """The apps of a TOML file with ``[[apns]]`` and ``[[fcm]]`` tables. Raises ConfigError that says what is wrong."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        return msgspec.convert(document, MoreApps, dec_hook=lambda kind, value: kind(value))
    except OSError as error:
        raise ConfigError(f"apps_file {file} cannot be read: {error.strerror}") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigError(f"apps_file {file}: {error}") from error


def open_channels(
    *,
    apns: ApnsApp | None = None,
    fcm: FcmApp | None = None,
    more: MoreApps | None = None,
    transport: Transport = "http2",
    timeout_s: float = SEND_TIMEOUT_S,
) -> dict[str, Channel]:
    """The channels of APNs and FCM with credentials, by name; those of ``more`` as ``apns:topic`` and ``fcm:project``.

    Call inside the running loop; close each when done. Raises ConfigError on credentials that cannot work.
    """
    open_apns = Http2Apns if transport == "http2" else StockApns
    open_fcm = Http2Fcm if transport == "http2" else StockFcm
    more = more or MoreApps()
    channels: dict[str, Channel] = {}
    if apns is not None:
        channels["apns"] = ApnsChannel(open_apns(apns, timeout_s=timeout_s))
    if fcm is not None:
        channels["fcm"] = FcmChannel(open_fcm(fcm, timeout_s=timeout_s))
    for app in more.apns:
        channels[f"apns:{app.topic}"] = ApnsChannel(open_apns(app, timeout_s=timeout_s))
    for project in more.fcm:
        opened = open_fcm(project, timeout_s=timeout_s)
        channels[f"fcm:{opened.project}"] = FcmChannel(opened)
    return channels


def open_other_channels(
    *,
    rustore: RuStoreApp | None = None,
    huawei: HuaweiApp | None = None,
    web_push: WebPushApp | None = None,
    webhook: WebhookEndpoint | None = None,
    timeout_s: float = SEND_TIMEOUT_S,
) -> dict[str, Channel]:
    """The channels beside APNs and FCM that are configured, by name. As ``open_channels``."""
    channels: dict[str, Channel] = {}
    if rustore is not None:
        channels["rustore"] = RuStoreChannel(rustore, Http2(timeout_s=timeout_s, only_http2=False))
    if huawei is not None:
        channels["huawei"] = HuaweiChannel(huawei, Http2(timeout_s=timeout_s, only_http2=False))
    if web_push is not None:
        channels["web_push"] = WebPushChannel(web_push, Http2(timeout_s=timeout_s, only_http2=False))
    if webhook is not None:
        channels["webhook"] = WebhookChannel(webhook, timeout_s=timeout_s)
    return channels
