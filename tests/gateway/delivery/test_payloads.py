"""From a push to each provider's JSON."""

from __future__ import annotations

import json

import pytest
from firebase_admin._messaging_encoder import MessageEncoder
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.delivery.fcm_payloads import analytics_label, fcm_payload
from gateway.delivery.fcm_stock import as_message
from gateway.delivery.job import PushJob, push_id_for
from gateway.delivery.payloads import PayloadTooLarge, apns_payload, collapse_id, ttl_s
from rules.model import Action, Message
from tests.gateway.delivery.jobs import MESSAGE, a_job

TOKEN = "f" * 22 + ":" + "t" * 140


def encoded(job: PushJob, token: str = TOKEN) -> dict[str, object]:
    document: dict[str, object] = fcm_payload(job, token, 60)
    return document


def test_apns_carries_alert_image_buttons_and_what_the_app_needs_to_open_the_offer() -> None:
    job = a_job()
    assert apns_payload(job) == {
        "aps": {
            "alert": {"title": MESSAGE.title, "body": MESSAGE.body},
            "sound": "default",
            "thread-id": "cafe-1",
            "interruption-level": "active",
            "category": "open+later",
            "mutable-content": 1,
        },
        "push_id": job.push_id,
        "offer_id": "croissant",
        "geofence_id": "cafe-1",
        "deep_link": "shop://offers/croissant",
        "image_url": "https://cdn.example/croissant.jpg",
        "campaign": "autumn",
    }


def test_a_buttons_link_travels_under_its_id() -> None:
    actions = (Action(id="open", title="Show me", link="shop://offers/1"), Action(id="later", title="Later"))
    payload = apns_payload(a_job(message=replace(MESSAGE, actions=actions)))
    assert payload["action_links"] == {"open": "shop://offers/1"}


def test_relevance_and_thread_are_said_where_the_offer_says_them() -> None:
    aps = apns_payload(a_job(message=replace(MESSAGE, relevance=0.7, thread="coffee")))["aps"]
    assert (aps["relevance-score"], aps["thread-id"]) == (0.7, "coffee")


