"""What the demo prints: lines a person can read, and pushes that look like pushes."""

import io

import pytest
from rich.console import Console

from gateway.demo.narrator import PHONE_WIDTH, Narrator
from gateway.demo.tally import Tally

PUSH = {
    "title": "Two days only: paperbacks 3 for 2",
    "body": "Browse at Akateeminen and take the third paperback home for free.",
    "provider": "fcm",
    "ping_to_accepted_ms": 12.4,
}


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def narrator(screen: io.StringIO) -> Narrator:
    tally = Tally(pings_per_s=199.6, users_present=41, decisions=90)
    tally.accepted.update(apns=12, fcm=9)
    tally.refused.update(claim=50, consent=7)
    return Narrator(Console(file=screen, width=160), tally)


def test_the_live_line_has_rate_presence_decisions_pushes_and_refusals(narrator: Narrator, screen: io.StringIO) -> None:
    narrator.tell_line()
    assert screen.getvalue() == (
        "200 pings/s · 41 users present · 90 decisions · pushes apns 12 fcm 9 · refused claim 50 consent 7\n"
    )


def test_a_push_is_a_card_with_title_body_phone_and_delay(narrator: Narrator, screen: io.StringIO) -> None:
    narrator.push(PUSH)
    lines = screen.getvalue().splitlines()
    assert lines[0].startswith("╭─ Two days only: paperbacks 3 for 2 ─")
    assert "Browse at Akateeminen and take the third paperback" in lines[1]
    assert "Android · FCM · 12 ms after the ping" in lines[-1]
    assert {len(line) for line in lines} == {PHONE_WIDTH}


def test_markup_in_an_offers_text_is_shown_and_not_obeyed(narrator: Narrator, screen: io.StringIO) -> None:
    narrator.push(PUSH | {"title": "[red]Sale[/red]", "body": "[bold]now"})
    assert "[red]Sale[/red]" in screen.getvalue()
    assert "[bold]now" in screen.getvalue()
