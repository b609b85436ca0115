"""Which offers a transition wakes, after any sequence of edits."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.model import Geofence, Reason
from rules.document import Offer, Status
from rules.policy import DEFAULT_POLICY, parse_policy
from rules.rulebook import Rulebook
from tests.rules.shop import geofence, offer, transition

STORES = {name: geofence(name, tags) for name, tags in {"a": ("food",), "b": ("food", "books"), "c": ()}.items()}


def woken(rulebook: Rulebook, store: str, kind: str = "enter", **fields: Any) -> list[str]:
    return sorted(o.id for o in rulebook.wakes(transition(kind, geofence_id=store, **fields)))


def test_targets_are_the_union_of_ids_tags_and_everywhere() -> None:
    """Each offer is woken once where several of its targets meet."""
    rulebook = Rulebook.build(
        [
            offer(id="by-id", targets={"geofences": ["a", "c"]}),
            offer(id="by-tag", targets={"tags": ["food", "books"]}),
            offer(id="all", targets={"all": True, "geofences": ["a"]}),
            offer(id="both", targets={"geofences": ["b"], "tags": ["food"]}),
        ],
        STORES,
    )
    assert woken(rulebook, "a") == ["all", "both", "by-id", "by-tag"]
    assert woken(rulebook, "b") == ["all", "both", "by-tag"]
    assert woken(rulebook, "c") == ["all", "by-id"]
    assert woken(rulebook, "a", "exit") == []


def test_a_deleted_geofence_wakes_nothing() -> None:
    """The exit that a deletion causes produces no push."""
    rulebook = Rulebook.build([offer(trigger={"type": "exit"}, targets={"all": True})], STORES)
    assert woken(rulebook, "a", "exit") == ["sale"]
    assert woken(rulebook, "a", "exit", reason=Reason.FENCE_DELETED) == []


def test_the_engine_is_told_what_live_offers_wait_for() -> None:
    """Dwell thresholds, distances, visits and pass-bys, of live offers only."""
    rulebook = Rulebook.build(
        [
            offer(id="d1", trigger={"type": "dwell", "dwell_s": 300}, targets={"tags": ["food"]}),
            offer(id="d2", trigger={"type": "dwell", "dwell_s": 60}, targets={"all": True}),
            offer(id="d3", trigger={"type": "dwell", "dwell_s": 9}, targets={"all": True}, status="paused"),
            offer(id="n1", trigger={"type": "nearby", "nearby_m": 200}, targets={"geofences": ["a"]}),
            offer(id="p1", trigger={"type": "pass_by"}, targets={"geofences": ["b"]}),
        ],
        STORES,
    )
    assert rulebook.dwells_s("a") == (60, 300)
    assert rulebook.dwells_s("c") == (60,)
    assert (rulebook.nearby_m("a"), rulebook.nearby_m("b")) == ((200,), ())
    assert (rulebook.pass_by("a"), rulebook.pass_by("b")) == (False, True)
    assert rulebook.nearby_reach_m(STORES.values()) == {"a": 200}
    assert rulebook.passed_by(STORES.values()) == {"b"}
    assert rulebook.wants_visits is False
    assert rulebook.updated(put=[offer(id="v", trigger={"type": "visit"})]).wants_visits is True


def test_the_reach_around_every_geofence_is_the_farthest_that_is_asked_for() -> None:
    """By id, by tag and everywhere, live offers only; what nobody asks about is left out."""
    offers = [
        offer(id="all", trigger={"type": "nearby", "nearby_m": 50}, targets={"all": True}, status="draft"),
        offer(id="tag", trigger={"type": "nearby", "nearby_m": 300}, targets={"tags": ["books"]}),
        offer(id="id", trigger={"type": "nearby", "nearby_m": 100}, targets={"geofences": ["a", "b"]}),
    ]
    rulebook = Rulebook.build(offers, STORES)
    assert rulebook.nearby_reach_m(STORES.values()) == {"a": 100, "b": 300}
    assert rulebook.passed_by(STORES.values()) == frozenset()
    everywhere = rulebook.updated(put=[msgspec.structs.replace(offers[0], status=Status.ACTIVE)])
    assert everywhere.nearby_reach_m(STORES.values()) == {"a": 100, "b": 300, "c": 50}


def test_offers_that_show_live_counters_are_known() -> None:
    """Only their counters need be read."""
    counting = offer(id="c", stock=9, messages={"en": {"title": "Only {{ offer.left }} left", "body": "Come in."}})
    rulebook = Rulebook.build([offer(), counting], STORES)
    assert rulebook.counted() == ("c",)
    assert rulebook.updated(removed=["c"]).counted() == ()


def test_a_changed_policy_reaches_every_offer() -> None:
    """Limits are those of the policy that the rulebook was made under."""
    rulebook = Rulebook.build([offer()], STORES)
    stricter = rulebook.updated(policy=parse_policy({"min_gap_s": 60}))
    assert stricter.policy.min_gap_s == 60
    assert [o.policy.min_gap_s for o in stricter.wakes(transition(geofence_id="shop"))] == [60]


def test_an_edited_geofence_is_seen_anew() -> None:
    """What is known of a store follows its document."""
    rulebook = Rulebook.build([], STORES)
    before = rulebook.store("a")
    assert before is not None
    assert rulebook.store("a") is before
    moved = rulebook.updated(geofences={"a": geofence("a", time_zone="Europe/Lisbon")})
    after = moved.store("a")
    assert after is not None
    assert str(after.zone) == "Europe/Lisbon"
    assert moved.store("b") is None


targets = st.fixed_dictionaries(
    {},
    optional={
        "geofences": st.lists(st.sampled_from("abc"), max_size=3),
        "tags": st.lists(st.sampled_from(["food", "books"]), max_size=3),
        "all": st.booleans(),
    },
)
edits = st.lists(
    st.tuples(
        st.sampled_from("vwxyz"),
        st.one_of(
            st.none(), st.tuples(targets, st.sampled_from(["active", "paused"]), st.sampled_from(["enter", "visit"]))
        ),
    ),
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(edits)
def test_editing_and_building_anew_come_to_the_same(history: list[tuple[str, Any]]) -> None:
    """After any puts and removals the rulebook answers as one built from the offers that are left."""
    base = offer()
    rulebook, held = Rulebook.build([], STORES), dict[str, Offer]()
    for name, edit in history:
        if edit is None:
            rulebook = rulebook.updated(removed=[name])
            held.pop(name, None)
            continue
        where, status, kind = edit
        fields = {"id": name, "targets": where, "status": status, "trigger": {"type": kind}}
        held[name] = msgspec.convert({**msgspec.to_builtins(base), **fields}, Offer)
        rulebook = rulebook.updated(put=[held[name]])
    built = Rulebook.build(held.values(), STORES, DEFAULT_POLICY)
    assert len(rulebook) == len(built) == len(held)
    assert {o.id for o in rulebook} == held.keys()
    assert rulebook.wants_visits == built.wants_visits
    for store in STORES:
        for kind in ("enter", "visit"):
            assert woken(rulebook, store, kind) == woken(built, store, kind)
            happened = transition(kind, geofence_id=store)
            asleep = [sorted(o.id for o in r.wakes(happened, sleeping=True)) for r in (rulebook, built)]
            assert asleep[0] == asleep[1]


def test_a_geofence_by_any_mapping_will_do() -> None:
    """A dict and the engine's index both answer get(id)."""
    place: Geofence = geofence()
    assert Rulebook.build([offer()], {"shop": place}).store("shop") is not None
