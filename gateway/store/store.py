"""The store as one value: opened at start, closed last, with one part per concern."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from gateway.errors import ConfigError
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.activity import Activity
from gateway.store.api_keys import ApiKeys
from gateway.store.audit import Audit
from gateway.store.behaviour import Behaviour
from gateway.store.budgets import Budgets
from gateway.store.catalog import Catalog
from gateway.store.claims import Claims
from gateway.store.codes import CodePools
from gateway.store.connection import Connection
from gateway.store.dead_letters import DeadLetters
from gateway.store.deferrals import Deferrals
from gateway.store.embedded import EmbeddedRedis
from gateway.store.history import History
from gateway.store.inbox import Inbox
from gateway.store.inspection import inspect
from gateway.store.outbox import Outbox
from gateway.store.outcomes import Outcomes
from gateway.store.presence import PresenceStore
from gateway.store.present import PresentUsers
from gateway.store.profiles import Profiles
from gateway.store.pseudonyms import Pseudonyms
from gateway.store.rescue import Rescue
from gateway.store.seal import Seal
from gateway.store.sessions import Sessions
from gateway.store.statistics import Statistics
from gateway.store.traces import Traces
from gateway.store.traffic import Traffic

LAYOUT = 1
"""Grows when keys change their shape, so that an older gateway refuses newer data and a newer one can migrate."""
PSEUDONYM_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Everything that is kept. Every method of every part raises Unavailable when Redis does not answer."""

    connection: Connection
    embedded: EmbeddedRedis | None
    presence: PresenceStore
    present: PresentUsers
    claims: Claims
    budgets: Budgets
    codes: CodePools
    outbox: Outbox
    dead_letters: DeadLetters
    profiles: Profiles
    behaviour: Behaviour
    outcomes: Outcomes
    deferrals: Deferrals
    inbox: Inbox
    traces: Traces
    catalog: Catalog
    history: History
    rescue: Rescue
    audit: Audit
    api_keys: ApiKeys
    sessions: Sessions
    activity: Activity
    statistics: Statistics
    traffic: Traffic

    @classmethod
    async def open(cls, settings: Settings) -> Store:
        """Connect to ``settings.redis_url``, or start the embedded server of ``settings.data_dir``, and load.

        Raises ConfigError when the data belongs to other settings or another gateway, Unavailable when there is no
        Redis.
        """
        if settings.fix_ttl_s < settings.presence_ttl_s:
            raise ConfigError(
                "fix_ttl_s must be at least presence_ttl_s: the last fix of a user who is present is kept until "
                "silence has shown that he left; lower presence_ttl_s with it"
            )
        seal = Seal(settings.fix_key)
        embedded = None if settings.redis_url else await EmbeddedRedis.start(settings.data_dir)
        url = settings.redis_url or (embedded.url if embedded else "")
        try:
            connection = await Connection.open(
                url,
                connect_timeout_s=settings.redis_connect_timeout_s,
                command_timeout_s=settings.redis_command_timeout_s,
            )
            try:
                if embedded is None and not connection.is_cluster:  # a cluster's nodes are not asked one by one
                    await inspect(connection)
                return await cls._start(settings, connection, embedded, seal)
            except BaseException:
                await connection.close()
                raise
        except BaseException:
            if embedded:
                await embedded.stop()
            raise

    @classmethod
    async def _start(
        cls, settings: Settings, connection: Connection, embedded: EmbeddedRedis | None, seal: Seal
    ) -> Store:
        await _agree(connection, keys.LAYOUT, LAYOUT, "was written by a gateway of another version (layout {})")
        await _agree(
            connection,
            keys.PARTITIONS,
            settings.partitions,
            "has {} partitions, fixed at its first start; set that number",
        )
        partitions = settings.partitions
        await connection.call("SET", keys.PSEUDONYM_KEY, secrets.token_bytes(PSEUDONYM_KEY_BYTES), "NX")
        pseudonyms = Pseudonyms(await connection.call("GET", keys.PSEUDONYM_KEY))
        profiles = Profiles(connection, partitions, pseudonyms)
        present = PresentUsers(connection, partitions, settings.shared_dir)
        catalog, api_keys = Catalog(connection), ApiKeys(connection)
        budgets, codes = Budgets(connection, partitions), CodePools(connection, partitions)
        store = cls(
            connection=connection,
            embedded=embedded,
            presence=PresenceStore(
                connection,
                partitions,
                present,
                seal,
                presence_ttl_s=settings.presence_ttl_s,
                fix_ttl_s=settings.fix_ttl_s,
            ),
            present=present,
            claims=Claims(connection, partitions, budgets, codes),
            budgets=budgets,
            codes=codes,
            outbox=Outbox(connection, partitions),
            dead_letters=DeadLetters(connection, partitions),
            profiles=profiles,
            behaviour=Behaviour(connection, partitions, profiles),
            outcomes=Outcomes(connection, partitions),
            deferrals=Deferrals(connection, partitions),
            inbox=Inbox(connection, partitions),
            traces=Traces(connection, partitions, kept_s=settings.decision_trace_ttl_s),
            catalog=catalog,
            history=History(connection, catalog),
            rescue=Rescue(catalog),
            audit=Audit(connection),
            api_keys=api_keys,
            sessions=Sessions(
                connection, api_keys, idle_s=settings.session_idle_s, longest_s=settings.session_longest_s
            ),
            activity=Activity(connection, pseudonyms),
            statistics=Statistics(connection),
            traffic=Traffic(connection, pseudonyms),
        )
        await store.outbox.prepare()
        await present.start()
        store.statistics.start()
        store.traffic.start()
        store.rescue.start()
        return store

    async def ping(self) -> None:
        """Raise Unavailable unless Redis answers now."""
        await self.connection.ping()

    async def close(self) -> None:
        """Write out what is gathered, disconnect, and stop the embedded server.

        A failing step lets the rest run; the first one's error is raised when all have.
        """
        steps = [self.rescue.stop, self.present.stop, self.traffic.stop, self.statistics.stop, self.connection.close]
        if self.embedded is not None:
            steps.append(self.embedded.stop)
        errors: list[BaseException] = []
        for step in steps:
            try:
                await step()
            except BaseException as error:  # noqa: BLE001 - a cancelled step must not leave the server running either
                errors.append(error)
        if errors:
            raise errors[0]


async def _agree(connection: Connection, key: str, value: int, complaint: str) -> None:
    """Fix ``value`` at the first start; later, refuse another."""
    await connection.call("SET", key, value, "NX")
    held = int(await connection.call("GET", key))
    if held != value:
        raise ConfigError(f"the data in this Redis {complaint.format(held)}")
