"""What the demo says on a terminal: the addresses, a live line, and each push as it would look on a phone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from gateway.demo.tally import CHANNELS, Tally

PHONES = {"apns": "iPhone · APNs", "fcm": "Android · FCM"}
PHONE_WIDTH = 58
"""About what a lock screen shows of a line and a half."""


class Narrator:
    """Prints to ``console``; on a terminal the live line stays at the bottom, elsewhere it is printed when asked."""

    def __init__(self, console: Console, tally: Tally) -> None:
        """``tally`` is read whenever the line is drawn."""
        self._console = console
        self._tally = tally
        self._live = Live(console=console, get_renderable=self.line, refresh_per_second=4, transient=True)

    def opening(self, url: str, admin_key: str, announcement: str, stores: int, offers: int, shoppers: int) -> None:
        """Where everything is, and what in the demo is not as it would be in earnest."""
        say = self._console.print
        say(announcement.rstrip(), soft_wrap=True, markup=False, highlight=False)
        say(f"  live map  [bold]{url}/console/#key={admin_key}[/bold]", soft_wrap=True, highlight=False)
        say(f"  admin key {admin_key}", highlight=False)
        say(
            f"{stores} real stores of Helsinki, {offers} sample offers, {shoppers} simulated shoppers. They walk three "
            "times as fast as people, hurry through the shops and open many of their pushes, and quiet hours are off, "
            "so that there is something to see at any time; everything else is the gateway as it ships. Pushes go to a "
            "local sandbox that speaks APNs and FCM.",
            highlight=False,
        )
        say("© OpenStreetMap contributors, ODbL 1.0", style="dim", highlight=False)

    @contextlib.contextmanager
    def narrating(self) -> Iterator[None]:
        """Keep the live line drawn, where there is a terminal to draw it on."""
        if self._console.is_terminal:
            with self._live:
                yield
        else:
            yield

    def tell_line(self) -> None:
        """Print the live line where it cannot be drawn in place."""
        if not self._console.is_terminal:
            self._console.print(self.line())

    def push(self, event: Mapping[str, Any]) -> None:
        """One accepted push as the phone shows it."""
        self._console.print(
            Panel(
                Text(event["body"]),
                title=Text(event["title"], style="bold"),
                title_align="left",
                subtitle=f"{PHONES[event['provider']]} · {event['ping_to_accepted_ms']:.0f} ms after the ping",
                subtitle_align="right",
                box=box.ROUNDED,
                width=PHONE_WIDTH,
            )
        )

    def line(self) -> Text:
        """Pings per second, users present, decisions, pushes by channel, refusals by reason."""
        tally = self._tally
        pushes = " ".join(f"{channel} {tally.accepted[channel]}" for channel in CHANNELS)
        refused = " ".join(f"{gate} {count}" for gate, count in tally.refused.most_common()) or "none"
        return Text(
            f"{tally.pings_per_s:.0f} pings/s · {tally.users_present} users present · {tally.decisions} decisions · "
            f"pushes {pushes} · refused {refused}"
        )
