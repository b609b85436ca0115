"""Users and their devices over HTTP: what an app tells of a shopper, and where a push can reach them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.clock import now_ms
from gateway.errors import InvalidDocument, NotFound
from gateway.ops import audit
from gateway.store.profiles import ConsentFlag, ConsentFlags, Device, User
from gateway.web.auth import IDENTITY
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer, path_id
from gateway.web.faults import decode_document
from gateway.web.operations import operation
from gateway.web.permissions import Permission
from rules.schedule import zone_named

MAX_USER_BYTES = 64_000
"""Largest user document: every decision about the user reads it."""
SHOWN_TOKEN_CHARACTERS = 6
"""Of a push token, enough to compare by eye and too few to send with."""


class ConsentDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One consent with its evidence: when it was given or withdrawn, where, and which text was shown."""

    granted: bool
    at_ms: Annotated[int, Meta(ge=0)] = 0
    source: Annotated[str, Meta(max_length=100)] = ""
    text_version: Annotated[str, Meta(max_length=100)] = ""


Given = bool | ConsentDocument
"""A consent as it may be told: alone, or with its evidence."""


class ConsentDocuments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The three consents; what is not named is not given. A bare boolean is dated now."""

    location: Given = False
    push: Given = False
    profiling: Given = False


class UserDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is told of a user. ``attributes`` are what audiences and messages may read."""

    locale: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")] = "en"
    time_zone: Annotated[str, Meta(max_length=64)] | None = None
    attributes: dict[str, Any] = {}
    consent: ConsentDocuments = ConsentDocuments()

    def checked_zone(self) -> str | None:
        """The time zone. Raises InvalidDocument for one that does not exist."""
        if self.time_zone is not None:
            try:
                zone_named(self.time_zone)
            except ValueError:
                detail = f"time_zone {self.time_zone!r} is not an IANA zone; write it like Europe/Helsinki"
                raise InvalidDocument(detail, pointer="/time_zone") from None
        return self.time_zone

    def flags(self, at_ms: int) -> ConsentFlags:
        """The consents as they are stored; what carries no date was given at ``at_ms``."""
        consent = self.consent
        return ConsentFlags(
            location=_flag(consent.location, at_ms),
            push=_flag(consent.push, at_ms),
            profiling=_flag(consent.profiling, at_ms),
        )


class DeviceDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a push can reach: ``token`` as the platform gave it. ``app`` tells apps apart where there are several.

    A browser's token is its PushSubscription, the JSON in base64url.
    """

    platform: Literal["apns", "fcm", "huawei", "rustore", "web_push"]
    token: Annotated[str, Meta(min_length=8, max_length=4096, pattern=r"^[A-Za-z0-9_:.-]+$")]
    app_version: Annotated[str, Meta(max_length=64)] = ""
    app: Annotated[str, Meta(max_length=100)] = ""


class RefusalAnswer(msgspec.Struct, frozen=True):
    """The provider's word against a token (``BadDeviceToken``), and when it came."""

    reason: str
    at_ms: int


class DeviceAnswer(msgspec.Struct, frozen=True):
    """A registered device; of its token only the end is shown.

    With ``refused`` its provider has refused the token, and it gets no push until it is registered again.
    """

    device_id: str
    platform: str
    token_end: str
    registered_at_ms: int
    app: str
    app_version: str
    refused: RefusalAnswer | None = None


class UserAnswer(msgspec.Struct, frozen=True):
    """A user as stored."""

    user_id: str
    locale: str
    time_zone: str | None
    attributes: dict[str, Any]
    consent: dict[str, ConsentDocument]
    updated_at_ms: int
    devices: list[DeviceAnswer]


@operation(
    "PUT",
    "/v1/users/{user_id}",
    needs=Permission.WRITE_USERS,
    body=UserDocument,
    answer=UserAnswer,
    example={
        "locale": "fi",
        "time_zone": "Europe/Helsinki",
        "attributes": {"member": True},
        "consent": {"location": True, "push": True, "profiling": False},
    },
)
async def put_user(request: web.Request) -> web.StreamResponse:
    """Put a user's locale, time zone, attributes and consents; the devices stay.

    No push is ever sent to a user who is not known here or has not given the consents location and push.
    """
    user_id = _user_id(request)
    wanted = decode_document(await read_body(request, MAX_USER_BYTES), UserDocument)
    at_ms = now_ms()
    user = User(
        locale=wanted.locale,
        time_zone=wanted.checked_zone(),
        attributes=wanted.attributes,
        consent=wanted.flags(at_ms),
        updated_at_ms=at_ms,
    )
    return json_answer(_shown(user_id, await request.app[CONTEXT].store.profiles.put_user(user_id, user)))


