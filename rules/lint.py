"""Content lint: what retail practice advises against, said when an offer is saved. Warnings never refuse.

Texts are judged by what stands in them whatever the variables come to. Rules about words know English only and
leave other languages alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import msgspec

from rules.document import MessageTemplate, Offer, Window
from rules.message import MAX_BODY_CHARACTERS, MAX_TITLE_CHARACTERS
from rules.packs import PACKS
from rules.policy import DEFAULT_POLICY, BrandPolicy
from rules.schedule import WeeklyWindows
from rules.strict import at


class Advice(msgspec.Struct, frozen=True):
    """A doubtful thing: where (JSON pointer), which rule's, and what would be better."""

    pointer: str
    rule: str
    detail: str


MAX_SENTENCES: Final = 2
MAX_EMOJI: Final = 2
MAX_DAILY_PUSHES: Final = 2
_COUNTER = re.compile(r"\boffer\.(?:left|taken)\b")
_DEFAULT_TAKEN = re.compile(r"\boffer\.taken\s*\|\s*default\b")
_MARKUP = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_CHOICE = re.compile(
    r"\{%-?\s*(?P<kind>if|unless|case)\b(?:(?!%\}).)*%\}"
    r"(?P<branches>(?:(?!\{%-?\s*(?:if|unless|case)\b).)*?)\{%-?\s*end(?P=kind)\s*-?%\}",
    re.DOTALL,
)
_BRANCH = re.compile(r"\{%-?\s*(?:else|elsif|when)\b.*?%\}", re.DOTALL)
_SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SMALL_TALK = re.compile(
    r"^(dear|hello|hi|hey|greetings|we are (happy|pleased|glad)|good (morning|day|evening))\b", re.IGNORECASE
)
_CLICHES = re.compile(r"\b(don't miss out|hurry up|once in a lifetime|unbeatable|best ever|act now)\b", re.IGNORECASE)
_VERBS = frozenset(
    """
    activate add answer ask book bring browse buy call celebrate check choose claim collect come compare continue
    discover download drop earn enjoy enter explore find finish get give go grab have head join keep learn leave let
    look make meet open order pay pick play read redeem register reply rate return review save scan see send share
    shop show spend step stop swing take taste tell treat try turn unlock use view visit vote walk watch win
    """.split()  # noqa: SIM905 - a word list reads as words
)


def lint(offer: Offer, policy: BrandPolicy = DEFAULT_POLICY) -> list[Advice]:
    """Every warning about an offer that was accepted."""
    return [*_message_warnings(offer), *_schedule_warnings(offer), *_pressure_warnings(offer, policy)]


def _message_warnings(offer: Offer) -> Iterator[Advice]:
    arms = offer.experiment.variants if offer.experiment else ()
    sets = [("/messages", offer.messages)]
    sets += [(at("/experiment/variants", i, "messages"), arm.messages) for i, arm in enumerate(arms) if arm.messages]
    for pointer, messages in sets:
        for locale, message in messages.items():
            here = at(pointer, locale)
            yield from _length_warnings(message, here)
            yield from _tone_warnings(message, here)
            yield from _link_warnings(message, here, is_service=offer.purpose == "service")
            if locale.partition("-")[0] == "en" and offer.purpose != "service":
                yield from _english_warnings(message, here)
            yield from _counter_warnings(offer, message, here)
        if messages is not offer.messages and (missing := offer.messages.keys() - messages.keys()):
            yield Advice(pointer, "untranslated", f"This variant lacks {', '.join(sorted(missing))}.")


def _counter_warnings(offer: Offer, message: MessageTemplate, pointer: str) -> Iterator[Advice]:
    text = message.title + message.body
    counter = _COUNTER.search(text)
    if counter and offer.stock is None and offer.total_cap is None:
        yield Advice(pointer, "scarcity_unknown", f"{counter[0]} is only known where stock or total_cap is set.")
    if "offer.taken" in text and not _DEFAULT_TAKEN.search(text):
        detail = "offer.taken is missing below ten and refuses the text: with no default nobody is the first."
        yield Advice(pointer, "never_begins", detail)


def _length_warnings(message: MessageTemplate, pointer: str) -> Iterator[Advice]:
    for name, most in (("title", MAX_TITLE_CHARACTERS), ("body", MAX_BODY_CHARACTERS)):
        text = _plain(_longest(getattr(message, name)))
        if len(text) > most:
            detail = f"{len(text)} characters before its variables; phones show about {most}."
            yield Advice(f"{pointer}/{name}", f"{name}_length", detail)
    sentences = len(_SENTENCE_END.findall(_plain(_longest(message.body))))
    if sentences > MAX_SENTENCES:
        yield Advice(f"{pointer}/body", "brevity", f"{sentences} sentences; one or two are read.")


