"""deploy/geopush.service: parsed, and held to the command and the settings it names."""

import configparser
import shlex
from pathlib import Path

import pytest

from gateway import cli
from gateway.settings import Settings

UNIT = Path(__file__).parents[2] / "deploy" / "geopush.service"


@pytest.fixture(scope="module")
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(UNIT.read_text())
    return parser


def test_the_unit_has_its_three_sections(unit: configparser.ConfigParser) -> None:
    assert unit.sections() == ["Unit", "Service", "Install"]


def test_the_unit_starts_the_gateway_with_options_that_exist(unit: configparser.ConfigParser) -> None:
    words = shlex.split(unit["Service"]["ExecStart"])
    assert words[1:3] == ["-m", "gateway"]
    options = cli._parser().parse_args(words[3:])
    assert str(options.data_dir) == f"/var/lib/{unit['Service']['StateDirectory']}"


def test_the_unit_does_not_run_as_root_and_gains_nothing(unit: configparser.ConfigParser) -> None:
    assert unit["Service"]["DynamicUser"] == "yes"
    assert unit["Service"]["NoNewPrivileges"] == "yes"
    assert unit["Service"]["CapabilityBoundingSet"] == ""


def test_stopping_waits_longer_than_the_gateway_takes_to_drain(unit: configparser.ConfigParser) -> None:
    assert float(unit["Service"]["TimeoutStopSec"]) > Settings().shutdown_grace_s
    assert unit["Service"]["KillSignal"] == "SIGTERM"
