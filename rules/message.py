"""From a message template to a message: the right language, filled in, with its campaign tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from rules.document import MessageTemplate
from rules.model import Action, Message
from rules.template import TemplateFault, template

MAX_TITLE_CHARACTERS = 40
MAX_BODY_CHARACTERS = 140
"""What phones show of a notification before they cut it (retail practice: title 40, text 120 to 140)."""
MAX_PAYLOAD_BYTES = 3584
"""APNs and FCM take 4,096 bytes; 512 are left for the provider's own keys."""
CODE_PLACEHOLDER = "\u2060code\u2060"
"""Stands for the unique code, which only the claim can draw; the sender puts the drawn code in its place."""


def pick_locale(messages: Mapping[str, MessageTemplate], locale: str, default: str) -> str:
    """The key of the best message: same locale, same language, the default, else the first."""
    wanted = locale.replace("_", "-")
    if wanted in messages:
        return wanted
    language = wanted.partition("-")[0].lower()
    same = next((key for key in messages if key.replace("_", "-").partition("-")[0].lower() == language), "")
    return same or (default if default in messages else next(iter(messages)))


def compose(source: MessageTemplate, locale: str, variables: Mapping[str, Any]) -> Message:
    """The message with its texts rendered. Raises TemplateFault, naming the text at fault."""
    title = _text("title", source.title, variables)
    body = _text("body", source.body, variables)
    for name, text in (("title", title), ("body", body)):
        if not text:
            raise TemplateFault(f"{name}: is empty once rendered")
    message = Message(
        title=title,
        body=body,
        locale=locale,
        image_url=_text("image_url", source.image_url, variables),
        deep_link=tagged(_text("deep_link", source.deep_link, variables), source.campaign_tags),
        actions=tuple(
            Action(
                id=button.id,
                title=_text(f"actions/{i}/title", button.title, variables),
                link=tagged(_text(f"actions/{i}/link", button.link, variables), source.campaign_tags),
            )
            for i, button in enumerate(source.actions)
        ),
        collapse_key=source.collapse_key,
        ttl_s=source.ttl_s,
        interruption_level=source.interruption_level,
        relevance=source.relevance,
        thread=source.thread,
        data=source.data,
    )
    size = len(msgspec.json.encode(message))
    if size > MAX_PAYLOAD_BYTES:
        raise TemplateFault(f"the message takes {size} bytes; {MAX_PAYLOAD_BYTES} fit")
    return message


def too_long(message: Message) -> str:
    """Which text is over its limit, in words; "" where none is."""
    found = [
        f"{name} has {len(text)} characters, at most {most}"
        for name, text, most in (
            ("title", message.title, MAX_TITLE_CHARACTERS),
            ("body", message.body, MAX_BODY_CHARACTERS),
        )
        if len(text) > most
    ]
    return "; ".join(found)


def tagged(link: str, tags: Mapping[str, str]) -> str:
    """The link with campaign tags in its query; tags that it already has win."""
    if not link or not tags:
        return link
    parts = urlsplit(link)
    query = parse_qsl(parts.query, keep_blank_values=True)
    have = {name for name, _ in query}
    query += [(name, value) for name, value in tags.items() if name not in have]
    return urlunsplit(parts._replace(query=urlencode(query)))


def _text(name: str, source: str, variables: Mapping[str, Any]) -> str:
    try:
        return template(source).render(variables)
    except TemplateFault as fault:
        raise TemplateFault(f"{name}: {fault}") from None
