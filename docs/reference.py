"""Writes what the code knows best (``make docs``): the reference, the example settings, who may do what.

Settings, metrics, error codes and permissions are read from where they are declared; tests/test_docs.py holds every
file to it.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway import cli, errors, ingest, ops
from gateway.metrics import Metrics
from gateway.settings import ENVIRONMENT_PREFIX, Settings
from gateway.web.permissions import ADMIN, MEANING, ROLES, SCOPES

TREE = Path(__file__).parents[1]


def example_settings() -> str:
    """Every setting as a comment with its sentence, unit in its name, and its default."""
    lines = [
        "# Settings of geopush, each with its default:  geopush serve --settings FILE",
        f"# The environment ({ENVIRONMENT_PREFIX} and the name in capitals) and the command line are stronger.",
        "# An unknown name is refused at start.",
    ]
    for field in dataclasses.fields(Settings):
        value = '""' if field.default is None else _toml(field.default)
        lines += ["", f"# {field.metadata['doc']}", f"# {field.name} = {value}"]
    return "\n".join(lines) + "\n"


def reference() -> str:
    """The reference as Markdown: commands, settings, metrics, errors."""
    return "\n".join([*_commands(), *_settings(), *_metrics(), *_errors()]) + "\n"


def _commands() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Written by `make docs` from the code; do not edit it."
    yield ""
    yield "## Commands"
    yield ""
    (commands,) = (action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction))
    for choice in commands._choices_actions:
        yield f"- `geopush {choice.dest}`: {choice.help}"
        for option in commands.choices[choice.dest]._actions:
            if option.option_strings and not isinstance(option, argparse._HelpAction):
                yield f"  - `{' '.join(option.option_strings)}`: {option.help}"
    yield ""
    yield "Commands without options here tell theirs with `--help`."
    yield ""


def _settings() -> Iterator[str]:
    yield "## Settings"
    yield ""
    yield f"Strongest first: command line, environment (`{ENVIRONMENT_PREFIX}` and the name in capitals), a TOML file"
    yield "(`--settings FILE`), the default. Units are in the names."
    yield ""
    yield "| setting | default | what it is for |"
    yield "|---|---|---|"
    for field in dataclasses.fields(Settings):
        default = "" if field.default in {None, ""} else f"`{_toml(field.default)}`"
        yield f"| `{field.name}` | {default} | {field.metadata['doc']} |"
    yield ""


def _metrics() -> Iterator[str]:
    yield "## Metrics"
    yield ""
    yield "At `/metrics` in Prometheus' text format."
    yield ""
    yield "| metric | type | what it counts |"
    yield "|---|---|---|"
    for metric in Metrics().registry.collect():
        name = metric.name + ("_total" if metric.type == "counter" else "")
        yield f"| `{name}` | {metric.type} | {metric.documentation} |"
    yield ""


def _errors() -> Iterator[str]:
    yield "## Errors"
    yield ""
    yield "Every error answer is a problem document (RFC 9457) with one of these codes and a `detail` that says what"
    yield "to do."
    yield ""
    yield "| code | status | when |"
    yield "|---|---|---|"
    for error in sorted(_tree(errors.GeopushError), key=lambda e: (e.status, e.code)):
        sentence = (inspect.getdoc(error) or "").split("\n\n")[0].replace("\n", " ")
        yield f"| `{error.code}` | {error.status} | {sentence} |"


def _tree(error: type[errors.GeopushError]) -> Iterator[type[errors.GeopushError]]:
    for child in error.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from _tree(child)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return f'"{value}"'


BELOW = "do not edit below this line.\n"
"""What ends the part of docs/roles.md that people write."""


def roles() -> str:
    """docs/roles.md with its tables anew: which role and scope has which permission, and what each opens."""
    written, line, _ = (TREE / "docs" / "roles.md").read_text(encoding="utf-8").partition(BELOW)
    return written + line + "\n".join(["", *_permissions(), "", *_operations()]) + "\n"


def _permissions() -> Iterator[str]:
    sets = [*ROLES.items(), *((name, held) for name, held in SCOPES.items() if name != ADMIN)]
    yield f"| permission | to | {' | '.join(f'`{name}`' for name, _ in sets)} |"
    yield f"|---|---|{':-:|' * len(sets)}"
    for permission, meaning in MEANING.items():
        yield f"| `{permission}` | {meaning} | {' | '.join('●' if permission in held else '' for _, held in sets)} |"
    yield ""
    yield f"The roles come first, then the scopes {', '.join(f'`{name}`' for name in SCOPES if name != ADMIN)}; the"
    yield f"scope `{ADMIN}` has what the role has."


def _operations() -> Iterator[str]:
    served = sorted([*ingest.OPERATIONS, *ops.OPERATIONS], key=lambda op: (op.path, op.method))
    yield "| operation | needs |"
    yield "|---|---|"
    for op in served:
        yield f"| `{op.method} {op.path}` | {'no key' if op.needs is None else f'`{op.needs}`'} |"


OUTPUTS = {
    "docs/reference.md": reference,
    "deploy/settings.example.toml": example_settings,
    "docs/roles.md": roles,
}
"""Each file by its path from the top folder, and what writes it."""


def main() -> None:
    """Write them all."""
    for path, write in OUTPUTS.items():
        (TREE / path).write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main()