@operation("GET", "/v1/users/{user_id}", needs=Permission.READ_USERS, answer=UserAnswer)
async def get_user(request: web.Request) -> web.StreamResponse:
    """Get what is stored of a user."""
    user_id = _user_id(request)
    user = await request.app[CONTEXT].store.profiles.get(user_id)
    if user is None:
        raise NotFound("nothing is known of this user")
    return json_answer(_shown(user_id, user))


@operation("DELETE", "/v1/users/{user_id}", needs=Permission.ERASE_USERS, status=204)
async def delete_user(request: web.Request) -> web.StreamResponse:
    """Remove everything that is stored of a user: profile, devices, presence and past pushes."""
    store, user_id = request.app[CONTEXT].store, _user_id(request)
    if not await store.profiles.delete(user_id):
        raise NotFound("nothing is known of this user")
    await audit.record(request, "erase", f"users/{store.activity.pseudonym(user_id)}")
    return web.Response(status=204)


@operation("GET", "/v1/users/{user_id}/export", needs=Permission.EXPORT_USERS, answer=dict[str, Any])
async def export_user(request: web.Request) -> web.StreamResponse:
    """Export all that is held of a user: profile, devices, behaviour, pushes, presence and decisions.

    The last fix is sealed and short-lived; only whether there is one is told.
    """
    store, user_id = request.app[CONTEXT].store, _user_id(request)
    exported = await store.profiles.export(user_id)
    await audit.record(request, "export", f"users/{store.activity.pseudonym(user_id)}")
    return json_answer(exported, headers={"Content-Disposition": 'attachment; filename="user.json"'})


@operation(
    "PUT",
    "/v1/users/{user_id}/devices/{device_id}",
    needs=Permission.WRITE_USERS,
    body=DeviceDocument,
    answer=DeviceAnswer,
    example={"platform": "fcm", "token": "dGhpcyBpcyBubyB0b2tlbg:APA91bE", "app_version": "4.2.0"},
)
async def put_device(request: web.Request) -> web.StreamResponse:
    """Register a device's push token; whoever had the same token before loses it, and a refusal of it is forgotten."""
    user_id, device_id = _user_id(request), path_id(request, "device_id")
    wanted = decode_document(await read_body(request, MAX_USER_BYTES), DeviceDocument)
    device = Device(
        device_id=device_id,
        platform=wanted.platform,
        token=wanted.token,
        registered_at_ms=now_ms(),
        app=wanted.app,
        app_version=wanted.app_version,
    )
    await request.app[CONTEXT].store.profiles.put_device(user_id, device)
    return json_answer(_shown_device(device))


@operation("DELETE", "/v1/users/{user_id}/devices/{device_id}", needs=Permission.WRITE_USERS, status=204)
async def delete_device(request: web.Request) -> web.StreamResponse:
    """Forget a device: after signing out, or when the user turned notifications off."""
    user_id, device_id = _user_id(request), path_id(request, "device_id")
    if not await request.app[CONTEXT].store.profiles.delete_device(user_id, device_id):
        raise NotFound("this user has no device of this id")
    return web.Response(status=204)


OPERATIONS = (put_user, get_user, delete_user, export_user, put_device, delete_device)


def _user_id(request: web.Request) -> str:
    user_id = path_id(request, "user_id")
    request[IDENTITY].speak_for(user_id)
    return user_id


def _flag(given: Given, at_ms: int) -> ConsentFlag:
    if isinstance(given, bool):
        return ConsentFlag(given, at_ms)
    return ConsentFlag(given.granted, given.at_ms or at_ms, given.source, given.text_version)


def _shown(user_id: str, user: User) -> UserAnswer:
    flags = {"location": user.consent.location, "push": user.consent.push, "profiling": user.consent.profiling}
    return UserAnswer(
        user_id=user_id,
        locale=user.locale,
        time_zone=user.time_zone,
        attributes=dict(user.attributes),
        consent={k: ConsentDocument(f.granted, f.at_ms, f.source, f.text_version) for k, f in flags.items()},
        updated_at_ms=user.updated_at_ms,
        devices=[_shown_device(device) for device in user.devices],
    )


def _shown_device(device: Device) -> DeviceAnswer:
    refused = device.refused
    return DeviceAnswer(
        device_id=device.device_id,
        platform=device.platform,
        token_end=device.token[-SHOWN_TOKEN_CHARACTERS:],
        registered_at_ms=device.registered_at_ms,
        app=device.app,
        app_version=device.app_version,
        refused=None if refused is None else RefusalAnswer(refused.reason, refused.at_ms),
    )
