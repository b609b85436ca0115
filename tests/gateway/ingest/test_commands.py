"""``geopush source`` and ``geopush keys`` against a running gateway."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from gateway.ingest.commands import keys_main, source_main
from tests.gateway.conftest import Http


async def said(
    http: Http, capsys: pytest.CaptureFixture[str], main: Callable[[Sequence[str]], int], *words: str, key: str = ""
) -> tuple[int, str, str]:
    arguments = ["--url", http.gateway.url, "--key", key or http.key, *words]
    status = await asyncio.to_thread(main, arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


async def test_a_source_is_added_with_its_link_and_a_code_to_scan(
    http: Http, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("add", "owntracks", "--name", "Jane", "--user", "jane", "--public-url", "https://geo.example")
    status, out, _ = await said(http, capsys, source_main, *words)
    assert status == 0
    assert "address  https://geo.example/ingest/" in out
    assert "link     owntracks:///config?inline=" in out
    assert "█▀" in out
    status, out, _ = await said(http, capsys, source_main, "list")
    source_id = out.split()[0]
    assert out.split()[1:] == ["owntracks", "Jane", "jane"]
    assert (await said(http, capsys, source_main, "remove", source_id))[1] == "removed\n"
    assert (await said(http, capsys, source_main, "list"))[1] == ""


async def test_keys_are_made_listed_and_revoked(http: Http, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = await said(http, capsys, keys_main, "make", "--name", "phones", "--scope", "ingest", "--scope", "ops")
    key_id, secret = out.split()
    assert (await http.call("GET", "/v1/offers", key=secret))[0] == 200
    assert key_id in (await said(http, capsys, keys_main, "list"))[1]
    assert (await said(http, capsys, keys_main, "revoke", key_id))[0] == 0
    assert (await http.call("GET", "/v1/offers", key=secret))[0] == 401


async def test_people_get_roles_and_a_rotated_key_opens_under_its_new_secret(
    http: Http, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("create", "--name", "Mia", "--role", "store_ops", "--tags", "helsinki, espoo")
    key_id, secret = (await said(http, capsys, keys_main, *words))[1].split()
    assert f"{key_id}  store_ops            Mia  espoo,helsinki\n" in (await said(http, capsys, keys_main, "list"))[1]
    _, out, _ = await said(http, capsys, keys_main, "rotate", key_id, "--overlap-s", "0")
    assert out.split()[0] == key_id
    assert [(await http.call("GET", "/v1/offers", key=k))[0] for k in (secret, out.split()[1])] == [401, 200]
    assert (await said(http, capsys, keys_main, "create", "--name", "x"))[0] == 1


async def test_a_refusal_is_one_line_that_says_what_to_do(http: Http, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = await said(http, capsys, source_main, "add", "owntracks", "--name", "x")
    assert (status, err) == (
        1,
        "the gateway refused POST /v1/sources: owntracks tells no user that could be trusted; bind the source to one\n",
    )
    words = ("add", "custom", "--name", "x", "--fields", __file__)
    status, _, err = await said(http, capsys, source_main, *words)
    assert (status, err.startswith(f"{__file__} is not JSON: "), err.count("\n")) == (1, True, 1)
    assert (await said(http, capsys, keys_main, "list", key="gp_no"))[0] == 1
    status = await asyncio.to_thread(keys_main, ["--url", "http://127.0.0.1:9", "--key", "gp_x", "list"])
    assert status == 1
    assert "no gateway answers" in capsys.readouterr().err
