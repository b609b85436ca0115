"""POST /v1/messages/preview: what each platform would get for a message."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.clock import now_ms
from gateway.delivery.job import PushJob, push_id_for
from gateway.delivery.preview import Preview, previews
from gateway.web.bodies import read_body
from gateway.web.documents import json_answer
from gateway.web.faults import decode_document
from gateway.web.operations import operation
from gateway.web.permissions import Permission
from rules.model import Action, Message

MAX_PREVIEW_BYTES = 64_000
"""Largest message that is previewed; sixteen times what any platform takes."""


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


OPERATIONS = (preview_message,)
