"""The documents name what the code has: fields, gates, variables, advice, packs, and all 111 points of practice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from rules import lint
from rules.audience import VARIABLES, audience
from rules.document import Button, MessageTemplate, Offer, Targets, Trigger
from rules.model import Gate
from rules.packs import PACKS
from rules.policy import BrandPolicy, Cooldowns

DOCS = Path(__file__).parents[2] / "docs"
OFFERS = (DOCS / "offers.md").read_text(encoding="utf-8")
PRACTICE = (DOCS / "practice.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (\w+) \| (.+) \|$", re.MULTILINE)
EXAMPLE = re.compile(r"\[([\w-]+)\]\(examples/([\w-]+)\.json\)")


@pytest.mark.parametrize("document", [Offer, Targets, Trigger, MessageTemplate, Button, Cooldowns, BrandPolicy])
def test_every_field_is_described(document: type[msgspec.Struct]) -> None:
    """Each field of each document stands in docs/offers.md by name."""
    fields = document.__struct_fields__
    assert [name for name in fields if not re.search(rf"\b{name}\b", OFFERS)] == []


def test_every_gate_variable_pack_and_piece_of_advice_is_described() -> None:
    """What a verdict, an expression or a warning may name is looked up in docs/offers.md."""
    advice = set(re.findall(r'Advice\([^"]*(?:"[^"]*", )?"(\w+)"', Path(lint.__file__).read_text(encoding="utf-8")))
    named = {*map(str, Gate), *VARIABLES, *PACKS, *advice, *get_args(str)} - {str(Gate.DELIVERY)}
    assert [name for name in sorted(named) if name not in OFFERS] == []
    assert len(advice) >= 10


def test_every_expression_shown_is_an_audience() -> None:
    """The expressions of docs/offers.md compile; what follows // is a word about them."""
    shown = re.search(r"```text\n(.+?)```", OFFERS, re.DOTALL)
    assert shown is not None
    for line in shown[1].splitlines():
        audience(line, {})


def test_every_point_of_retail_practice_is_answered_once() -> None:
    """111 points, each expressible, enforced, measured or elsewhere."""
    rows = ROW.findall(PRACTICE)
    assert [int(number) for number, *_ in rows] == list(range(1, 112))
    assert {answer for _, _, answer, _ in rows} == {"expressible", "enforced", "measured", "elsewhere"}
    counts = [sum(answer == kind for *_, answer, _ in rows) for kind in ("expressible", "enforced", "measured")]
    assert "{} are expressible, {} enforced, {} measured".format(*counts) in PRACTICE


def test_examples_and_points_name_each_other() -> None:
    """An example lists the points it answers, and those points link to it."""
    linked: dict[str, list[int]] = {}
    for number, _, _, how in ROW.findall(PRACTICE):
        for text, name in EXAMPLE.findall(how):
            assert text == name
            linked.setdefault(name, []).append(int(number))
    listed = {path.stem: json.loads(path.read_bytes())["practice"] for path in (DOCS / "examples").glob("*.json")}
    assert linked == listed
