"""An offer's life: versions count up, what ended stays ended."""

from __future__ import annotations

import msgspec
import pytest

from rules.document import Status
from rules.lifecycle import FOLLOWS, succeed
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
