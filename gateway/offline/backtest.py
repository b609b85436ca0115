"""Backtest: a file of pings against a catalog of drafts: who would have got what, and what stopped the rest.

The same engine, rules and claim as live, in time order over all users, with nothing sent. Paused and draft offers
count as active, for that is the question. Run as ``geopush backtest``.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gateway.catalog.compiling import with_offers
from gateway.catalog.snapshot import Snapshot
from gateway.counting import counters_of
from gateway.errors import GeopushError, InvalidDocument
from gateway.offline.folder import GEOFENCES, read_folder
from gateway.offline.replay import read_index, read_pings
from gateway.simulation import Moment, Walk
from gateway.store.budgets import budgets_of
from geofences.model import Ping
from geofences.transitions import Policy
from geofences.visits import VisitSettings
from rules.model import Candidate, Consent, Gate, Shopper
from rules.offers import Offer, OfferErrors, Status, parse_offer
from rules.policy import BrandPolicy, parse_policy
from rules.rulebook import Rulebook
from rules.strict import DocumentErrors

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
TOP = 20
"""Rows of a table; JSON has them all."""


class OfferResult(msgspec.Struct, kw_only=True):
    """What became of one offer. ``stopped_by`` counts refusals by gate; ``sends_by_hour`` hours of the UTC day."""

    offer_id: str
    matched: int = 0
    sends: int = 0
    users: int = 0
    stopped_by: dict[str, int] = {}
    sends_by_store: dict[str, int] = {}
    sends_by_hour: dict[str, int] = {}


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """Totals, every offer, how many users got how many pushes, refused claims by rule, and what never fired and why."""

    pings: int
    users: int
    transitions: int
    sends: int
    users_by_sends: dict[str, int]
    claim_refusals: dict[str, int]
    offers: list[OfferResult]
    never_fired: dict[str, str]


class SharedBudgets:
    """Total caps, stock and hourly pacing over all walks; a code pool counts as endless.

    ``counters`` are what texts and audiences read: as much is left of each offer as this backtest has not given out.
    """

    def __init__(self, offers: Mapping[str, Offer]) -> None:
        self._offers = offers
        self._taken: Counter[str] = Counter()
        self.counters: dict[str, dict[str, int]] = {}
        for offer_id in offers:
            self._count(offer_id)

    def refusal(self, candidate: Candidate, at_ms: int) -> str | None:
        """The rule of a budget that is spent."""
        return next((b.rule for b in self._budgets(candidate, at_ms) if self._taken[b.budget_id] >= b.limit), None)

    def take(self, candidate: Candidate, at_ms: int) -> None:
        """Spend one unit of each."""
        self._taken.update(budget.budget_id for budget in self._budgets(candidate, at_ms))
        self._count(candidate.offer_id)

    def _count(self, offer_id: str) -> None:
        offer = self._offers[offer_id]
        budgets = budgets_of(offer_id, 0, total_cap=offer.total_cap, stock=offer.stock, max_per_hour=None)
        if budgets:
            self.counters[offer_id] = counters_of(budgets, self._taken)

    def _budgets(self, candidate: Candidate, at_ms: int) -> Sequence[Any]:
        offer = self._offers[candidate.offer_id]
        return budgets_of(
            offer.id, at_ms, total_cap=offer.total_cap, stock=offer.stock, max_per_hour=offer.max_per_hour
        )


def backtest(snapshot: Snapshot, pings: Iterable[Ping], shoppers: Mapping[str, Shopper]) -> BacktestResult:
    """Walk ``pings``, in time order; who is not among ``shoppers`` has given every consent and told nothing else."""
    offers = {offer.id: offer for offer in snapshot.rulebook}
    budgets = SharedBudgets(offers)
    walks: dict[str, Walk] = {}
    tally = _Tally(offers)
    last_ms = 0
    for ping in pings:
        walk = walks.get(ping.user_id)
        if walk is None:
            shopper = shoppers.get(ping.user_id) or Shopper(user_id=ping.user_id, consent=Consent(True, True, True))
            walk = walks[ping.user_id] = Walk(snapshot, shopper, budgets, budgets.counters)
        tally.pings += 1
        tally.note(ping.user_id, walk.take(ping))
        last_ms = ping.at_ms
    for user_id, walk in walks.items():
        tally.note(user_id, walk.until(last_ms + DAY_MS))
    return tally.result(len(walks))


class _Tally:
    def __init__(self, offers: Iterable[str]) -> None:
        self.pings = 0
        self._transitions = 0
        self._offers = {offer_id: OfferResult(offer_id=offer_id) for offer_id in sorted(offers)}
        self._users: dict[str, set[str]] = {offer_id: set() for offer_id in self._offers}
        self._by_user: Counter[str] = Counter()
        self._claims: Counter[str] = Counter()

    def note(self, user_id: str, moments: Iterable[Moment]) -> None:
        for moment in moments:
            self._transitions += len(moment.transitions)
            for candidate in moment.candidates:
                self._note(user_id, candidate, moment)

    def _note(self, user_id: str, candidate: Candidate, moment: Moment) -> None:
        result = self._offers[candidate.offer_id]
        result.matched += 1
        refused = next((verdict for verdict in candidate.verdicts if not verdict.passed), None)
        if refused is None and not candidate.held_out:
            result.sends += 1
            self._users[candidate.offer_id].add(user_id)
            self._by_user[user_id] += 1
            _add(result.sends_by_store, candidate.geofence_id)
            _add(result.sends_by_hour, f"{moment.at_ms // HOUR_MS % 24:02d}")
            return
        gate = Gate.EXPERIMENT if refused is None else refused.gate
        _add(result.stopped_by, str(gate))
        if refused is not None and refused.gate is Gate.CLAIM:
            self._claims[refused.rule] += 1

    def result(self, users: int) -> BacktestResult:
        for offer_id, result in self._offers.items():
            result.users = len(self._users[offer_id])
        by_sends = Counter(self._by_user.values())
        by_sends[0] = users - len(self._by_user)
        return BacktestResult(
            pings=self.pings,
            users=users,
            transitions=self._transitions,
            sends=sum(self._by_user.values()),
            users_by_sends={str(n): count for n, count in sorted(by_sends.items())},
            claim_refusals=dict(self._claims.most_common()),
            offers=sorted(self._offers.values(), key=lambda r: (-r.sends, r.offer_id)),
            never_fired={r.offer_id: _why(r) for r in self._offers.values() if r.sends == 0},
        )


def _add(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _why(result: OfferResult) -> str:
    """The gate that stopped an offer most often, or that nobody ever came near it."""
    if not result.stopped_by:
        return "never woken: nobody did at its stores what it waits for"
    gate, count = max(result.stopped_by.items(), key=lambda pair: pair[1])
    return f"{gate} stopped {count} of {result.matched}"


def read_snapshot(folder_path: Path) -> Snapshot:
    """Compile a catalog folder, every offer as if active. Raises InvalidDocument that names file and fault."""
    folder = read_folder(folder_path)
    index = read_index(folder_path / GEOFENCES)
    try:
        policy = parse_policy(folder.policy) if folder.policy is not None else BrandPolicy()
        offers = [parse_offer(document, policy) for document in folder.offers.values()]
    except (OfferErrors, DocumentErrors) as found:
        raise InvalidDocument(f"{folder_path}: {found}") from found
    active = [msgspec.structs.replace(offer, status=Status.ACTIVE) for offer in offers]
    empty = Snapshot(0, index, Rulebook.build([], index, policy), Policy.DEFAULT, {}, None, VisitSettings())
    return with_offers(empty, active)


class FileProfile(msgspec.Struct, frozen=True):
    """A line of the profiles file: what the backtest may know of one user."""

    user_id: str
    locale: str = "en"
    time_zone: str | None = None
    attributes: dict[str, Any] = {}
    consent: Consent = Consent(True, True, True)


def read_profiles(path: Path | None) -> dict[str, Shopper]:
    """Shoppers by id from newline-delimited JSON. Raises InvalidDocument that names the line."""
    shoppers: dict[str, Shopper] = {}
    for number, line in enumerate(path.read_bytes().splitlines() if path else [], start=1):
        if not line.strip():
            continue
        try:
            profile = msgspec.json.decode(line, type=FileProfile)
        except msgspec.DecodeError as error:
            raise InvalidDocument(f"{path}, line {number}: {error}") from error
        shoppers[profile.user_id] = Shopper(**msgspec.structs.asdict(profile))
    return shoppers


def main(argv: Sequence[str] | None = None) -> int:
    """The command: a table, or JSON with ``--json``; 1 and one line on stderr when a file is wrong."""
    parser = argparse.ArgumentParser(prog="geopush backtest", description=__doc__)
    parser.add_argument("--catalog", type=Path, required=True, metavar="DIR", help="folder as geopush export writes it")
    parser.add_argument("--pings", type=Path, required=True, metavar="P.ndjson[.gz]")
    parser.add_argument("--profiles", type=Path, metavar="F.ndjson", help="users with attributes and consent")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    options = parser.parse_args(argv)
    try:
        snapshot = read_snapshot(options.catalog)
        pings = sorted(read_pings(options.pings), key=lambda ping: ping.at_ms)
        shown = track(pings, "backtesting", console=Console(stderr=True)) if sys.stderr.isatty() else pings
        result = backtest(snapshot, shown, read_profiles(options.profiles))
    except (GeopushError, OSError) as error:
        print(f"geopush backtest: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        _print(result)
    return 0


def _print(result: BacktestResult) -> None:
    console = Console()
    console.print(
        f"{result.pings} pings of {result.users} users, {result.transitions} transitions, [b]{result.sends} sends[/b]"
    )
    offers = Table("offer", "matched", "sends", "users", "stopped by", title="Offers")
    for row in result.offers[:TOP]:
        stopped = ", ".join(f"{gate} {count}" for gate, count in sorted(row.stopped_by.items(), key=lambda p: -p[1]))
        offers.add_row(row.offer_id, str(row.matched), str(row.sends), str(row.users), stopped)
    console.print(offers)
    for title, counts in (
        ("Sends by hour (UTC)", _summed(row.sends_by_hour for row in result.offers)),
        ("Sends by store", _summed(row.sends_by_store for row in result.offers)),
        ("Users by number of pushes", result.users_by_sends),
        ("Claims refused by rule", result.claim_refusals),
    ):
        if counts:
            console.print(
                f"[b]{title}[/b]  " + "  ".join(f"{name}: {count}" for name, count in [*counts.items()][:TOP])
            )
    for offer_id, why in result.never_fired.items():
        console.print(f"never fired: [b]{offer_id}[/b], {why}")


def _summed(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))


if __name__ == "__main__":
    sys.exit(main())
