"""Where files live when nothing else is said: systemd's directories, then XDG's. Knows no setting but these.

Standard library only: `tiktokctl` finds the socket with it before anything heavy is loaded.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from tiktokd.errors import ConfigError

SYSTEM_CONFIG = Path("/etc/tiktokd/config.toml")
SYSTEM_SOCKET = Path("/run/tiktokd/tiktokd.sock")
"""Where `tiktokd.service` puts the socket (RuntimeDirectory=tiktokd)."""
SYSTEM_DIRECTORIES = {
    "STATE_DIRECTORY": "/var/lib/tiktokd",
    "RUNTIME_DIRECTORY": "/run/tiktokd",
    "LOGS_DIRECTORY": "/var/log/tiktokd",
}
"""What systemd tells the daemon of `tiktokd.service`, and nobody tells an operator's shell."""
SOCKET_NAME = "tiktokd.sock"
SOCKET_PATH_MAX_BYTES = 107
"""unix(7): sun_path holds 108 bytes, the last one is zero."""


def is_there(path: Path) -> bool:
    """Return whether something is at `path`, or may be: this user must not look."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def environment_of(socket: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what `environment` lacks to find the directories of the daemon behind `socket`."""
    if socket != SYSTEM_SOCKET:
        return {}
    return {name: value for name, value in SYSTEM_DIRECTORIES.items() if name not in environment}


def standard_file() -> Path | None:
    """Return the first configuration file that exists: the user's, then the system's."""
    user = xdg("XDG_CONFIG_HOME", ".config") / "tiktokd" / "config.toml"
    return next((path for path in (user, SYSTEM_CONFIG) if path.is_file()), None)


def state_dir(setting: str) -> Path:
    """Return the absolute directory of the database and the spool; `setting` is `daemon.state_dir`."""
    return directory(setting, "STATE_DIRECTORY", xdg("XDG_STATE_HOME", ".local/state") / "tiktokd")


def runtime_dir(setting: str, state_setting: str) -> Path:
    """Return the absolute directory of the control socket; the settings are `daemon.runtime_dir` and `state_dir`."""
    run = os.environ.get("XDG_RUNTIME_DIR")
    default = Path(run) / "tiktokd" if run and not state_setting else state_dir(state_setting) / "run"
    return directory(setting, "RUNTIME_DIRECTORY", default)


def socket_path(daemon: Mapping[str, str]) -> Path:
    """Return the control socket for the keys of the table `[daemon]`."""
    return runtime_dir(daemon.get("runtime_dir", ""), daemon.get("state_dir", "")) / SOCKET_NAME


def xdg(variable: str, default: str) -> Path:
    """Return a base directory of the XDG specification; `default` is relative to the home directory."""
    value = os.environ.get(variable, "")
    return Path(value) if value.startswith("/") else Path.home() / default


def directory(setting: str, systemd_variable: str, default: Path) -> Path:
    """Return the setting, else what systemd says, else the default, as an absolute path."""
    value = setting or os.environ.get(systemd_variable, "").split(":")[0]
    return at_home(value or default).absolute()


def at_home(path: str | Path) -> Path:
    """Return a path with the home directory in the place of `~` or `~name`.

    Raises:
        ConfigError: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as exc:
        raise ConfigError(f"{path}: there is no user with such a home directory") from exc