def test_fcm_carries_the_same_facts_with_time_to_live_tag_and_label() -> None:
    job = a_job()
    message = encoded(job)
    assert message["token"] == TOKEN
    assert message["notification"] == {
        "title": MESSAGE.title, "body": MESSAGE.body, "image": "https://cdn.example/croissant.jpg"
    }  # fmt: skip
    assert message["android"] == {
        "priority": "high", "ttl": "60s", "notification": {"tag": job.push_id},
        "fcm_options": {"analytics_label": "croissant"},
    }  # fmt: skip
    assert message["apns"] == {
        "headers": {
            "apns-collapse-id": job.push_id,
            "apns-expiration": str(job.expires_at_ms // 1000),
            "apns-priority": "10",
        },
        "payload": {
            "aps": {
                "sound": "default", "thread-id": "cafe-1", "category": "open+later", "mutable-content": 1,
                "interruption-level": "active",
            }
        },
        "fcm_options": {"image": "https://cdn.example/croissant.jpg"},
    }  # fmt: skip
    data = message["data"]
    assert isinstance(data, dict)
    assert data["deep_link"] == "shop://offers/croissant"
    assert [action["id"] for action in json.loads(data["actions"])] == ["open", "later"]


def test_a_firebase_installation_id_is_sent_as_fid_and_a_registration_token_as_token() -> None:
    assert "fid" in encoded(a_job(), "cAr7Tq0TTF2bEuJYtO8F1x")
    assert "token" in encoded(a_job(), TOKEN)


def test_custom_data_never_overrides_what_the_gateway_says() -> None:
    message = replace(MESSAGE, data={"push_id": "forged", "aps": "forged"})
    payload = apns_payload(a_job(message=message))
    assert payload["push_id"] != "forged"
    assert payload["aps"] != "forged"


def test_what_is_over_the_budget_is_given_up_in_the_order_data_image_buttons_body() -> None:
    def trimmed(**changes: object) -> dict[str, object]:
        return apns_payload(a_job(message=replace(MESSAGE, **changes)))

    large_data = trimmed(data={"first": "x" * 3000, "second": "y" * 3000})
    assert "first" in large_data
    assert "second" not in large_data
    assert "image_url" in large_data

    large_image = trimmed(image_url="https://cdn.example/" + "i" * 4000)
    assert "image_url" not in large_image
    assert "mutable-content" not in large_image["aps"]  # type: ignore[operator]

    long_body = trimmed(body="word " * 2000)
    alert = long_body["aps"]["alert"]  # type: ignore[index]
    assert alert["title"] == MESSAGE.title
    assert alert["body"].endswith("word…")
    assert len(json.dumps(long_body, ensure_ascii=False).encode()) <= 4096


def test_a_title_and_link_that_alone_are_over_the_budget_refuse_the_push() -> None:
    job = a_job(message=replace(MESSAGE, deep_link="shop://" + "x" * 5000))
    with pytest.raises(PayloadTooLarge, match="4096"):
        apns_payload(job)
    with pytest.raises(PayloadTooLarge, match="4096"):
        fcm_payload(job, TOKEN, 60)


TEXT = st.text(max_size=30)
ACTIONS = st.lists(st.builds(Action, id=TEXT, title=TEXT, link=TEXT), max_size=3).map(tuple)


@given(
    message=st.builds(
        Message, title=TEXT, body=TEXT, image_url=TEXT, deep_link=TEXT, actions=ACTIONS, collapse_key=TEXT,
        interruption_level=st.sampled_from(["passive", "active", "time-sensitive", "critical"]), thread=TEXT,
        data=st.dictionaries(TEXT, st.one_of(TEXT, st.just("x" * 2000)), max_size=3),
    ),
    life_s=st.integers(0, 2_419_200),
    token=st.sampled_from([TOKEN, "cAr7Tq0TTF2bEuJYtO8F1x"]),
    geofence_id=TEXT,
)  # fmt: skip
def test_fcms_json_is_what_firebase_admin_validates_and_encodes(
    message: Message, life_s: int, token: str, geofence_id: str
) -> None:
    job = a_job(message=message, geofence_id=geofence_id)
    payload = fcm_payload(job, token, life_s)
    assert MessageEncoder().default(as_message(payload)) == payload


def test_a_device_without_a_token_is_refused_before_it_costs_a_request() -> None:
    with pytest.raises(ValueError, match="no token"):
        fcm_payload(a_job(), "", 60)


@given(
    body=st.text(max_size=6000),
    data=st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=900), max_size=6),
    buttons=st.lists(st.text(max_size=400), max_size=4),
)
def test_no_payload_is_ever_over_4096_bytes(body: str, data: dict[str, str], buttons: list[str]) -> None:
    actions = tuple(Action(id=f"b{n}", title=title) for n, title in enumerate(buttons))
    job = a_job(message=Message(title="Hello", body=body, data=data, actions=actions))
    assert len(json.dumps(apns_payload(job), ensure_ascii=False).encode("utf-8", "surrogatepass")) <= 4096
    fcm = encoded(job)
    shown = {"data": fcm["data"], "notification": fcm.get("notification", {})}
    assert len(json.dumps(shown, ensure_ascii=False).encode("utf-8", "surrogatepass")) <= 4096


def test_time_to_live_ends_with_the_job_and_is_never_negative() -> None:
    job = a_job(message=replace(MESSAGE, ttl_s=3600), expires_at_ms=1_000_000)
    assert ttl_s(job, 940_000) == 60
    assert ttl_s(job, 2_000_000) == 0
    assert ttl_s(replace(job, expires_at_ms=10**13), 0) == 3600


def test_a_repeat_of_a_push_has_the_same_id_and_the_same_collapse_id() -> None:
    assert push_id_for("ann", "croissant", "v1") == push_id_for("ann", "croissant", "v1")
    assert push_id_for("ann", "croissant", "v1") != push_id_for("ann", "croissant", "v2")
    job = a_job()
    assert collapse_id(job) == job.push_id
    assert collapse_id(a_job(message=replace(MESSAGE, collapse_key="croissants"))) == "croissants"
    assert collapse_id(a_job(message=replace(MESSAGE, collapse_key="x" * 65))) == job.push_id


def test_an_offer_id_becomes_a_label_that_firebase_takes() -> None:
    assert analytics_label("aurinko/lounas 11-14") == "aurinko_lounas_11-14"
    assert len(analytics_label("o" * 80)) == 50


def test_an_outbox_entry_is_the_job_and_nothing_else() -> None:
    job = a_job()
    assert PushJob.decode(job.encode()) == job
