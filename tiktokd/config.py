"""Settings: one frozen model per TOML table, defaults here and nowhere else. Knows no module that reads them.

Precedence: default, file, environment (`TIKTOKD_DOWNLOAD__PER_MINUTE=10`), command line. Every wrong key, type and
value is reported at once, each with its TOML path.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tiktokd import config_problems, paths
from tiktokd.errors import ConfigError

ENV_PREFIX = "TIKTOKD_"
PORT_MAX = 65535

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Table(BaseModel):
    """Base of the tables: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class DaemonTable(Table):
    """`[daemon]`: where things live and how the daemon ends."""

    state_dir: str = ""
    """Database and spool. Empty: $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/tiktokd."""
    runtime_dir: str = ""
    """Control socket. Empty: $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR/tiktokd, else <state_dir>/run."""
    log_dir: str = ""
    """Log files. Empty: $LOGS_DIRECTORY, else <state_dir>/log."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain_timeout_s: Positive = 60.0
    """After SIGTERM, work in hand may take this long before it is put back."""
    start_timeout_s: Positive = 60.0
    """A worker that is not ready by then is killed and restarted."""
    stall_s: Positive = 120.0
    """A worker that has shown no sign of life for this long is killed."""
    crash_loop_count: Count = 5
    """This many deaths within crash_loop_window_s, no good answer between them, take a worker out of service."""
    crash_loop_window_s: Positive = 600.0
    recycle_after_jobs: Count = 500
    """A worker is replaced by a fresh one after this many requests."""


class DatabaseTable(Table):
    """`[database]`."""

    url: str = ""
    """SQLAlchemy URL. Empty: SQLite at <state_dir>/tiktokd.db."""


class DownloadTable(Table):
    """`[download]`: how TikTok is asked, and how politely."""

    workers: Annotated[int, Field(ge=0, le=16)] = 2
    per_minute: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Requests for posts per minute over all workers."""
    min_gap_s: Annotated[float, Field(ge=0)] = 2.0
    """Least time between two of them; up to half of it is added at random."""
    attempts: Count = 3
    backoff_base_s: Positive = 30.0
    """Attempt n waits a random time up to base * 4^(n-1)."""
    backoff_cap_s: Positive = 3600.0
    timeout_s: Positive = 300.0
    """Wall-clock limit for one post; the worker is killed beyond it."""
    proxy: str = ""
    cookies_file: str = ""
    """Netscape cookie file of your own account; only for posts that you may see."""
    verify_tls: bool = True
    """Off only for a proxy that ends TLS on this machine."""
    max_filesize_mib: Positive = 500.0
    max_height: Annotated[int, Field(ge=144)] = 1024
    """Pixels of the longer side; larger renditions are passed over where a smaller one exists."""
    spool_videos: Count = 2000
    spool_gib: Positive = 20.0
    breaker_failures: Count = 10
    """This many different posts failing alike in a row pause the downloads and say why."""


class CpuTable(Table):
    """`[cpu]`."""

    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"
    """auto = min(4, cores)."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Threads inside one worker's models; the workers themselves run side by side."""


class GpuTable(Table):
    """`[gpu]`."""

    devices: list[str] = ["auto"]
    """["auto"] = every NVIDIA GPU; ["cuda:0"]; ["cpu"] runs the GPU path on the CPU; [] = none."""
    prefetch: Annotated[int, Field(ge=1, le=64)] = 2
    """Decoded clips kept ready ahead of each GPU worker."""
    per_minute: Annotated[float, Field(ge=0)] = 0.0
    """Videos per minute and GPU; 0 = no limit."""
    attempts: Count = 3


class AnalysisTable(Table):
    """`[analysis]`."""

    analyzers: list[str] = ["all"]
    """Names, groups (video, audio, text, fusion, metadata) or "all"."""
    fps: Annotated[float, Field(gt=0, le=30)] = 2.0
    """Full-size frames per second; long videos get fewer."""
    max_duration_s: Positive = 3600.0
    """Longer videos are refused as unsupported."""
    timeout_s: Positive = 1800.0
    """Wall-clock limit for one step (decode, analyze, fuse) on one video; the worker is killed beyond it."""
    models_dir: str = ""
    """Local weights. Empty: <state_dir>/models."""
    models: dict[str, str] = {}
    """Your own model for an encoder, of the same kind: { whisper = "openai/whisper-small" }; pin with @<revision>."""
    data_dir: str = ""
    """Your own taxonomies, prompts and word lists: a file here replaces the shipped one of the same name. Empty:
    <state_dir>/data."""
    breaker_videos: Annotated[int, Field(ge=2)] = 10
    """This many different videos in a row that end their worker, none completed between them, pause the processing. The
    last of them is put back uncharged: were it the only one, a deadly video would never fail."""
    slots: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = "auto"
    """Decoded clips held in memory; auto = min(10 % of RAM, 4 GiB) / slot_mib, at least 4 and 8 per GPU."""
    slot_mib: Annotated[int, Field(ge=8, le=1024)] = 64


