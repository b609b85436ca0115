"""The bytes that existing clients send, as their documentation and sources show them, and the replies they need."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.secret import SecretBox

from gateway.ingest.clients import CLIENTS
from gateway.ingest.clients.calls import Call, NearbyStore, Report, Source
from gateway.ingest.clients.field_map import FieldMap
from gateway.ingest.clients.owntracks import padded_key
from geofences.model import Ping

NOW_MS = 1_767_225_600_000
STORE = NearbyStore("s1", "Store 1", 60.17, 24.94, 80.0)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def read(
    kind: str, body: Any = b"", content_type: str = JSON, query: dict[str, str] | None = None, **facts: Any
) -> Report:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = Call(query=query or {}, content_type=content_type, body=raw, received_at_ms=NOW_MS)
    return CLIENTS[kind].read(call, Source(id="s", kind=kind, **facts))


def only(report: Report) -> Ping:
    assert not report.set_aside, report.set_aside
    (ping,) = report.pings
    return ping


NOTHING = Report()


def reply(kind: str, report: Report = NOTHING, *nearby: NearbyStore) -> Any:
    answer = CLIENTS[kind].reply(report, nearby)
    assert answer.status == 200
    return json.loads(answer.body) if answer.body else None


# --- OwnTracks

OWNTRACKS = (
    b'{"_type":"location","lat":48.856826,"lon":2.292713,"tst":1707057574,"acc":12,"alt":35,"vel":4,"cog":270,"batt":81,'
    b'"bs":1,"t":"u","tid":"JJ","conn":"m","m":2,"inregions":["Home"],"topic":"owntracks/jane/phone",'
    b'"created_at":1707057580,"_id":"a1b2c3d4"}'
)


def test_owntracks_speed_is_in_kilometres_an_hour_and_time_in_seconds() -> None:
    ping = only(read("owntracks", OWNTRACKS, user_id="jane"))
    assert (ping.user_id, ping.at_ms, ping.lat, ping.lng) == ("jane", 1_707_057_574_000, 48.856826, 2.292713)
    assert ping.speed_mps == pytest.approx(1.111, abs=0.001)
    assert (ping.accuracy_m, ping.heading_deg, ping.source) == (12, 270, "owntracks")


def test_an_owntracks_transition_is_a_fix() -> None:
    event = {"_type": "transition", "event": "enter", "desc": "Store 1", "lat": 60.1, "lon": 24.9, "acc": 20}
    assert only(read("owntracks", event | {"tst": 1707057574, "wtst": 1610104395}, user_id="j")).lat == 60.1


@pytest.mark.parametrize("kind", ["lwt", "status", "waypoint", "waypoints", "steps", "card", "cmd", "request", "new"])
def test_other_owntracks_messages_are_acknowledged_and_ignored(kind: str) -> None:
    report = read("owntracks", {"_type": kind}, user_id="j")
    assert (report.pings, report.set_aside) == ([], [])
    assert reply("owntracks", report) == []


def test_an_empty_owntracks_body_is_a_deleted_friend() -> None:
    assert read("owntracks", b"", user_id="j") == Report()


def test_encrypted_owntracks_messages_are_opened_with_the_sources_key() -> None:
    sealed = bytes(SecretBox(padded_key("secret")).encrypt(OWNTRACKS))
    message = {"_type": "encrypted", "data": base64.b64encode(sealed).decode()}
    assert only(read("owntracks", message, user_id="jane", encryption_key="secret")).lat == 48.856826
    for key in ("other", None):
        (refused,) = read("owntracks", message, user_id="jane", encryption_key=key).set_aside
        assert refused.code == "encrypted"


def test_owntracks_is_told_which_circles_to_watch() -> None:
    (command,) = reply("owntracks", Report(), STORE)
    assert (command["_type"], command["action"]) == ("cmd", "setWaypoints")
    (waypoint,) = command["waypoints"]["waypoints"]
    assert waypoint == {
        "_type": "waypoint", "desc": "Store 1", "lat": 60.17, "lon": 24.94, "rad": 80,
        "tst": 1_000_000_000, "rid": "geopush-0",
    }  # fmt: skip


def test_owntracks_circles_keep_their_places_so_that_a_phone_never_gathers_more() -> None:
    """Both apps keep what is not named again; and iOS reads what follows a colon as a beacon."""
    other = NearbyStore("s2", "Store 2: the big one", 60.2, 24.9, 50.0)
    (first,), (second,) = reply("owntracks", NOTHING, STORE, other), reply("owntracks", NOTHING, other, STORE)
    places = [[(w["tst"], w["rid"]) for w in c["waypoints"]["waypoints"]] for c in (first, second)]
    assert places[0] == places[1] == [(1_000_000_000, "geopush-0"), (1_000_000_001, "geopush-1")]
    assert second["waypoints"]["waypoints"][0]["desc"] == "Store 2  the big one"


def test_overlands_owntracks_mode_counts_from_2001_and_gets_its_object() -> None:
    message = {"_type": "location", "lat": 60.1, "lon": 24.9, "tst": 788_918_400, "acc": 5}
    report = read("owntracks", message, user_id="j")
    assert only(report).at_ms == (788_918_400 + 978_307_200) * 1000
    assert reply("owntracks", report, STORE) == {"result": "ok"}


# --- Overland

LOCATION = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [-122.030581, 37.331800]},
    "properties": {
        "timestamp": "2015-10-01T08:00:00Z", "altitude": 0, "speed": 4, "course": 90, "horizontal_accuracy": 30,
        "vertical_accuracy": -1, "speed_accuracy": -1, "motion": ["driving", "stationary"],
        "battery_state": "charging", "battery_level": 0.80, "device_id": "phone-1", "wifi": "",
    },
}  # fmt: skip


def test_an_overland_batch_is_read_with_its_current_fix() -> None:
    newest = json.loads(json.dumps(LOCATION))
    newest["properties"] |= {"timestamp": "2015-10-01T09:00:00Z", "speed": -1, "course": -1}
    visit = {"type": "Feature", "geometry": LOCATION["geometry"], "properties": {"action": "visit"}}
    report = read("overland", {"locations": [LOCATION, visit], "current": newest, "trip": {"distance": 5}})
    first, second = report.pings
    assert (first.user_id, first.lat, first.lng, first.at_ms) == ("phone-1", 37.3318, -122.030581, 1_443_686_400_000)
    assert (first.speed_mps, first.heading_deg, first.accuracy_m) == (4, 90, 30)
    assert (second.at_ms, second.speed_mps, second.heading_deg) == (1_443_690_000_000, None, None)
    assert report.set_aside == []
    assert reply("overland", report) == {"result": "ok"}


def test_an_overland_phone_without_a_name_goes_by_its_unique_id() -> None:
    """Which the set-up link of a fleet switches on: the device's own name is empty until somebody enters one."""
    feature = {"geometry": {"coordinates": [24.9, 60.1]}, "properties": {"timestamp": "2024-02-04T14:39:34Z"}}
    properties = feature["properties"] | {"device_id": "", "unique_id": "5E1D-22"}
    assert only(read("overland", {"locations": [feature | {"properties": properties}]})).user_id == "5E1D-22"


