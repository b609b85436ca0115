"""Every setting of the gateway: name, unit, default, and a sentence that says what it is for.

Sources, strongest first: command line options, environment (``GEOPUSH_`` and the name in capitals), a TOML file,
the default. An unknown key is an error that names the nearest known one. Secrets are paths or come from the
environment, and never show in ``repr``.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gateway.errors import ConfigError

ENVIRONMENT_PREFIX = "GEOPUSH_"
CLIENT_VARIABLES = frozenset({"GEOPUSH_KEY"})
"""What commands that talk to a running gateway read; no settings, so that both may stand in one shell."""


def _setting(default: Any, sentence: str, *, secret: bool = False, least: float | None = None) -> Any:
    return dataclasses.field(default=default, repr=not secret, metadata={"doc": sentence, "least": least})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, frozen once read."""

    host: str = _setting("127.0.0.1", "Address to listen on; loopback unless told otherwise.")
    port: int = _setting(8080, "TCP port to listen on; 0 takes a free one.", least=0)
    workers: int = _setting(1, "Gateway processes that share the port.", least=1)
    reuse_port: bool = _setting(
        False, "Whether other processes may listen on the same port; the workers of one host do."
    )
    shared_dir: Path | None = _setting(
        None, "Folder through which the workers of one host share whose news are under way between them."
    )
    data_dir: Path = _setting(Path("geopush-data"), "Folder of the embedded Redis and its append-only file.")
    redis_url: str | None = _setting(
        None, "Redis to use instead of the embedded one, redis:// or rediss://.", secret=True
    )
    redis_connect_timeout_s: float = _setting(1.0, "Seconds to wait for a connection to Redis.", least=0.01)
    redis_command_timeout_s: float = _setting(2.0, "Seconds to wait for Redis to answer a command.", least=0.01)
    partitions: int = _setting(64, "Redis hash tags that users are spread over; fixed at the first start.", least=1)
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "Least severity that is logged.")
    shutdown_grace_s: float = _setting(10.0, "Seconds that requests and sends in flight get to finish.", least=0)

    max_body_bytes: int = _setting(5_000_000, "Largest request body of pings and documents, as sent.", least=1000)
    max_inflated_bytes: int = _setting(20_000_000, "Largest body after decompression.", least=1000)
    max_import_bytes: int = _setting(500_000_000, "Largest geofence import, after decompression.", least=1000)
    max_import_memory_bytes: int = _setting(
        4_000_000_000, "Memory that the process of one import may take.", least=500_000_000
    )
    max_import_cpu_s: int = _setting(600, "CPU seconds that the process of one import may take.", least=10)
    max_batch_pings: int = _setting(10_000, "Most pings in one request.", least=1)
    max_pings_in_flight: int = _setting(50_000, "Pings being handled at once before new ones get 503.", least=1)
    key_pings_per_s: float = _setting(
        0.0, "Pings a second that a key may send to the workers of one host together; 0 is no limit.", least=0
    )
    user_min_interval_s: float = _setting(0.0, "Fixes of one user closer together than this are dropped.", least=0)
    jwks_file: Path | None = _setting(None, "Keys (JWKS) that verify tokens binding a phone to its user.")
    jwt_issuer: str = _setting("", "Issuer (iss) that tokens must name; empty accepts any.")
    jwt_audience: str = _setting("", "Audience (aud) that tokens must name; empty accepts any.")
    max_vertices: int = _setting(100_000, "Most vertices of one geofence.", least=3)
    session_idle_s: float = _setting(7_200.0, "Idle seconds after which a console's session ends.", least=60)
    session_longest_s: float = _setting(43_200.0, "Age at which a console's session ends at the latest.", least=60)
    trusts_proxy: bool = _setting(
        False, "Whether X-Forwarded-For and X-Forwarded-Proto are believed: only where a proxy of yours sets them."
    )

    policy: Literal["default", "raw"] = _setting("default", "Presence rules: steady under noise, or raw geometry.")
    enter_fixes: int = _setting(2, "Consecutive fixes inside that make an enter.", least=1)
    enter_after_s: float = _setting(30.0, "A fix inside this long after the first one inside makes an enter.", least=0)
    exit_fixes: int = _setting(2, "Consecutive fixes clearly outside that make an exit.", least=1)
    exit_margin_max_m: float = _setting(
        50.0, "Metres beyond the boundary that are clearly outside at any accuracy.", least=0
    )
    presence_ttl_s: float = _setting(1800.0, "Silence after which a user has left.", least=1)
    dwell_gap_s: float = _setting(120.0, "Longest gap between fixes that still counts as dwelling.", least=1)
    max_age_s: float = _setting(300.0, "Age beyond which a ping changes nothing.", least=1)
    max_ahead_s: float = _setting(
        60.0, "How far a phone's clock may run ahead before its ping changes nothing.", least=0
    )
    max_speed_mps: float = _setting(60.0, "Implied speed in m/s above which a fix is an outlier.", least=1)
    drops_mock: bool = _setting(True, "Whether fixes that the phone marks as mocked are dropped.")
    pass_by_max_m: float = _setting(200.0, "Longest step between two fixes that still tells the way taken.", least=1)
    pass_by_gap_s: float = _setting(30.0, "Longest time between two fixes that still tells the way taken.", least=1)
    fix_ttl_s: float = _setting(1800.0, "Longest that a raw fix is kept, sealed, in Redis.", least=1)
    fix_key: str | None = _setting(
        None,
        "Key that seals raw fixes, 64 hex digits; share it between hosts. Without it a random one lives in memory.",
        secret=True,
    )

    decision_trace_ttl_s: float = _setting(604_800.0, "How long a decision's trace can be looked up.", least=0)
    outbox_takeover_s: float = _setting(
        30.0, "Idle seconds after which a dead sender's entries are taken over.", least=1
    )
    sends_in_flight: int = _setting(200, "Pushes that one sender has in flight at once.", least=1)
    run_sender: bool = _setting(True, "Whether serve also sends; turn off where senders run alone.")
    sender_port: int = _setting(
        0, "TCP port on which a sender alone shows /healthz, /readyz and /metrics; 0 shows nothing.", least=0
    )
    sandbox: Literal["auto", "on", "off"] = _setting(
        "auto", "Deliver to the local sandbox: auto does so for channels without credentials only when none has any."
    )

    apns_key_file: Path | None = _setting(None, "APNs signing key, the .p8 file.")
    apns_key_id: str = _setting("", "Key id of the APNs signing key.")
    apns_team_id: str = _setting("", "Apple team id.")
    apns_topic: str = _setting("", "Bundle id of the iOS app.")
    apns_host: str = _setting("api.push.apple.com", "APNs host.")
    apns_port: int = _setting(443, "APNs port.", least=1)
    apns_ca_file: Path | None = _setting(None, "Certificate authority to trust for APNs instead of the system's.")
    fcm_credentials_file: Path | None = _setting(None, "Firebase service account, the JSON file.")
    fcm_host: str = _setting("https://fcm.googleapis.com", "FCM origin.")
    fcm_ca_file: Path | None = _setting(None, "Certificate authority to trust for FCM instead of the system's.")
    apns_certificate_file: Path | None = _setting(None, "APNs certificate and its key (PEM), instead of a signing key.")
    apps_file: Path | None = _setting(None, "TOML file of further apps, [[apns]] and [[fcm]] tables.")
    transport: Literal["http2", "stock"] = _setting(
        "http2", "How APNs and FCM are reached: our HTTP/2 client, or the libraries' own (aioapns, firebase-admin)."
    )
    fcm_per_minute: int = _setting(
        600_000,
        "Most pushes a minute that one sender gives to an FCM project; the project's quota by default.",
        least=1,
    )
    send_timeout_s: float = _setting(10.0, "Longest that one attempt may take, connecting included.", least=0.1)
    webhook_url: str = _setting("", "Endpoint of the webhook channel, https://.")
    webhook_secret: str | None = _setting(
        None, "Secrets that sign webhooks: whsec_ and base64, newest first, separated by spaces.", secret=True
    )
    webhook_may_be_private: bool = _setting(False, "Whether the webhook may have a private or loopback address.")
    vapid_key_file: Path | None = _setting(None, "Web Push: the VAPID private key (PEM).")
    vapid_contact: str = _setting("", "Web Push: a mailto: or https: address for the push services.")
    rustore_project: str = _setting("", "RuStore: project id.")
    rustore_service_token: str | None = _setting(None, "RuStore: service token of the project.", secret=True)
    huawei_app_id: str = _setting("", "Huawei Push Kit: app id.")
    huawei_client_secret: str | None = _setting(None, "Huawei Push Kit: client secret of the app.", secret=True)

    approval_reach: int = _setting(
        0, "Users a week that an offer may reach without a second person's approval; 0 asks for none.", least=0
    )
    activity_min_users: int = _setting(10, "Fewest users that a hexagon of the live map shows (k-anonymity).", least=1)
    ground_file: Path | None = _setting(None, "GeoJSON (.gz) drawn under the console's map instead of tiles.")
    console_tiles_url: str = _setting(
        "",
        "Base map of the console: tiles by an address with {z}, {x} and {y} (vector tiles end in .mvt or .pbf), "
        "or a .pmtiles archive. Empty asks no other host for anything.",
    )
    console_tiles_file: Path | None = _setting(None, "Base map of the console: a PMTiles archive, served by us.")
    console_tiles_attribution: str = _setting("", "Whom the base map is owed to; shown in the map's corner.")


