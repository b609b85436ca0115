"""What an offer means, checked when it is saved: everything that a schema cannot see.

Each check yields faults with their pointers; together with ``rules.strict`` they are every reason to refuse a
document, so that nothing that was saved can fail to compile later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from zoneinfo import ZoneInfo

from geofences.model import TransitionKind
from rules.audience import BUILT_IN_USER_FIELDS, VARIABLES, AudienceFault, audience
from rules.document import Experiment, MessageTemplate, Offer
from rules.hours import Exceptions, opening_hours
from rules.packs import PACKS
from rules.policy import BrandPolicy
from rules.schedule import WeeklyWindows, campaign_bound_ms, zone_named
from rules.strict import Fault, at, fault, nearest
from rules.template import TemplateFault, template

_Readable = Mapping[str, AbstractSet[str] | None]
CHANNELS = frozenset({"push", "apns", "fcm", "huawei", "rustore", "web_push", "webhook", "in_app"})


def faults(offer: Offer, policy: BrandPolicy) -> Iterator[Fault]:
    """Every fault of meaning in an offer of the right shape."""
    yield from _trigger_faults(offer)
    yield from _schedule_faults(offer)
    if offer.audience:
        try:
            audience(offer.audience, policy.attributes)
        except AudienceFault as error:
            for line, column, what in error.problems:
                yield fault("/audience", "invalid_audience", f"line {line}, column {column}: {what}")
    readable = _readable(offer, policy)
    yield from _messages_faults(offer.messages, "/messages", readable)
    if offer.default_locale and offer.default_locale not in offer.messages:
        yield fault("/default_locale", "unknown_locale", f"There is no message in {offer.default_locale!r}.")
    if offer.experiment:
        yield from _experiment_faults(offer.experiment, readable)
    if offer.pack and offer.pack not in PACKS:
        yield fault("/pack", "unknown_pack", f"There is no pack {offer.pack!r}; {nearest(offer.pack, PACKS)}")
    for i, channel in enumerate(offer.channels):
        if channel not in CHANNELS:
            detail = f"There is no channel {channel!r}; known: {', '.join(sorted(CHANNELS))}."
            yield fault(at("/channels", i), "unknown_channel", detail)


def _trigger_faults(offer: Offer) -> Iterator[Fault]:
    trigger = offer.trigger
    if not (offer.targets.geofences or offer.targets.tags or offer.targets.all):
        yield fault("/targets", "no_target", "Name geofences or tags, or set all to true.")
    needs = {TransitionKind.DWELL: "dwell_s", TransitionKind.NEARBY: "nearby_m"}
    for kind, name in needs.items():
        given = getattr(trigger, name)
        if trigger.type is kind and given is None:
            yield fault(at("/trigger", name), "missing_field", f"A {kind} trigger needs {name}.")
        if trigger.type is not kind and given is not None:
            yield fault(at("/trigger", name), "contradiction", f"{name} belongs to a {kind} trigger.")
    if trigger.within_days is not None and trigger.nth_visit is None:
        yield fault("/trigger/within_days", "contradiction", "within_days counts visits for nth_visit; set that too.")
    if trigger.delay_s and trigger.type is not TransitionKind.EXIT:
        yield fault("/trigger/delay_s", "contradiction", "Only an exit trigger can wait: others ask who is here now.")


def _experiment_faults(experiment: Experiment, readable: _Readable) -> Iterator[Fault]:
    names = [arm.name for arm in experiment.variants]
    for i, arm in enumerate(experiment.variants):
        if arm.name in names[:i]:
            yield fault(at("/experiment/variants", i, "name"), "duplicate", "Each variant needs its own name.")
        yield from _messages_faults(arm.messages, at("/experiment/variants", i, "messages"), readable)
    if names and not any(arm.weight for arm in experiment.variants):
        yield fault("/experiment/variants", "no_weight", "At least one variant needs a weight above 0.")


def _schedule_faults(offer: Offer) -> Iterator[Fault]:
    zone = zone_named("UTC")
    if offer.zone is not None:
        try:
            zone = zone_named(offer.zone)
        except ValueError as error:
            yield fault("/zone", "unknown_zone", f"{error}.")
    yield from _campaign_faults(offer, zone)
    windows = [(at("/weekly", i), w.start, w.end) for i, w in enumerate(offer.weekly)]
    if offer.quiet_hours is not None and offer.quiet_hours.enabled:
        windows.append(("/quiet_hours", offer.quiet_hours.start, offer.quiet_hours.end))
    for pointer, start, end in windows:
        try:
            WeeklyWindows.of([(("mon",), start, end)])
        except ValueError as error:
            yield fault(at(pointer, "end"), "empty_window", f"{error}.".capitalize())
    if offer.opening_hours not in ("store", "ignore"):
        try:
            opening_hours(offer.opening_hours, zone)
        except ValueError as error:
            yield fault("/opening_hours", "invalid_opening_hours", f"{error}")
    for i, exception in enumerate(offer.exceptions):
        try:
            Exceptions.of([(exception.date, exception.hours)])
        except ValueError as error:
            yield fault(at("/exceptions", i), "invalid_exception", f"{error}.")


def _campaign_faults(offer: Offer, zone: ZoneInfo) -> Iterator[Fault]:
    bounds: dict[str, int] = {}
    for name, text in (("start", offer.campaign.start), ("end", offer.campaign.end)):
        try:
            if text:
                bounds[name] = campaign_bound_ms(text, zone, is_end=name == "end")
        except ValueError as error:
            yield fault(at("/campaign", name), "invalid_date", f"{text!r}: {error}.")
    if len(bounds) == 2 and bounds["end"] <= bounds["start"]:
        yield fault("/campaign/end", "empty_window", "The campaign ends before it starts.")


def _readable(offer: Offer, policy: BrandPolicy) -> _Readable:
    """The variables that a message may read: each root with its members, None where any may be there."""
    fields = {"id", "name", "value", "left", "taken"} | ({"code"} if offer.code_pool else set())
    return {
        "user": {*policy.attributes, *BUILT_IN_USER_FIELDS} if policy.attributes else None,
        "offer": fields,
        "visit": {name.partition(".")[2] for name in VARIABLES if name.startswith("visit.")},
        "local": {"hour", "weekday"},
        "store": None,
        "events": None,
        "today": None,
        "now": None,
    }


def _messages_faults(messages: Mapping[str, MessageTemplate], pointer: str, readable: _Readable) -> Iterator[Fault]:
    for locale, message in messages.items():
        texts = [(name, getattr(message, name)) for name in ("title", "body", "image_url", "deep_link")]
        for i, button in enumerate(message.actions):
            texts += [(f"actions/{i}/title", button.title), (f"actions/{i}/link", button.link)]
        for name, text in texts:
            here = f"{at(pointer, locale)}/{name}"
            try:
                variables = template(text).variables()
            except TemplateFault as error:
                yield fault(here, "invalid_template", f"{error}")
                continue
            for path in sorted(variables):
                root, member, *_ = (*path.split("."), "")
                members = readable.get(root, frozenset())
                if root not in readable:
                    yield fault(here, "unknown_variable", f"There is no variable {root!r}; {nearest(root, readable)}")
                elif members is not None and member and member not in members:
                    detail = f"There is no {path!r} here; {nearest(member, members)}"
                    yield fault(here, "unknown_variable", detail)
