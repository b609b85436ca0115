"""Which providers a gateway delivers to: those whose credentials the settings name, or the sandbox in their place."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.delivery.apns import ApnsApp
from gateway.delivery.channel import Channel
from gateway.delivery.channels import open_channels
from gateway.delivery.fcm import FcmApp
from gateway.delivery.sandbox.process import Addresses, SandboxProcess
from gateway.errors import ConfigError
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Providers:
    """Open channels by name, and a sentence about each for the operator."""

    channels: dict[str, Channel]
    states: dict[str, str]


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncIterator[Providers]:
    """Open the channels, with the sandbox as a child process where it stands in; close both in order.

    Raises ConfigError when credentials are incomplete or unreadable, or the sandbox does not start.
    """
    apns, fcm = _apns(settings), _fcm(settings)
    wants_sandbox = settings.sandbox == "on" or (settings.sandbox == "auto" and apns is None and fcm is None)
    async with AsyncExitStack() as stack:
        states = {
            "apns": f"delivers to {apns.host} as {apns.topic}" if apns else "off: no apns_key_file",
            "fcm": f"delivers to {fcm.host}" if fcm else "off: no fcm_credentials_file",
        }
        if wants_sandbox:
            addresses = (await stack.enter_async_context(SandboxProcess())).addresses
            page = f"{addresses.pages_url}/sandbox/pushes"
            stand_in = dataclasses.replace(settings, **_sandbox_settings(addresses))
            apns, fcm = apns or _apns(stand_in), fcm or _fcm(stand_in)
            for name, state in states.items():
                if state.startswith("off"):
                    states[name] = f"no credentials: delivers to the local sandbox, see {page}"
        channels = open_channels(apns=apns, fcm=fcm)
        for channel in channels.values():
            stack.push_async_callback(channel.close)
        yield Providers(channels, states)


def _sandbox_settings(addresses: Addresses) -> dict[str, Any]:
    """The sandbox's addresses as settings: all of them but where its own page is."""
    given = msgspec.structs.asdict(addresses)
    return {name: value for name, value in given.items() if name != "pages_url"}


def _apns(settings: Settings) -> ApnsApp | None:
    if settings.apns_key_file is None:
        return None
    missing = [name for name in ("apns_key_id", "apns_team_id", "apns_topic") if not getattr(settings, name)]
    if missing:
        raise ConfigError(f"apns_key_file is set, but {', '.join(missing)} is not: APNs needs all of them")
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


def _readable(name: str, file: Path) -> Path:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ConfigError(f"{name} {file} cannot be read: {error.strerror}") from error
    return file