_FIELDS = {f.name: f for f in dataclasses.fields(Settings)}
_TYPES = typing.get_type_hints(Settings)


def read_settings(
    options: Mapping[str, Any], environment: Mapping[str, str] = os.environ, file: Path | None = None
) -> Settings:
    """Merge the sources into one Settings. Raises ConfigError that names the source, the key and the cure."""
    values: dict[str, Any] = {}
    if file is not None:
        values |= {name: _converted(name, value, f"{file}") for name, value in _toml(file).items()}
    for variable, text in environment.items():
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in CLIENT_VARIABLES:
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            values[name] = _converted(name, text, f"environment variable {variable}")
    values |= {name: _converted(name, value, "command line") for name, value in options.items() if value is not None}
    return Settings(**values)


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {file}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error


def _converted(name: str, value: Any, origin: str) -> Any:
    if name not in _FIELDS:
        near = difflib.get_close_matches(name, _FIELDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{origin}: unknown setting {name!r}{hint}")
    field = _FIELDS[name]
    kind = _TYPES[name]
    if isinstance(kind, types.UnionType):
        if value == "":  # as an example file and an environment variable say "not set"
            return None
        kind = next(part for part in typing.get_args(kind) if part is not types.NoneType)
    try:
        converted = _as(kind, value)
    except ValueError as error:
        raise ConfigError(f"{origin}: {name} is {value!r}, {error}") from error
    least = field.metadata["least"]
    if least is not None and not converted >= least:
        raise ConfigError(f"{origin}: {name} is {value!r}, it must be at least {least}")
    return converted


def _as(kind: Any, value: Any) -> Any:
    """The value as its declared type; ValueError says what was expected."""
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            raise ValueError("it must be one of " + ", ".join(choices))
        return value
    if kind is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in {"true", "1", "yes", "on"}:
            return True
        if str(value).lower() in {"false", "0", "no", "off"}:
            return False
        raise ValueError("it must be true or false")
    if kind in {int, float}:
        return _as_number(kind, value)
    if not isinstance(value, str | Path):
        raise ValueError("it must be text")
    return kind(value)


def _as_number(kind: type[int | float], value: Any) -> int | float:
    wanted = "a whole number" if kind is int else "a number"
    if isinstance(value, bool) or (kind is int and isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"it must be {wanted}")
    try:
        number = kind(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"it must be {wanted}") from None
    if not math.isfinite(number):
        raise ValueError("it must be finite")
    return number