def _tone_warnings(message: MessageTemplate, pointer: str) -> Iterator[Advice]:
    for name in ("title", "body"):
        text = _plain(getattr(message, name))
        shouted = [word for word in _WORD.findall(text) if word.isupper() and len(word) > 3]
        if shouted:
            yield Advice(f"{pointer}/{name}", "shouting", f"{shouted[0]!r} shouts; write it in small letters.")
        if "!!" in text or text.count("!") > 1:
            yield Advice(f"{pointer}/{name}", "shouting", "One exclamation mark is enough.")
        if (count := len(_EMOJI.findall(text))) > MAX_EMOJI:
            yield Advice(f"{pointer}/{name}", "emoji", f"{count} emoji; keep to {MAX_EMOJI}.")


def _english_warnings(message: MessageTemplate, pointer: str) -> Iterator[Advice]:
    body = _plain(message.body)
    if _SMALL_TALK.match(_plain(message.title)) or _SMALL_TALK.match(body):
        yield Advice(pointer, "essence_first", "Say what it is about in the first words; leave the greeting out.")
    if cliche := _CLICHES.search(f"{message.title} {body}"):
        yield Advice(pointer, "cliche", f"{cliche[0]!r} has been read too often; say what the offer is.")
    words = {word.lower() for word in _WORD.findall(f"{message.title} {body}")} | set(body.lower().split())
    if words.isdisjoint(_VERBS) and not message.actions:
        yield Advice(f"{pointer}/body", "call_to_action", "Say what to do, with a verb: come, try, take, show.")


def _link_warnings(message: MessageTemplate, pointer: str, *, is_service: bool) -> Iterator[Advice]:
    links = [("deep_link", message.deep_link), ("image_url", message.image_url)]
    links += [(f"actions/{i}/link", button.link) for i, button in enumerate(message.actions)]
    if not message.deep_link and not any(button.link for button in message.actions):
        yield Advice(f"{pointer}/deep_link", "no_link", "Without a link the push opens nothing in particular.")
    elif not message.campaign_tags:
        yield Advice(f"{pointer}/campaign_tags", "no_campaign_tags", "Tag links (utm_source …) to find them again.")
    if not message.image_url and not is_service:
        yield Advice(f"{pointer}/image_url", "no_image", "A picture is seen first; channels without one leave it out.")
    for name, link in links:
        plain = _MARKUP.sub("x", link)
        parts = urlsplit(plain)
        if plain and (not parts.scheme or " " in plain or (parts.scheme.startswith("http") and not parts.netloc)):
            yield Advice(f"{pointer}/{name}", "link_form", f"{link!r} is not an address like https://… or app://…")
        elif parts.scheme == "http":
            yield Advice(f"{pointer}/{name}", "link_form", "Phones refuse plain http; use https.")


def _schedule_warnings(offer: Offer) -> Iterator[Advice]:
    quiet = offer.quiet_hours
    if quiet is not None and not quiet.enabled and not offer.transactional:
        yield Advice("/quiet_hours", "at_night", "Without quiet hours people are woken at 3 a.m.; keep some.")
    if offer.pack in PACKS and offer.weekly:
        pack = PACKS[offer.pack]
        if not _within(offer.weekly, pack.windows):
            yield Advice("/weekly", "outside_pack", f"{offer.pack}: practice is {pack.practice}.")


def _pressure_warnings(offer: Offer, policy: BrandPolicy) -> Iterator[Advice]:
    if offer.transactional and offer.purpose == "selling":
        yield Advice("/transactional", "not_a_service", "A selling message must not bypass quiet hours and caps.")
    if not offer.transactional and offer.cooldowns.min_gap_s == 0 and policy.min_gap_s:
        yield Advice("/cooldowns/min_gap_s", "pressure", "Two pushes at once are one too many; keep the brand's gap.")
    for i, cap in enumerate(offer.caps):
        if cap.scope == "user" and cap.max > MAX_DAILY_PUSHES and cap.window_s <= 86_400:
            yield Advice(at("/caps", i, "max"), "pressure", "One or two notifications a day are the most people bear.")


def _within(own: tuple[Window, ...], pack: tuple[Window, ...]) -> bool:
    allowed = WeeklyWindows.of((w.days, w.start, w.end) for w in pack).spans
    wanted = WeeklyWindows.of((w.days, w.start, w.end) for w in own).spans
    return all(any(first <= begin and end <= last for first, last in allowed) for begin, end in wanted)


def _longest(text: str) -> str:
    """The text with the longest branch in place of each choice (``if``, ``unless``, ``case``), inner ones first."""

    def longest(choice: re.Match[str]) -> str:
        return max(_BRANCH.split(choice["branches"]), key=lambda branch: len(_plain(branch)))

    count = 1
    while count:
        text, count = _CHOICE.subn(longest, text)
    return text


def _plain(text: str) -> str:
    """What stands in a text whatever its variables come to."""
    return " ".join(_MARKUP.sub("", text).split())
