"""POST /v1/messages/preview shows what each platform would get."""

from __future__ import annotations

import json

from tests.gateway.conftest import Http

MESSAGE = {
    "title": "Two croissants for one",
    "body": "Until noon.",
    "image_url": "https://cdn.example/croissant.jpg",
    "deep_link": "shop://offers/croissant",
    "actions": [{"id": "open", "title": "Show me"}],
}


async def test_a_preview_shows_the_exact_json_of_every_platform(http: Http) -> None:
    status, answer = await http.call("POST", "/v1/messages/preview", {"message": MESSAGE})
    assert status == 200
    platforms = answer["platforms"]
    assert set(platforms) == {"apns", "fcm", "rustore", "huawei", "web_push", "webhook"}
    assert platforms["apns"]["payload"]["aps"]["alert"] == {"title": MESSAGE["title"], "body": MESSAGE["body"]}
    assert platforms["apns"]["headers"]["apns-push-type"] == "alert"
    assert platforms["fcm"]["payload"]["message"]["token"] == "DEVICE-TOKEN"
    for preview in platforms.values():
        assert preview["size_bytes"] == len(json.dumps(preview["payload"], separators=(",", ":")))


async def test_a_preview_says_where_a_message_does_not_fit(http: Http) -> None:
    message = MESSAGE | {"deep_link": "shop://" + "x" * 5000}
    status, answer = await http.call("POST", "/v1/messages/preview", {"message": message})
    assert status == 200
    assert "4096" in answer["platforms"]["apns"]["refused"]
    assert answer["platforms"]["webhook"]["payload"]["data"]["message"]["deep_link"] == message["deep_link"]


async def test_a_preview_of_a_malformed_message_names_the_member(http: Http) -> None:
    status, answer = await http.call("POST", "/v1/messages/preview", {"message": {"title": "", "body": "b"}})
    assert status == 422
    assert "title" in json.dumps(answer)
