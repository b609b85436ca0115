"""An offer's life: versions count up, what ended stays ended, an approval holds for what was approved."""

from __future__ import annotations

import msgspec
import pytest

from rules.document import Offer, Status
from rules.lifecycle import FOLLOWS, approve, is_same, reject, submit, succeed
from rules.strict import DocumentErrors
from tests.rules.shop import offer


@pytest.mark.parametrize("before", Status)
@pytest.mark.parametrize("after", Status)
def test_a_status_follows_the_table(before: Status, after: Status) -> None:
    """Active and paused alternate; nothing sent becomes a draft; nothing ended comes back."""
    old, new = offer(status=str(before)), offer(status=str(after))
    if after in FOLLOWS[before]:
        assert succeed(old, new, 5, "ann").version == old.version + 1
    else:
        with pytest.raises(DocumentErrors) as refused:
            succeed(old, new, 5, "ann")
        assert refused.value.errors[0]["pointer"] == "/status"


def test_a_new_version_keeps_its_age_and_names_its_author() -> None:
    """The first save gives the age that breaks ties in arbitration; each save says whose it is."""
    first = succeed(None, offer(version=9, created_at_ms=9), 5, "ann")
    assert (first.version, first.created_at_ms, first.author) == (1, 5, "ann")
    second = succeed(first, msgspec.structs.replace(first, name="New"), 7, "bob")
    assert (second.version, second.created_at_ms, second.author) == (2, 5, "bob")


ANN, BOB = "key-ann", "key-bob"


def saved(before: Offer | None, status: str, author: str = "ann", **changes: object) -> Offer:
    """What the next save makes, with the same content unless ``changes`` say otherwise."""
    wanted = msgspec.structs.replace(before or offer(), status=Status(status), **changes)
    return succeed(before, wanted, 5, author)


def submitted(before: Offer | None = None, **changes: object) -> Offer:
    return submit(before, saved(before, "active", **changes), 6, ANN, 70_000)


def approved(before: Offer | None = None) -> Offer:
    waiting = submitted(before)
    assert waiting.review is not None
    return approve(waiting, waiting.review, 7, "bob")


def test_what_is_submitted_is_not_live_and_says_who_submitted_it_and_why() -> None:
    waiting = submitted()
    assert (waiting.status, waiting.is_live, waiting.is_approved) == (Status.SUBMITTED, False, False)
    assert waiting.review is not None
    assert (waiting.review.submitted_by, waiting.review.submitted_key, waiting.review.reach) == ("ann", ANN, 70_000)


def test_an_approval_makes_it_live_and_names_who_gave_it() -> None:
    live = approved()
    assert (live.is_live, live.is_approved, live.version) == (True, True, 2)
    assert live.review is not None
    assert (live.review.submitted_by, live.review.decided_by, live.review.decided_at_ms) == ("ann", "bob", 7)


@pytest.mark.parametrize("way", [["active"], ["paused"], ["paused", "active"], ["ended"]])
def test_an_approval_stays_while_the_content_does(way: list[str]) -> None:
    now = approved()
    for status in way:
        now = saved(now, status)
    assert now.is_approved


@pytest.mark.parametrize("change", [{"name": "Other"}, {"priority": 9}, {"audience": "user.is_new"}])
def test_any_other_content_has_no_approval(change: dict[str, object]) -> None:
    edited = saved(approved(), "active", **change)
    assert not is_same(approved(), edited)
    assert edited.review is None


def test_a_client_cannot_approve_by_writing_that_it_was_approved() -> None:
    assert saved(None, "active", review=approved().review).review is None
    assert not saved(submitted(), "active", review=approved().review).is_approved


def test_a_rejected_draft_is_a_draft_again_with_the_reason_until_it_is_edited() -> None:
    waiting = submitted()
    assert waiting.review is not None
    back = reject(waiting, waiting.review, 8, "bob", "Too loud.")
    assert back.status is Status.DRAFT
    assert back.review is not None
    assert (back.review.verdict, back.review.reason, back.review.decided_by) == ("rejected", "Too loud.", "bob")
    assert saved(back, "draft").review == back.review
    assert saved(back, "draft", name="Quiet").review is None
    again = submit(back, saved(back, "active"), 9, ANN)
    assert again.review is not None
    assert (again.review.verdict, again.review.reason) == ("waiting", "")


def test_what_was_live_is_paused_by_a_rejection_and_never_a_draft_again() -> None:
    waiting = submitted(approved(), name="Louder")
    assert waiting.review is not None
    assert waiting.review.was_live
    assert reject(waiting, waiting.review, 8, "bob", "No.").status is Status.PAUSED
    edited = submit(waiting, saved(waiting, "submitted", name="Louder still"), 9, ANN)
    assert edited.review is not None
    assert edited.review.was_live
    with pytest.raises(DocumentErrors):
        saved(waiting, "draft")
    assert saved(waiting, "paused").review is None


def test_a_draft_is_withdrawn_as_a_draft() -> None:
    assert saved(submitted(), "draft").review is None
    with pytest.raises(DocumentErrors):
        saved(submitted(), "paused")


def test_saving_again_what_waits_leaves_it_waiting_under_whoever_saved_it() -> None:
    """Another key that saves it becomes its submitter: nobody approves what he has just saved himself."""
    waiting = submitted()
    same = submit(waiting, saved(waiting, "submitted"), 9, ANN)
    assert same.review == waiting.review
    taken = submit(waiting, saved(waiting, "submitted", "bob"), 9, BOB)
    assert taken.review is not None
    assert (taken.review.submitted_by, taken.review.submitted_key) == ("bob", BOB)
