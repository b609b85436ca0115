"""A catalog as a folder: what marketers keep under version control.

``geofences.geojson`` is a FeatureCollection, ``offers/`` holds one offer a file (YAML or JSON), ``policy.yaml`` the
brand's policy. Each part may be missing. YAML is read as JSON is: 12:00 stays a time, no stays a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from gateway.errors import InvalidDocument

GEOFENCES = "geofences.geojson"
OFFERS = "offers"
POLICY = "policy.yaml"
_SUFFIXES = (".yaml", ".yml", ".json")


class Folder(msgspec.Struct, frozen=True):
    """The documents of a folder: geofence features and offers by id, and the policy if there is one."""

    geofences: Mapping[str, dict[str, Any]] = {}
    offers: Mapping[str, dict[str, Any]] = {}
    policy: dict[str, Any] | None = None


def read_folder(path: Path) -> Folder:
    """Read a folder. Raises InvalidDocument that names the file, and OSError."""
    if not path.is_dir():
        raise InvalidDocument(f"{path} is not a folder")
    features: dict[str, dict[str, Any]] = {}
    if (path / GEOFENCES).exists():
        collection = _read(path / GEOFENCES)
        for place, feature in enumerate(collection.get("features", [])):
            identity = feature.get("id") if isinstance(feature, dict) else None
            if not isinstance(identity, str) or identity in features:
                raise InvalidDocument(f"{path / GEOFENCES}: feature {place} needs an id of its own, a text")
            features[identity] = feature
    offers: dict[str, dict[str, Any]] = {}
    for file in sorted((path / OFFERS).glob("*")) if (path / OFFERS).is_dir() else []:
        if file.suffix in _SUFFIXES:
            offer = _read(file)
            identity = offer.setdefault("id", file.stem)
            if identity in offers:
                raise InvalidDocument(f"{file}: the offer {identity!r} is in another file too")
            offers[identity] = offer
    return Folder(features, offers, _read(path / POLICY) if (path / POLICY).exists() else None)


def write_folder(path: Path, folder: Folder) -> None:
    """Write a folder so that ``read_folder`` gives the same; files of offers that are gone are removed."""
    (path / OFFERS).mkdir(parents=True, exist_ok=True)
    collection = {"type": "FeatureCollection", "features": [folder.geofences[k] for k in sorted(folder.geofences)]}
    encoded = msgspec.json.encode(collection)
    (path / GEOFENCES).write_bytes(encoded.replace(b'{"type":"Feature",', b'\n{"type":"Feature",') + b"\n")
    kept = {path / OFFERS / f"{_file_name(identity)}.yaml": offer for identity, offer in folder.offers.items()}
    for file in (path / OFFERS).glob("*"):
        if file.suffix in _SUFFIXES and file not in kept:
            file.unlink()
    for file, offer in kept.items():
        file.write_text(_yaml(offer), encoding="utf-8")
    if folder.policy is not None:
        (path / POLICY).write_text(_yaml(folder.policy), encoding="utf-8")


class _Loader(yaml.SafeLoader):
    """YAML with JSON's scalars: what looks like a time or a date stays text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9]\d*)", list("-0123456789")),
    ("float", r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def _read(file: Path) -> dict[str, Any]:
    text = file.read_text(encoding="utf-8")
    try:
        is_yaml = file.suffix in {".yaml", ".yml"}
        document = yaml.load(text, _Loader) if is_yaml else msgspec.json.decode(text)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, msgspec.DecodeError) as error:
        raise InvalidDocument(f"{file}: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise InvalidDocument(f"{file} must hold an object")
    return document


def _yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=100)


def _file_name(identity: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", identity)
