"""Deliveries over HTTP: what each platform would get, which pushes were given up, and another try for those."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.clock import now_ms
from gateway.delivery.job import PushJob, push_id_for
from gateway.delivery.preview import Preview, previews
from gateway.ops import audit
from gateway.store.dead_letters import DeadLetter
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer, page_limit
from gateway.web.faults import decode_document
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission
from rules.model import Action, Message

MAX_PREVIEW_BYTES = 64_000
"""Largest message that is previewed; sixteen times what any platform takes."""
MAX_REPLAYED = 1000
"""Most dead letters tried again, or forgotten, in one request."""


class ButtonDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A button under the notification."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    title: Annotated[str, Meta(min_length=1, max_length=100)]
    link: str = ""


class MessageDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finished message, as Liquid has rendered it."""

    title: Annotated[str, Meta(min_length=1)]
    body: str
    locale: str = "en"
    image_url: str = ""
    deep_link: str = ""
    actions: tuple[ButtonDocument, ...] = ()
    collapse_key: str = ""
    ttl_s: Annotated[int, Meta(ge=0, le=2_419_200)] = 3600
    interruption_level: Literal["passive", "active", "time-sensitive", "critical"] = "active"
    relevance: Annotated[float, Meta(ge=0, le=1)] | None = None
    thread: Annotated[str, Meta(max_length=64)] = ""
    data: dict[str, str] = {}


class PreviewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message, and the ids that travel with it."""

    message: MessageDocument
    offer_id: str = "offer"
    geofence_id: str = "store"


class PreviewAnswer(msgspec.Struct, frozen=True):
    """The exact JSON by platform."""

    platforms: dict[str, Preview]


class DeadLetterDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A push that was given up. ``user`` is a keyed hash, as in the activity."""

    id: str
    at_ms: int
    reason: str
    user: str
    push_id: str = ""
    offer_id: str = ""
    geofence_id: str = ""
    expires_at_ms: int = 0


class DeadLetterList(msgspec.Struct, frozen=True):
    """The latest dead letters, newest first; ``total`` counts all that are kept."""

    items: list[DeadLetterDocument]
    total: int


class ReplayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters to try again."""

    ids: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_REPLAYED)]


class DiscardRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters to forget."""

    ids: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_REPLAYED)]


class DiscardAnswer(msgspec.Struct, frozen=True):
    """How many of them were still there and are forgotten."""

    discarded: int


class ReplayAnswer(msgspec.Struct, frozen=True):
    """How many of them were still there and are in the outbox again."""

    replayed: int


@operation(
    "POST",
    "/v1/messages/preview",
    needs=Permission.SIMULATE,
    body=PreviewRequest,
    answer=PreviewAnswer,
    example={"message": {"title": "Two for one", "body": "Until noon."}},
)
async def preview_message(request: web.Request) -> web.StreamResponse:
    """Show what each platform would get for a message.

    The exact JSON with its size; what does not fit is trimmed as in earnest, or refused with the reason. Sends nothing.
    """
    wanted = decode_document(await read_body(request, MAX_PREVIEW_BYTES), PreviewRequest)
    at_ms = now_ms()
    fields = msgspec.structs.asdict(wanted.message)
    fields["actions"] = tuple(Action(button.id, button.title, button.link) for button in wanted.message.actions)
    job = PushJob(
        push_id=push_id_for("preview", wanted.offer_id, wanted.geofence_id),
        user_id="preview",
        offer_id=wanted.offer_id,
        geofence_id=wanted.geofence_id,
        message=Message(**fields),
        expires_at_ms=at_ms + wanted.message.ttl_s * 1000,
        claimed_at_ms=at_ms,
        received_at_ms=at_ms,
    )
    return json_answer(PreviewAnswer(previews(job, at_ms)))


@operation(
    "GET",
    "/v1/dead-letters",
    needs=Permission.READ_DELIVERIES,
    answer=DeadLetterList,
    parameters=(Parameter("limit", "Most items, at most 1,000.", {"type": "integer"}),),
)
async def list_dead_letters(request: web.Request) -> web.StreamResponse:
    """List the pushes that were given up, newest first, each with its reason."""
    store = request.app[CONTEXT].store
    letters = await store.dead_letters.list(page_limit(request))
    items = [_shown(letter, store.activity.pseudonym(letter.user_id)) for letter in letters]
    return json_answer(DeadLetterList(items, await store.dead_letters.depth()))


@operation(
    "POST",
    "/v1/dead-letters/replay",
    needs=Permission.REPLAY_DELIVERIES,
    body=ReplayRequest,
    answer=ReplayAnswer,
    example={"ids": ["7:1767225600000-0"]},
)
async def replay_dead_letters(request: web.Request) -> web.StreamResponse:
    """Put dead letters back into the outbox. One that has expired is given up again at once."""
    wanted = decode_document(await read_body(request, MAX_PREVIEW_BYTES), ReplayRequest)
    replayed = await request.app[CONTEXT].store.dead_letters.replay(wanted.ids)
    await audit.record(request, "replay", "dead-letters", after=ReplayAnswer(replayed))
    return json_answer(ReplayAnswer(replayed))


@operation(
    "POST",
    "/v1/dead-letters/discard",
    needs=Permission.REPLAY_DELIVERIES,
    body=DiscardRequest,
    answer=DiscardAnswer,
    example={"ids": ["7:1767225600000-0"]},
)
async def discard_dead_letters(request: web.Request) -> web.StreamResponse:
    """Forget dead letters for good. Their cooldowns and caps stay as giving them up left them."""
    wanted = decode_document(await read_body(request, MAX_PREVIEW_BYTES), DiscardRequest)
    discarded = await request.app[CONTEXT].store.dead_letters.discard(wanted.ids)
    await audit.record(request, "discard", "dead-letters", after=DiscardAnswer(discarded))
    return json_answer(DiscardAnswer(discarded))


OPERATIONS = (preview_message, list_dead_letters, replay_dead_letters, discard_dead_letters)


def _shown(letter: DeadLetter, user: str) -> DeadLetterDocument:
    facts: dict[str, Any] = {}
    try:
        job = PushJob.decode(letter.job)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    else:
        facts = {name: getattr(job, name) for name in ("push_id", "offer_id", "geofence_id", "expires_at_ms")}
    return DeadLetterDocument(id=letter.letter_id, at_ms=letter.buried_at_ms, reason=letter.reason, user=user, **facts)