class HttpTable(Table):
    """`[http]`: an optional TCP listener beside the Unix socket."""

    listen: str = ""
    """host:port on loopback; empty = off."""
    token_file: str = ""
    """File with the bearer token. Empty: <state_dir>/token, made at the first start."""


class CleanupTable(Table):
    """`[cleanup]`."""

    days: Annotated[int, Field(ge=1)] = 7
    """Age at which `tiktokctl cleanup` removes media, events, metrics and logs of finished videos."""


class Config(Table):
    """The whole file."""

    daemon: DaemonTable = DaemonTable()
    database: DatabaseTable = DatabaseTable()
    download: DownloadTable = DownloadTable()
    cpu: CpuTable = CpuTable()
    gpu: GpuTable = GpuTable()
    analysis: AnalysisTable = AnalysisTable()
    http: HttpTable = HttpTable()
    cleanup: CleanupTable = CleanupTable()

    @field_validator("http")
    @classmethod
    def _loopback_only(cls, table: HttpTable) -> HttpTable:
        if not table.listen:
            return table
        host, _, port = table.listen.rpartition(":")
        if host.strip("[]") not in ("127.0.0.1", "::1", "localhost") or not re.fullmatch("[0-9]{1,5}", port):
            raise ValueError(f'listen: "{table.listen}" is not a loopback host:port such as "127.0.0.1:8710"')
        if int(port) > PORT_MAX:
            raise ValueError(f'listen: "{table.listen}": ports end at {PORT_MAX}')
        return table

    @property
    def state_dir(self) -> Path:
        """Absolute directory of the database and the spool."""
        return paths.state_dir(self.daemon.state_dir)

    @property
    def runtime_dir(self) -> Path:
        """Absolute directory of the control socket."""
        return paths.runtime_dir(self.daemon.runtime_dir, self.daemon.state_dir)

    @property
    def log_dir(self) -> Path:
        """Absolute directory of the log files."""
        return paths.directory(self.daemon.log_dir, "LOGS_DIRECTORY", self.state_dir / "log")

    @property
    def models_dir(self) -> Path:
        """Absolute directory of local weights."""
        return paths.at_home(self.analysis.models_dir) if self.analysis.models_dir else self.state_dir / "models"

    @property
    def data_dir(self) -> Path:
        """Absolute directory of the user's own data files; it need not exist."""
        return paths.at_home(self.analysis.data_dir) if self.analysis.data_dir else self.state_dir / "data"

    @property
    def socket_path(self) -> Path:
        """The control socket."""
        return self.runtime_dir / paths.SOCKET_NAME

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the queue."""
        return self.database.url or f"sqlite:///{self.state_dir / 'tiktokd.db'}"


class InvalidSettings(ConfigError):
    """Settings that are not well-formed: every problem, and what the settings are without the wrong ones."""

    def __init__(self, problems: Sequence[str], source: Path | None, rest: Config) -> None:
        where = f" in {source}" if source else ""
        super().__init__(f"{len(problems)} problem(s){where}:\n" + "\n".join(f"  {each}" for each in problems))
        self.problems, self.source, self.rest = tuple(problems), source, rest


def load(file: Path | None = None, env: Mapping[str, str] | None = None) -> Config:
    """Return the settings from `file` (or the standard places) and the environment.

    Raises:
        InvalidSettings: listing every unknown key, wrong type and value out of range with its TOML path.
        ConfigError: the file cannot be read.
    """
    source = file or paths.standard_file()
    tables = _read(source) if source else {}
    problems = _merge_environment(tables, os.environ if env is None else env)
    config: Config | None = None
    while config is None:
        try:
            config = Config.model_validate(tables)
        except ValidationError as exc:
            # What depends on more than one key is looked at once each of them is well-formed.
            problems += config_problems.worded(exc, Config)
            config_problems.drop(tables, exc)
    if problems:
        raise InvalidSettings(problems, source, config)
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise ConfigError(f"cannot read {file}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{file} is not TOML: {exc}") from exc


def _merge_environment(tables: dict[str, Any], env: Mapping[str, str]) -> list[str]:
    """Write `TIKTOKD_TABLE__KEY=value` into `tables`; values are TOML, or plain text where they are not."""
    problems = []
    for name, text in sorted((name, text) for name, text in env.items() if name.startswith(ENV_PREFIX)):
        table, sep, key = name.removeprefix(ENV_PREFIX).lower().partition("__")
        if not sep:
            if table.startswith(tuple(f"{known}_" for known in Config.model_fields)):
                problems.append(f"{name}: two underscores stand between table and key, as in TIKTOKD_CPU__WORKERS")
        elif table not in Config.model_fields:
            problems.append(f"{name}: there is no table [{table}]; it has {', '.join(Config.model_fields)}")
        elif isinstance(target := tables.setdefault(table, {}), dict):
            target[key] = _value(text, table, key)
    return problems


def _value(text: str, table: str, key: str) -> Any:
    """Return what a variable says: a TOML value, or the text itself where it is none or where a text is wanted."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    model = Config.model_fields[table].annotation
    field = model.model_fields.get(key) if isinstance(model, type) and issubclass(model, Table) else None
    wants_text = field is not None and field.annotation is str
    return text if wants_text and not isinstance(value, str) else value
