"""Where an operator's tiktokctl looks for the daemon of the system."""

import configparser
from pathlib import Path

from tiktokd.paths import SYSTEM_DIRECTORIES, SYSTEM_SOCKET, environment_of, is_there

SERVICE = Path(__file__).parents[2] / "tiktokd.service"


def test_the_directories_of_the_system_are_those_of_the_service_file():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(SERVICE)
    unit = parser["Service"]
    assert {
        "STATE_DIRECTORY": f"/var/lib/{unit['StateDirectory']}",
        "RUNTIME_DIRECTORY": f"/run/{unit['RuntimeDirectory']}",
        "LOGS_DIRECTORY": f"/var/log/{unit['LogsDirectory']}",
    } == SYSTEM_DIRECTORIES
    assert SYSTEM_SOCKET.parent == Path(SYSTEM_DIRECTORIES["RUNTIME_DIRECTORY"])


def test_who_talks_to_the_daemon_of_the_system_gets_its_directories_and_nobody_else():
    assert environment_of(SYSTEM_SOCKET, {"LOGS_DIRECTORY": "/elsewhere"}) == {
        "STATE_DIRECTORY": "/var/lib/tiktokd", "RUNTIME_DIRECTORY": "/run/tiktokd",
    }  # fmt: skip
    assert environment_of(Path("/home/x/run/tiktokd.sock"), {}) == {}


def test_something_is_there_or_not(tmp_path):
    assert is_there(tmp_path)
    assert not is_there(tmp_path / "gone")
    assert not is_there(tmp_path / ("x" * 300))