def test_a_bare_array_is_a_batch_and_a_current_that_repeats_its_last_is_one_fix() -> None:
    assert len(read("overland", [LOCATION]).pings) == 1
    assert len(read("overland", {"locations": [LOCATION], "current": LOCATION}).pings) == 1


# --- Traccar, OsmAnd


def test_the_old_traccar_app_sends_a_query_in_knots_and_accuracy_0_means_unknown() -> None:
    query = {
        "id": "123456", "timestamp": "1707057574", "lat": "60.0", "lon": "30.0", "speed": "10.0", "bearing": "0.0",
        "altitude": "0.0", "accuracy": "0.0", "batt": "87.0", "mock": "true",
    }  # fmt: skip
    ping = only(read("traccar", query=query))
    assert (ping.user_id, ping.at_ms, ping.mock, ping.accuracy_m) == ("123456", 1_707_057_574_000, True, None)
    assert ping.speed_mps == pytest.approx(5.144, abs=0.001)


def test_the_traccar_9_app_sends_json_in_metres_a_second() -> None:
    body = (
        b'{"location":{"timestamp":"2025-06-15T13:45:12.862Z","coords":{"latitude":37.42,"longitude":-122.08,'
        b'"accuracy":5,"speed":2,"heading":-1,"altitude":5},"is_moving":false,"odometer":0,"event":"motionchange",'
        b'"battery":{"level":1,"is_charging":false},"activity":{"type":"still"},"extras":{},'
        b'"_":"&id=48241179&lat=37.42&lon=-122.08&timestamp=2025-06-15T13:45:12.862Z&"},"device_id":"48241179"}'
    )
    ping = only(read("traccar", body))
    assert (ping.user_id, ping.at_ms, ping.speed_mps) == ("48241179", 1_749_995_112_862, 2)
    assert ping.heading_deg is None


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"id=7&lat=60.1&lon=24.9&timestamp=1707057574&accuracy=9&speed=2&bearing=10&batt=5&charge=true", FORM),
        (
            [{"id": 7, "lat": 60.1, "lon": 24.9, "timestamp": 1707057574, "accuracy": 9, "speed": 2, "bearing": 10}],
            JSON,
        ),
        (b"deviceid=7&location=60.1,24.9&timestamp=1707057574000&accuracy=9&speed=2&heading=10", FORM),
        (b"id=7&lat=60.1&lon=24.9&timestamp=2024-02-04%2014:39:34&accuracy=9&speed=2&heading=10", FORM),
    ],
)
def test_traccar_forms_and_flat_json_are_the_same(body: Any, content_type: str) -> None:
    ping = only(read("traccar", body, content_type))
    assert (ping.user_id, ping.lat, ping.lng, ping.at_ms) == ("7", 60.1, 24.9, 1_707_057_574_000)
    assert ping.speed_mps == pytest.approx(1.029, abs=0.001)
    assert ping.heading_deg == 10


