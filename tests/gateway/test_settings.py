"""Settings come from options, environment and file, in that order, and every mistake names its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.settings import Settings, read_settings


def test_the_stronger_source_wins(tmp_path: Path) -> None:
    """A command line option beats the environment, which beats the file, which beats the default."""
    file = tmp_path / "geopush.toml"
    file.write_text('port = 1000\nhost = "10.0.0.1"\nmax_batch_pings = 7\n')
    settings = read_settings({"port": 3000, "host": None}, {"GEOPUSH_PORT": "2000", "GEOPUSH_WORKERS": "2"}, file)
    assert (settings.port, settings.host, settings.max_batch_pings, settings.workers) == (3000, "10.0.0.1", 7, 2)
    assert settings.partitions == Settings().partitions


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GEOPUSH_PROT", "1", "unknown setting 'prot'; did you mean 'port'?"),
        ("GEOPUSH_ZZZZZ", "1", "unknown setting 'zzzzz'"),
        ("GEOPUSH_PORT", "eighty", "it must be a whole number"),
        ("GEOPUSH_PORT", "-1", "it must be at least 0"),
        ("GEOPUSH_MAX_AGE_S", "nan", "it must be finite"),
        ("GEOPUSH_POLICY", "wild", "it must be one of default, raw"),
        ("GEOPUSH_DROPS_MOCK", "perhaps", "it must be true or false"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable_and_the_cure(variable: str, value: str, said: str) -> None:
    """An unknown or malformed setting stops the start with its source, its value and what was expected."""
    with pytest.raises(ConfigError) as caught:
        read_settings({}, {variable: value})
    assert said in caught.value.detail
    assert variable in caught.value.detail


def test_a_file_that_is_not_toml_or_not_there_is_named(tmp_path: Path) -> None:
    """The settings file's own faults carry its path."""
    broken = tmp_path / "broken.toml"
    broken.write_text("port 8080")
    for file in (broken, tmp_path / "absent.toml"):
        with pytest.raises(ConfigError, match=file.name):
            read_settings({}, {}, file)


@pytest.mark.parametrize("value", [True, 80.5, [1]])
def test_a_value_of_another_type_in_the_file_is_refused(tmp_path: Path, value: object) -> None:
    """TOML's own types are not bent into numbers."""
    file = tmp_path / "geopush.toml"
    file.write_text(f"port = {str(value).lower()}\n")
    with pytest.raises(ConfigError, match="port"):
        read_settings({}, {}, file)


def test_secrets_do_not_show() -> None:
    """A settings object may be printed: passwords in it are not."""
    settings = read_settings({}, {"GEOPUSH_REDIS_URL": "redis://:hunter2@db", "GEOPUSH_FIX_KEY": "ab" * 32})
    assert "hunter2" not in repr(settings)
    assert "abab" not in repr(settings)


def test_the_key_of_a_client_in_the_same_shell_is_no_setting() -> None:
    assert read_settings({}, {"GEOPUSH_KEY": "gp_x"}) == Settings()


def test_nothing_is_no_value(tmp_path: Path) -> None:
    """As settings.example.toml writes it, and as a compose file passes on a variable that is not set."""
    file = tmp_path / "settings.toml"
    file.write_text('jwks_file = ""\n', encoding="utf-8")
    settings = read_settings({}, {"GEOPUSH_FCM_CREDENTIALS_FILE": ""}, file)
    assert settings == Settings()
