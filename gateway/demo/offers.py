"""The demo's documents: twelve offers of a Helsinki city centre, the brand's policy, and the stores they target."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.demo.streets import read_features

DATA = Path(__file__).with_name("data")
ZONE = "Europe/Helsinki"

POLICY: dict[str, Any] = {"quiet_hours": {"enabled": False}, "attributes": {"member": "bool"}}
"""The defaults of every brand but for quiet hours, which would leave a demo in the evening without a push."""

_VAGUE = ("yes", "unknown")
"""Kinds by which no store can be called where the map has no name for it."""


def offers(at_ms: int) -> list[dict[str, Any]]:
    """The sample offers, active; the two-day sale is today and tomorrow on Helsinki's clock at ``at_ms``."""
    today = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(ZONE)).date()
    sale = {"start": today.isoformat(), "end": (today + timedelta(days=1)).isoformat()}
    documents: list[dict[str, Any]] = json.loads((DATA / "offers.json").read_text(encoding="utf-8"))
    for document in documents:
        document |= {"status": "active", "zone": ZONE, "default_locale": "en"}
        if document["id"] == "bookshop-sale":
            document["campaign"] = sale
    return documents


def stores() -> dict[str, Any]:
    """The city's stores as a FeatureCollection, tagged with their kind of shop as OpenStreetMap names it."""
    features = read_features(DATA / "stores.geojson.gz")
    for feature in features:
        tagged = feature["properties"]
        kind = tagged["shop"] or tagged["amenity"] or tagged["category"]
        name = tagged["name"] or ("Shop" if kind in _VAGUE else kind.replace("_", " ").capitalize())
        feature["properties"] = {"name": name, "tags": [kind]}
        if tagged["opening_hours"]:
            feature["properties"]["opening_hours"] = tagged["opening_hours"]
    return {"type": "FeatureCollection", "features": features}