@pytest.mark.parametrize("body", [b"id=48241179&notificationToken=abc", b"id=7&timestamp=1707057574&batt=5"])
def test_traccar_tokens_and_heartbeats_are_no_fault(body: bytes) -> None:
    report = read("traccar", body, FORM)
    assert (report.pings, report.set_aside) == ([], [])
    assert reply("traccar", report) is None


# --- Transistor

RECORD = {
    "coords": {
        "latitude": 45.519264,
        "longitude": -73.616931,
        "accuracy": 5,
        "speed": 1.2,
        "heading": 90,
        "altitude": 30,
    },
    "timestamp": "2015-05-05T04:31:54.123Z",
    "uuid": "70727f8b",
    "event": "motionchange",
    "is_moving": True,
    "odometer": 120.5,
    "activity": {"type": "still", "confidence": 100},
    "extras": {},
}


@pytest.mark.parametrize(
    "body",
    [
        {"location": RECORD, "user_id": 1234},
        {"location": [RECORD], "user_id": 1234},
        {"data": [RECORD], "user_id": "1234"},
        RECORD | {"user_id": 1234},
        [RECORD | {"user_id": 1234}],
        {"location": RECORD | {"extras": {"user_id": 1234}}, "device_id": "x"},
    ],
)
def test_transistor_records_are_found_wherever_the_app_puts_them(body: Any) -> None:
    ping = only(read("transistor", body))
    assert (ping.user_id, ping.lat, ping.lng, ping.at_ms) == ("1234", 45.519264, -73.616931, 1_430_800_314_123)
    assert (ping.speed_mps, ping.heading_deg, ping.accuracy_m) == (1.2, 90, 5)


def test_transistor_samples_are_dropped_and_mocks_marked() -> None:
    batch = {"location": [RECORD | {"sample": True}, RECORD | {"mock": True}], "user_id": 1}
    assert only(read("transistor", batch)).mock is True


def test_transistor_is_told_which_circles_to_watch_none_smaller_than_it_can() -> None:
    assert reply("transistor") == {}
    (command,) = reply("transistor", Report(), STORE)["background_geolocation"]
    assert command[0] == "addGeofences"
    assert (command[1][0]["identifier"], command[1][0]["radius"]) == ("s1", 200)


# --- field maps


def test_gpslogger_sends_its_default_url_its_all_and_its_csv() -> None:
    default = only(
        read(
            "gpslogger",
            query={"lat": "60.1", "longitude": "24.9", "time": "2024-02-04T14:39:34.000Z", "s": "1.5"},
            user_id="j",
        )
    )
    assert (default.lat, default.lng, default.at_ms, default.speed_mps) == (60.1, 24.9, 1_707_057_574_000, 1.5)
    everything = only(
        read(
            "gpslogger",
            b"lat=60.1&lon=24.9&sat=7&desc=&alt=9&acc=8&dir=45&prov=gps&spd_kph=5.4&spd=1.5&timestamp=1707057574"
            b"&timeoffset=2024-02-04T16:39:34.000%2B02:00&time=2024-02-04T14:39:34.000Z&batt=50&aid=and1",
            FORM,
        )
    )
    assert (everything.user_id, everything.accuracy_m, everything.heading_deg) == ("and1", 8, 45)
    csv = b"time,lat,lon,elevation,accuracy,bearing,speed\n2024-02-04T14:39:34Z,60.1,24.9,9,8,45,1.5\n"
    assert only(read("gpslogger", csv, "text/csv", user_id="j")) == msgspec_replace(everything, user_id="j")


