"""Dead letters over HTTP: which pushes were given up and why, another try for them, or the bin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.clock import now_ms
from gateway.delivery.job import PushJob
from gateway.errors import BadRequest
from gateway.ops import audit
from gateway.replaying import Replayed, replay
from gateway.store.activity import Activity
from gateway.store.dead_letters import DeadLetter, DeadLetters, Place, letter_id_at, place_of
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import cursor_after, json_answer, page_cursor, page_limit
from gateway.web.faults import decode_document
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission

MAX_IDS: Final = 1_000
"""Most dead letters tried again, or forgotten, in one request."""
MAX_BYTES: Final = 64_000
"""Room for as many ids."""
MAX_SCANNED: Final = 10_000
"""Letters that one page looks through for those that are wanted: some tens of milliseconds."""


class DeadLetterDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A push that was given up; of one that cannot be read nothing is known of the offer.

    ``user`` is a keyed hash, as in the activity; ``channel`` the one that had the last word.
    """

    id: str
    at_ms: int
    reason: str
    channel: str
    user: str
    push_id: str = ""
    offer_id: str = ""
    geofence_id: str = ""
    expires_at_ms: int = 0


class DeadLetterPage(msgspec.Struct, frozen=True):
    """Newest first; ``total`` counts all that are kept.

    A page may be short, even empty, while ``next_cursor`` goes on.
    """

    items: Sequence[DeadLetterDocument]
    total: int
    next_cursor: str | None


class Letters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters are meant."""

    ids: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_IDS)]


class DiscardAnswer(msgspec.Struct, frozen=True):
    """How many of them were still there and are forgotten."""

    discarded: int


class _Wanted(msgspec.Struct, frozen=True):
    """Which letters: those that meet every member that is given."""

    push: str
    offer: str
    channel: str
    reason: str

    def has(self, letter: DeadLetterDocument) -> bool:
        return (
            (not self.push or letter.push_id == self.push)
            and (not self.offer or letter.offer_id == self.offer)
            and (not self.channel or letter.channel == self.channel)
            and self.reason in letter.reason.casefold()
        )


@operation(
    "GET",
    "/v1/dead-letters",
    needs=Permission.READ_DELIVERIES,
    answer=DeadLetterPage,
    parameters=(
        Parameter("limit", "Items of one page, 1 to 1,000.", {"type": "integer", "default": 100}),
        Parameter("cursor", "next_cursor of the page before."),
        Parameter("push", "Only this push, by its push_id."),
        Parameter("offer", "Only pushes of this offer."),
        Parameter("channel", "Only those of which this channel had the last word: apns, fcm, webhook, …"),
        Parameter("reason", "Only those whose reason contains this, such as expired or Unregistered."),
    ),
)
async def list_dead_letters(request: web.Request) -> web.StreamResponse:
    """List the pushes that were given up, newest first, each with its reason."""
    store, query = request.app[CONTEXT].store, request.query
    push, offer, channel, reason = (query.get(name, "") for name in ("push", "offer", "channel", "reason"))
    wanted = _Wanted(push, offer, channel, reason.casefold())
    items, place = await _page(store.dead_letters, store.activity, _cursor(request), page_limit(request), wanted)
    cursor = None if place is None else cursor_after(letter_id_at(place))
    return json_answer(DeadLetterPage(items, await store.dead_letters.depth(), cursor))


@operation(
    "POST",
    "/v1/dead-letters/replay",
    needs=Permission.REPLAY_DELIVERIES,
    body=Letters,
    answer=Replayed,
    example={"ids": ["7:1767225600000-0"]},
)
async def replay_dead_letters(request: web.Request) -> web.StreamResponse:
    """Try dead letters again, as far as consent, cooldowns, caps, stock and codes allow it now.

    A push that may not be sent stays, with the reason in the answer. One that may have arrived kept its claim and goes
    out with it.
    """
    context = request.app[CONTEXT]
    wanted = decode_document(await read_body(request, MAX_BYTES), Letters)
    await context.catalog.refresh()
    answer = await replay(context.store, context.catalog.current.rulebook, wanted.ids, now_ms())
    await audit.record(request, "replay", "dead-letters", after={"replayed": answer.replayed})
    return json_answer(answer)


@operation(
    "POST",
    "/v1/dead-letters/discard",
    needs=Permission.REPLAY_DELIVERIES,
    body=Letters,
    answer=DiscardAnswer,
    example={"ids": ["7:1767225600000-0"]},
)
async def discard_dead_letters(request: web.Request) -> web.StreamResponse:
    """Forget dead letters for good. Their cooldowns and caps stay as giving them up left them."""
    wanted = decode_document(await read_body(request, MAX_BYTES), Letters)
    discarded = await request.app[CONTEXT].store.dead_letters.discard(wanted.ids)
    await audit.record(request, "discard", "dead-letters", after=DiscardAnswer(discarded))
    return json_answer(DiscardAnswer(discarded))


OPERATIONS = (list_dead_letters, replay_dead_letters, discard_dead_letters)


def _cursor(request: web.Request) -> Place | None:
    """Where the page begins. Raises BadRequest for a cursor that is none of ours."""
    cursor = page_cursor(request)
    try:
        return None if cursor is None else place_of(cursor)
    except ValueError:
        raise BadRequest("this cursor is not one of ours; start again without it", parameter="cursor") from None


async def _page(
    letters: DeadLetters, activity: Activity, place: Place | None, limit: int, wanted: _Wanted
) -> tuple[Sequence[DeadLetterDocument], Place | None]:
    """Wanted letters, and the place to go on before; None where there are no more."""
    found: list[DeadLetterDocument] = []
    scanned = 0
    while scanned < MAX_SCANNED:
        read, place = await letters.read(place, limit)
        for letter in read:
            scanned += 1
            shown = _shown(letter, activity.pseudonym(letter.user_id))
            if wanted.has(shown):
                found.append(shown)
                if len(found) == limit:
                    return found, letter.place
        if place is None:
            break
    return found, place


def _shown(letter: DeadLetter, user: str) -> DeadLetterDocument:
    facts: dict[str, Any] = {}
    try:
        job = PushJob.decode(letter.job)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    else:
        facts = {name: getattr(job, name) for name in ("push_id", "offer_id", "geofence_id", "expires_at_ms")}
    return DeadLetterDocument(
        id=letter.letter_id,
        at_ms=letter.buried_at_ms,
        reason=letter.reason,
        channel=letter.channel,
        user=user,
        **facts,
    )
