"""A gateway's start: what an operator sees when it fails, and what it leaves."""

import socket
from pathlib import Path

import pytest

from gateway import app
from gateway.errors import ConfigError
from tests.patience import patient


async def test_a_first_start_that_fails_makes_no_key_that_nobody_would_see(tmp_path: Path) -> None:
    """A key is shown once: one made before the port was found taken would lock everybody out."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = patient(data_dir=tmp_path, port=busy.getsockname()[1], partitions=4, run_sender=False)
        with pytest.raises(ConfigError, match="cannot listen"):
            async with app.running(taken):
                pass
    async with app.running(patient(data_dir=tmp_path, port=0, partitions=4, run_sender=False)) as gateway:
        assert gateway.new_admin_key is not None
