"""Which providers a gateway delivers to: those whose credentials the settings name, or the sandbox in their place."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gateway.delivery.apns import ApnsApp
from gateway.delivery.channel import Channel
from gateway.delivery.channels import open_channels, open_other_channels, read_more_apps
from gateway.delivery.fcm import FcmApp
from gateway.delivery.huawei import HuaweiApp
from gateway.delivery.rustore import RuStoreApp
from gateway.delivery.sandbox.process import SandboxProcess
from gateway.delivery.web_push import WebPushApp
from gateway.delivery.webhook import WebhookEndpoint
from gateway.errors import ConfigError
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Providers:
    """Settings with every address filled in that is to be used, and a sentence about each channel for the operator."""

    settings: Settings
    states: dict[str, str]


@asynccontextmanager
async def chosen_providers(settings: Settings) -> AsyncIterator[Providers]:
    """Check the credentials; where there are none, run the sandbox as a child process while the block runs.

    Raises ConfigError when credentials are incomplete or unreadable, or the sandbox does not start.
    """
    apns, fcm = _apns(settings), _fcm(settings)
    states = {
        "apns": f"delivers to {apns.host} as {apns.topic}" if apns else "off: no apns_key_file",
        "fcm": f"delivers to {fcm.host}" if fcm else "off: no fcm_credentials_file",
    }
    others = {"rustore": _rustore, "huawei": _huawei, "web_push": _web_push, "webhook": _webhook}
    states |= {name: "configured" for name, read in others.items() if read(settings)}
    if settings.sandbox == "off" or (settings.sandbox == "auto" and (apns or fcm)):
        yield Providers(settings, states)
        return
    async with SandboxProcess() as sandbox:
        replaced = {
            name: value
            for name, value in msgspec.structs.asdict(sandbox.addresses).items()
            if (name.startswith("apns_") and apns is None) or (name.startswith("fcm_") and fcm is None)
        }
        for name, state in states.items():
            if state.startswith("off"):
                page = f"{sandbox.addresses.pages_url}/sandbox/pushes"
                states[name] = f"no credentials: delivers to the local sandbox, see {page}"
        yield Providers(dataclasses.replace(settings, sandbox="off", **replaced), states)


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncIterator[dict[str, Channel]]:
    """The channels that ``settings`` have credentials for, by name; closed when the block ends."""
    async with AsyncExitStack() as stack:
        channels = open_channels(
            apns=_apns(settings),
            fcm=_fcm(settings),
            more=read_more_apps(settings.apps_file) if settings.apps_file else None,
            transport=settings.transport,
            timeout_s=settings.send_timeout_s,
        )
        channels |= open_other_channels(
            rustore=_rustore(settings),
            huawei=_huawei(settings),
            web_push=_web_push(settings),
            webhook=_webhook(settings),
            timeout_s=settings.send_timeout_s,
        )
        for channel in channels.values():
            stack.push_async_callback(channel.close)
        yield channels


def _apns(settings: Settings) -> ApnsApp | None:
    if settings.apns_certificate_file is not None:
        _need(settings, "apns_certificate_file", "apns_topic")
        return ApnsApp(
            topic=settings.apns_topic,
            host=settings.apns_host,
            port=settings.apns_port,
            certificate_file=_readable("apns_certificate_file", settings.apns_certificate_file),
            ca_file=settings.apns_ca_file,
        )
    if settings.apns_key_file is None:
        return None
    _need(settings, "apns_key_file", "apns_key_id", "apns_team_id", "apns_topic")
    return ApnsApp(
        topic=settings.apns_topic,
        host=settings.apns_host,
        port=settings.apns_port,
        key_file=_readable("apns_key_file", settings.apns_key_file),
        key_id=settings.apns_key_id,
        team_id=settings.apns_team_id,
        ca_file=settings.apns_ca_file,
    )


def _fcm(settings: Settings) -> FcmApp | None:
    if settings.fcm_credentials_file is None:
        return None
    return FcmApp(
        credentials_file=_readable("fcm_credentials_file", settings.fcm_credentials_file),
        host=settings.fcm_host,
        ca_file=settings.fcm_ca_file,
    )


def _rustore(settings: Settings) -> RuStoreApp | None:
    if settings.rustore_service_token is None:
        return None
    _need(settings, "rustore_service_token", "rustore_project")
    return RuStoreApp(project=settings.rustore_project, service_token=settings.rustore_service_token)


def _huawei(settings: Settings) -> HuaweiApp | None:
    if settings.huawei_client_secret is None:
        return None
    _need(settings, "huawei_client_secret", "huawei_app_id")
    return HuaweiApp(app_id=settings.huawei_app_id, client_secret=settings.huawei_client_secret)


def _web_push(settings: Settings) -> WebPushApp | None:
    if settings.vapid_key_file is None:
        return None
    _need(settings, "vapid_key_file", "vapid_contact")
    return WebPushApp(vapid_key_file=settings.vapid_key_file, contact=settings.vapid_contact)


def _webhook(settings: Settings) -> WebhookEndpoint | None:
    if not settings.webhook_url:
        return None
    return WebhookEndpoint(
        url=settings.webhook_url,
        secrets=tuple((settings.webhook_secret or "").split()),
        may_be_private=settings.webhook_may_be_private,
    )


def _need(settings: Settings, given: str, *names: str) -> None:
    missing = [name for name in names if not getattr(settings, name)]
    if missing:
        raise ConfigError(f"{given} is set, but {', '.join(missing)} is not: all of them are needed")


def _readable(name: str, file: Path) -> Path:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ConfigError(f"{name} {file} cannot be read: {error.strerror}") from error
    return file
