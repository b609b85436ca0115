"""The sandbox as the tests see it: where it is, and what arrived."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.delivery.apns import ApnsApp
from gateway.delivery.fcm import FcmApp
from gateway.delivery.sandbox.process import Addresses, SandboxProcess


class Arrived:
    """What has arrived at the sandbox since this test began."""

    def __init__(self, process: SandboxProcess, after: int) -> None:
        self.addresses = process.addresses
        self._process = process
        self._after = after

    async def pushes(self) -> list[dict[str, Any]]:
        page = await self._process.pushes(self._after)
        pushes: list[dict[str, Any]] = page["pushes"]
        return pushes

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The sandbox takes nothing and answers nothing meanwhile; its connections stand."""
        self._process.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.signal(signal.SIGCONT)


def apps_at(addresses: Addresses) -> tuple[ApnsApp, FcmApp]:
    apns = ApnsApp(
        topic=addresses.apns_topic,
        host=addresses.apns_host,
        port=addresses.apns_port,
        key_file=addresses.apns_key_file,
        key_id=addresses.apns_key_id,
        team_id=addresses.apns_team_id,
        ca_file=addresses.apns_ca_file,
    )
    fcm = FcmApp(
        credentials_file=addresses.fcm_credentials_file, host=addresses.fcm_host, ca_file=addresses.fcm_ca_file
    )
    return apns, fcm
