"""Which providers a gateway delivers to."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from py_vapid import Vapid02

from gateway.delivery.sandbox.identity import Identity, create
from gateway.errors import ConfigError
from gateway.providers import chosen_providers, open_providers
from gateway.settings import Settings

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four bytes and more").decode()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return create(tmp_path_factory.mktemp("identity"), "")


def everything(identity: Identity, folder: Path) -> dict[str, Any]:
    """Credentials for every channel."""
    vapid = Vapid02()
    vapid.generate_keys()
    vapid.save_key(str(folder / "vapid.pem"))
    account = json.loads(identity.fcm_credentials_file.read_text()) | {"project_id": "second"}
    (folder / "second.json").write_text(json.dumps(account))
    (folder / "apps.toml").write_text(
        f'[[apns]]\ntopic = "com.example.kiosk"\nkey_file = "{identity.apns_key_file}"\nkey_id = "K"\nteam_id = "T"\n'
        f'[[fcm]]\ncredentials_file = "{folder / "second.json"}"\n'
    )
    return {
        "apns_key_file": identity.apns_key_file, "apns_key_id": "K", "apns_team_id": "T", "apns_topic": "com.example",
        "fcm_credentials_file": identity.fcm_credentials_file, "apps_file": folder / "apps.toml",
        "webhook_url": "https://example.com/hook", "webhook_secret": SECRET,
        "vapid_key_file": folder / "vapid.pem", "vapid_contact": "mailto:ops@example.com",
        "rustore_project": "p", "rustore_service_token": "s", "huawei_app_id": "1", "huawei_client_secret": "s",
    }  # fmt: skip


@pytest.mark.parametrize("transport", ["http2", "stock"])
async def test_every_channel_with_credentials_is_open_and_further_apps_beside(
    identity: Identity, tmp_path: Path, transport: Any
) -> None:
    settings = Settings(**everything(identity, tmp_path), transport=transport)
    async with open_providers(settings) as channels:
        assert set(channels) == {
            "apns", "fcm", "apns:com.example.kiosk", "fcm:second", "rustore", "huawei", "web_push", "webhook"
        }  # fmt: skip


async def test_a_gateway_says_which_channels_are_off(identity: Identity, tmp_path: Path) -> None:
    settings = Settings(fcm_credentials_file=identity.fcm_credentials_file, webhook_url="https://example.com/")
    async with chosen_providers(settings) as providers:
        assert providers.states["apns"].startswith("off")
        assert providers.states["fcm"].startswith("delivers to")
        assert providers.states["webhook"] == "configured"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"apns_key_id": ""}, "apns_key_id"),
        ({"apns_key_file": Path("/nowhere.p8")}, "apns_key_file"),
        ({"fcm_credentials_file": Path("/nowhere.json")}, "fcm_credentials_file"),
        ({"apps_file": Path("/nowhere.toml")}, "apps_file"),
        ({"vapid_contact": ""}, "vapid_contact"),
        ({"rustore_project": ""}, "rustore_project"),
        ({"huawei_app_id": ""}, "huawei_app_id"),
        ({"webhook_secret": None}, "webhook_secret"),
        ({"webhook_url": "example.com"}, "webhook_url"),
    ],
)
async def test_credentials_that_cannot_work_are_refused_at_start_by_name(
    identity: Identity, tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    settings = Settings(**(everything(identity, tmp_path) | given))
    with pytest.raises(ConfigError, match=words):
        async with open_providers(settings):
            pass


@pytest.mark.parametrize("text", ["not toml [", '[[apns]]\nkey_id = "K"\n', "[[apns]]\ntopic = 1\n", "[[gcm]]\n"])
async def test_a_file_of_further_apps_that_is_wrong_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "apps.toml").write_text(text)
    with pytest.raises(ConfigError, match="apps_file"):
        async with open_providers(Settings(apps_file=tmp_path / "apps.toml")):
            pass
