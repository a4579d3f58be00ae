"""Settings: defaults, precedence, and every problem at once."""

import re
import tomllib
from pathlib import Path

import pytest

from tiktokd.config import Config, load
from tiktokd.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def test_the_shipped_file_shows_every_key_with_its_default():
    text = (ROOT / "config.toml").read_text()
    shown = tomllib.loads(re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE))
    assert shown == Config().model_dump(mode="json")


def test_every_key_of_the_shipped_file_is_explained_or_obvious():
    lines = (ROOT / "config.toml").read_text().splitlines()
    keys = [i for i, line in enumerate(lines) if re.match(r"#\w+ = ", line)]
    bare = [lines[i] for i in keys if not lines[i - 1].startswith("# ")]
    assert bare == []


def test_all_problems_are_reported_at_once_with_their_paths(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[download]\nper_minut = 3\nworkers = "many"\n[gpu]\nattempts = 0\n')
    with pytest.raises(ConfigError) as caught:
        load(file, env={})
    message = str(caught.value)
    assert "3 problem(s)" in message
    assert "download.per_minut: unknown key" in message
    assert "download.workers" in message
    assert "gpu.attempts" in message


def test_a_key_of_two_kinds_is_one_problem_and_a_misspelled_one_is_answered_with_the_right_one(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[download]\nper_minut = 3\n[cpu]\nworkers = "many"\n[downlaod]\nworkers = 1\n')
    with pytest.raises(ConfigError) as caught:
        load(file, env={})
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("3 problem(s)")
    assert "  download.per_minut: unknown key; did you mean per_minute?" in lines
    assert "  downlaod: unknown key; did you mean download?" in lines
    (workers,) = [line for line in lines if "cpu.workers" in line]
    assert "integer" in workers
    assert "'auto'" in workers
    assert "(found 'many')" in workers


def test_a_key_that_resembles_none_is_answered_with_all_that_there_are(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[daemon]\nsocket = "/run/t.sock"\n[api]\nport = 1\n')
    with pytest.raises(ConfigError) as caught:
        load(file, env={})
    message = str(caught.value)
    assert "  daemon.socket: unknown key; there are " in message
    assert "runtime_dir" in message
    assert "  api: unknown key; there are " in message
    assert "http" in message.rpartition("api:")[2]


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[download]\nper_minute = 12\nworkers = 1\n")
    config = load(file, env={"TIKTOKD_DOWNLOAD__PER_MINUTE": "10", "TIKTOKD_GPU__DEVICES": '["cpu"]'})
    assert (config.download.per_minute, config.download.workers, config.gpu.devices) == (10.0, 1, ["cpu"])


@pytest.mark.parametrize("text", ["2026", "1.5", "true", "2026-01-31", '"2026"'])
def test_a_directory_whose_name_looks_like_a_number_or_a_date_is_a_name(text):
    config = load(None, env={"TIKTOKD_DAEMON__STATE_DIR": text})
    assert config.daemon.state_dir == text.strip('"')


def test_a_table_that_does_not_exist_in_the_environment_is_a_problem():
    with pytest.raises(ConfigError, match="TIKTOKD_DOWNLAOD__WORKERS"):
        load(None, env={"TIKTOKD_DOWNLAOD__WORKERS": "1"})


def test_one_underscore_between_table_and_key_is_a_problem_and_not_silence():
    with pytest.raises(ConfigError, match="TIKTOKD_DAEMON_STATE_DIR: two underscores"):
        load(None, env={"TIKTOKD_DAEMON_STATE_DIR": "/elsewhere"})
    assert load(None, env={"TIKTOKD_HOME": "/x", "TIKTOKD_CPU": "2"}) == load(None, env={})


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:8710", "127.evil.com:80", "127.0.0.1", "[::]:1", "localhost:http", "[::1]:²"]
)
def test_only_loopback_may_be_listened_on(listen):
    with pytest.raises(ConfigError, match="loopback"):
        load(None, env={"TIKTOKD_HTTP__LISTEN": f'"{listen}"'})


def test_a_port_that_does_not_exist_is_a_problem_of_the_settings():
    with pytest.raises(ConfigError, match="ports end at 65535"):
        load(None, env={"TIKTOKD_HTTP__LISTEN": "127.0.0.1:65536"})


def test_a_home_directory_of_nobody_is_a_problem_of_the_settings():
    config = load(None, env={"TIKTOKD_DAEMON__STATE_DIR": "~no.such.user/x"})
    with pytest.raises(ConfigError, match="no user"):
        _ = config.state_dir


@pytest.mark.parametrize("listen", ["127.0.0.1:8710", "[::1]:8710", "localhost:0"])
def test_loopback_addresses_are_accepted(listen):
    assert load(None, env={"TIKTOKD_HTTP__LISTEN": f'"{listen}"'}).http.listen == listen


def test_a_missing_file_and_broken_toml_are_clear(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "none.toml", env={})
    broken = tmp_path / "broken.toml"
    broken.write_text("[download\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(broken, env={})


def test_directories_follow_systemd_then_xdg(monkeypatch, tmp_path):
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "LOGS_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    config = Config()
    assert config.state_dir == tmp_path / "tiktokd"
    assert config.socket_path == tmp_path / "tiktokd" / "run" / "tiktokd.sock"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/tiktokd")
    assert config.state_dir == Path("/var/lib/tiktokd")
    assert config.database_url == "sqlite:////var/lib/tiktokd/tiktokd.db"