def msgspec_replace(ping: Ping, **changes: Any) -> Ping:
    return Ping(**({name: getattr(ping, name) for name in ping.__struct_fields__} | changes))


def test_mauron85_colota_and_home_assistant_are_maps() -> None:
    mauron = [
        {"provider": "gps", "time": 1707057574000, "latitude": 60.1, "longitude": 24.9, "accuracy": 9, "speed": 1}
    ]
    assert only(read("mauron85", mauron, user_id="j")).at_ms == 1_707_057_574_000
    colota = {
        "lat": 60.1,
        "lon": 24.9,
        "acc": 9,
        "alt": 1,
        "vel": 1.5,
        "batt": 5,
        "bs": 1,
        "tst": 1707057574,
        "bear": 7,
    }
    assert only(read("colota", colota, user_id="j")).speed_mps == 1.5
    home = {
        "device_id": "phone", "timestamp": "2024-02-04T14:39:34+00:00", "battery": {"level": 5},
        "location": {"latitude": 60.1, "longitude": 24.9, "accuracy": 9, "altitude": 1, "speed": 1},
    }  # fmt: skip
    assert only(read("homeassistant", home)).user_id == "phone"


def test_a_source_may_bring_its_own_map() -> None:
    fields = FieldMap(
        user_id=("/who/id",), ts=("t",), lat=("/p/0",), lon=("/p/1",), speed=("v",), speed_unit="mph", rows="/points",
        reply='{"ok":true}',
    )  # fmt: skip
    document = {"points": [{"who": {"id": "u"}, "t": 1707057574, "p": [60.1, 24.9], "v": 10}]}
    report = read("custom", document, fields=fields)
    assert only(report).speed_mps == pytest.approx(4.4704)
    assert reply("custom", report) == {"ok": True}


def test_a_traccar_server_in_front_is_a_map_over_its_forwarded_positions() -> None:
    """The map that docs/clients.md gives."""
    fields = FieldMap(
        user_id=("/device/uniqueId",), ts=("/position/fixTime",), lat=("/position/latitude",),
        lon=("/position/longitude",), accuracy=("/position/accuracy",), speed=("/position/speed",),
        speed_unit="knots", heading=("/position/course",),
    )  # fmt: skip
    position = {
        "id": 0, "deviceId": 1, "protocol": "osmand", "fixTime": "2024-02-04T14:39:34.000+00:00", "valid": True,
        "latitude": 60.1, "longitude": 24.9, "altitude": 3.0, "speed": 10.0, "course": 90.0, "accuracy": 0.0,
    }  # fmt: skip
    ping = only(read("custom", {"position": position, "device": {"uniqueId": "867"}}, fields=fields))
    assert (ping.user_id, ping.at_ms, ping.accuracy_m) == ("867", 1_707_057_574_000, None)
    assert ping.speed_mps == pytest.approx(5.14444)


# --- what no client may do


@pytest.mark.parametrize("kind", list(CLIENTS))
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"location": 5}', b'[[[{"coords":1}]]]'],
)
def test_poison_is_set_aside_and_never_raises(kind: str, body: bytes) -> None:
    source = (
        {"user_id": "j"}
        if kind != "custom"
        else {"user_id": "j", "fields": FieldMap(ts=("t",), lat=("a",), lon=("b",))}
    )
    for content_type in (JSON, FORM, "text/csv", ""):
        report = read(kind, body, content_type, **source)
        assert not report.pings
        reply(kind, report)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["_type", "tst", "lat", "lon", "coords", "location", "locations", "properties", "id"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from([kind for kind in CLIENTS if kind != "custom"]), json_values)
def test_whatever_json_comes_is_pings_or_set_aside(kind: str, document: Any) -> None:
    report = read(kind, document, user_id="j")
    assert all(-90 <= p.lat <= 90 and -180 <= p.lng <= 180 and p.user_id == "j" for p in report.pings)


def test_a_fix_without_a_user_is_set_aside_with_the_cure() -> None:
    (refused,) = read("mauron85", [{"time": 1707057574000, "latitude": 60.1, "longitude": 24.9}]).set_aside
    assert (refused.code, refused.pointer) == ("missing_field", "/user_id")
    assert "bind the source" in refused.detail
