"""What `tiktokctl doctor` looks at: one function per matter, facts in, `Check` out. Changes nothing.

Native packages are tried in a process of their own: a wheel that does not fit this machine may crash the interpreter.
"""

import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from tiktokd import onnx
from tiktokd.cli._format import size
from tiktokd.cli._overview import standing
from tiktokd.cli._session import settings, socket_path
from tiktokd.client import Client, Refused, Unreachable
from tiktokd.config import Config
from tiktokd.errors import ConfigError, LocalError
from tiktokd.paths import SOCKET_PATH_MAX_BYTES, at_home
from tiktokd.protocol import StatusAnswer

Level = Literal["ok", "warn", "fail"]

YT_DLP_OLD_DAYS = 60
"""TikTok's pages change every few weeks, and yt-dlp follows with releases about monthly."""
FREE_RATIO = 0.1
"""The daemon stops downloading below this share of free disk (DESIGN 3)."""
TRY_S = 60.0
CODECS = ("h264", "hevc", "vp9", "av1", "aac", "opus", "mp3")
"""What TikTok serves or has served, and what people's own files hold; the first and `aac` are essential."""

_TRY_AV = (
    "import av, json; have = av.codecs_available; "
    f"print(json.dumps([av.__version__, av.library_versions['libavcodec'][0], "
    f"[c for c in {CODECS!r} if not ({{c, 'lib' + c, 'libdav1d' if c == 'av1' else c}} & have)]]))"
)
_TRY_CTRANSLATE2 = (
    "import ctranslate2 as c, json; print(json.dumps([c.__version__, sorted(c.get_supported_compute_types('cpu'))]))"
)
_TRY_ONNX = "import onnxruntime as o, json; print(json.dumps([o.__version__, o.get_available_providers()]))"
_TRY_ONNX_CUDA = (  # as a GPU worker does: torch first, for it brings CUDA's libraries
    "import torch, onnxruntime as o, json; from importlib.resources import files; "
    "model = files('rapidocr') / 'models' / 'PP-OCRv6_det_small.onnx'; "
    "made = o.InferenceSession(str(model), providers=['CUDAExecutionProvider', 'CPUExecutionProvider']); "
    "print(json.dumps('CUDAExecutionProvider' in made.get_providers()))"
)


_ONE_ONNX = f"pip uninstall -y {onnx.CPU} {onnx.GPU} && pip install --no-deps {onnx.GPU}"
_ONNX_BACK = f"pip uninstall -y {onnx.GPU} && pip install --force-reinstall --no-deps {onnx.CPU}"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    level: Level
    found: str
    advice: str = ""
    """What to do; empty where nothing is."""


def all_checks(*, config_file: str | None, socket_option: str | None) -> list[Check]:
    """Return every finding, in the order in which people should read them."""
    found = [python(), sqlite(sqlite3.sqlite_version_info), yt_dlp(_version("yt-dlp"), datetime.now(UTC)), curl_cffi()]
    found += [decoders(), onnxruntime(), ctranslate2()]
    try:
        config = settings(socket_option, config_file)
    except ConfigError as exc:
        return [*found, Check("configuration", "fail", str(exc), "correct it; everything else depends on it")]
    found.append(Check("configuration", "ok", "no problems"))
    found += [*directories(config), disk(config), *cookies(config), gpu(config)]
    return found + list(daemon(socket_path(socket_option, config_file)))


def python() -> Check:
    """Return Python's version; with one that is too old nothing of this would run."""
    return Check("python", "ok", platform.python_version())


def sqlite(version: tuple[int, int, int]) -> Check:
    """Check SQLite for the WAL-reset bug: 3.7.0 to 3.51.2, fixed in 3.51.3 and in 3.50.7 and 3.44.6 for their lines."""
    text = ".".join(str(part) for part in version)
    fixed = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)
    if fixed:
        return Check("sqlite", "ok", text)
    return Check(
        "sqlite",
        "warn",
        f"{text} has the WAL-reset bug: a database can be damaged when two connections write at once",
        "tiktokd writes through one connection only, which avoids it; do not write to its database with other "
        "programs, or use a Python with SQLite 3.51.3, 3.50.7 or 3.44.6",
    )


def yt_dlp(version: str | None, now: datetime) -> Check:
    """Check that yt-dlp is there and how old it is; its versions are dates."""
    if version is None:
        return Check("yt-dlp", "fail", "not installed", "pip install 'yt-dlp[default,pin-curl-cffi]'")
    try:
        year, month, day = (int(part) for part in version.split(".")[:3])
        age = (now - datetime(year, month, day, tzinfo=UTC)).days
    except ValueError:
        return Check("yt-dlp", "warn", f"{version}: age unknown", "install a released version")
    if age > YT_DLP_OLD_DAYS:
        return Check("yt-dlp", "warn", f"{version}, {age} days old", "pip install -U 'yt-dlp[default,pin-curl-cffi]'")
    return Check("yt-dlp", "ok", f"{version}, {age} days old")


def curl_cffi() -> Check:
    """Check that pages can be fetched the way a browser does."""
    version = _version("curl_cffi")
    if version is None:
        return Check("curl_cffi", "warn", "not installed: TikTok refuses more requests", "pip install curl_cffi")
    return Check("curl_cffi", "ok", version)


def decoders() -> Check:
    """Check FFmpeg's decoders inside PyAV."""
    answer = _try(_TRY_AV)
    if isinstance(answer, str):
        return Check("decoders", "fail", f"PyAV does not work: {answer}", "pip install --force-reinstall av")
    version, libavcodec, missing = answer
    text = f"PyAV {version}, libavcodec {libavcodec}"
    if not missing:
        return Check("decoders", "ok", f"{text}: {', '.join(CODECS)}")
    level: Level = "fail" if {"h264", "aac"} & set(missing) else "warn"
    return Check("decoders", level, f"{text}: without {', '.join(missing)}", "install PyAV's own wheel: pip install av")


def onnxruntime() -> Check:
    """Check the package that runs text reading and voice activity."""
    answer = _try(_TRY_ONNX)
    if isinstance(answer, str):
        return Check("onnxruntime", "fail", f"does not work: {answer}", "pip install --force-reinstall onnxruntime")
    version, providers = answer
    text = f"{version}: {', '.join(name.removesuffix('ExecutionProvider') for name in providers)}"
    packages = onnx.installed()
    if onnx.GPU not in packages:
        return Check("onnxruntime", "ok", f"{text}; text is read on the CPU")
    if onnx.CPU in packages:
        found = f"{text}; {onnx.CPU} and {onnx.GPU} overwrite one another, so text is read on the CPU"
        return Check("onnxruntime", "warn", found, _ONE_ONNX)
    if _try(_TRY_ONNX_CUDA) is not True:
        found = f"{text}; CUDA does not work, so text is read on the CPU, by the GPU worker where there is one"
        advice = f"install the CUDA and cuDNN that {onnx.GPU} {version} wants, or go back: " + _ONNX_BACK
        return Check("onnxruntime", "warn", found, advice)
    return Check("onnxruntime", "ok", f"{text}; text is read on the GPU")


def ctranslate2() -> Check:
    """Check the package that transcribes speech where there is no GPU; nobody has to have it."""
    if _version("ctranslate2") is None:
        advice = "for that: pip install 'tiktokd[asr-cpu]' && tiktokctl models pull openai/whisper-base"
        return Check("ctranslate2", "ok", "not installed: without a GPU no speech is transcribed", advice)
    answer = _try(_TRY_CTRANSLATE2)
    if isinstance(answer, str):
        advice = "pip install --force-reinstall --no-deps ctranslate2"
        return Check("ctranslate2", "warn", f"does not work: {answer}", advice)
    version, types = answer
    return Check("ctranslate2", "ok", f"{version}: {', '.join(types)}")


def directories(config: Config) -> Iterator[Check]:
    """Check that the daemon's directories can be written by this user."""
    for name, path in (("state_dir", config.state_dir), ("log_dir", config.log_dir)):
        there = _existing(path)
        if os.access(there, os.W_OK | os.X_OK):
            yield Check(name, "ok", f"{path}{'' if there == path else ' (will be made)'}")
        else:
            advice = f"set daemon.{name}, or run as the user of the daemon (this is fine for other users)"
            yield Check(name, "warn", f"{path}: this user cannot write to {there}", advice)
    length = len(bytes(config.socket_path))
    if length > SOCKET_PATH_MAX_BYTES:
        found = f"{config.socket_path} has {length} bytes, Unix allows {SOCKET_PATH_MAX_BYTES}"
        yield Check("socket path", "fail", found, "set daemon.runtime_dir to a shorter directory")


def disk(config: Config) -> Check:
    """Check the room for the spool."""
    usage = shutil.disk_usage(_existing(config.state_dir))
    ratio = usage.free / usage.total
    spool = f"the spool may take {config.download.spool_gib:g} GiB"
    text = f"{size(usage.free)} free of {size(usage.total)} ({ratio:.0%}); {spool}"
    if ratio < FREE_RATIO:
        return Check("disk", "fail", text, "downloads stop below 10 %: free some room, or `tiktokctl cleanup --days 1`")
    if usage.free < config.download.spool_gib * 2**30:
        return Check("disk", "warn", text, "lower download.spool_gib, or free some room")
    return Check("disk", "ok", text)


def cookies(config: Config) -> Iterator[Check]:
    """Check the cookie file, where one is configured: it is as good as a password."""
    if not config.download.cookies_file:
        return
    file = at_home(config.download.cookies_file)
    if not os.access(file, os.R_OK):
        yield Check("cookies", "fail", f"cannot read {file}", "correct download.cookies_file")
    elif file.stat().st_mode & 0o077:
        yield Check("cookies", "warn", f"others can read {file}", f"chmod 600 {file}")
    else:
        yield Check("cookies", "ok", str(file))


def gpu(config: Config) -> Check:
    """Check the GPUs that NVML sees against those that the configuration wants."""
    needs_cuda = any(name.startswith("cuda") for name in config.gpu.devices)
    try:
        names, driver = _nvml()
    except LocalError as exc:
        if needs_cuda:
            advice = "install the NVIDIA driver, or set gpu.devices"
            return Check("gpu", "fail", f"gpu.devices wants {', '.join(config.gpu.devices)}: {exc}", advice)
        return Check("gpu", "ok", f"no NVIDIA GPU ({exc}); lightweight analyses run on the CPU")
    return Check("gpu", "ok" if names else "warn", f"{', '.join(names) or 'none'}; driver {driver}")


def _nvml() -> tuple[list[str], str]:
    """Return the names of the GPUs and the driver's version; raises `LocalError` where there is no driver."""
    try:
        import pynvml
    except ImportError as exc:
        raise LocalError("nvidia-ml-py is not installed") from exc
    try:
        pynvml.nvmlInit()
        try:
            handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
            return [str(pynvml.nvmlDeviceGetName(each)) for each in handles], str(pynvml.nvmlSystemGetDriverVersion())
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as exc:
        raise LocalError(str(exc)) from exc


def daemon(socket: Path) -> Iterator[Check]:
    """Check that the daemon answers, and what it says about itself."""
    client = Client(socket, timeout_s=10.0)
    try:
        status, analyzers = client.status(), client.analyzers()
    except Unreachable as exc:
        yield Check("daemon", "warn", str(exc))
        return
    except Refused as exc:
        yield Check("daemon", "fail", f"{socket}: {exc}", "see `tiktokctl logs tiktokd`")
        return
    yield Check("daemon", "ok", f"tiktokd {status.version}, pid {status.pid}, at {socket}")
    yield from _in_the_way(status)
    less = [each for each in analyzers if each["tier"] != "full"]
    if less:
        found = f"{len(less)} of {len(analyzers)} analyzers do less than they could: " + ", ".join(
            str(each["name"]) for each in less
        )
        yield Check("models", "warn", found, "`tiktokctl analyzers` says what each of them lacks")
    elif analyzers:
        yield Check("models", "ok", f"{len(analyzers)} analyzers, all of them full")


def _in_the_way(status: StatusAnswer) -> Iterator[Check]:
    for lane in status.lanes:
        if lane.paused or lane.reason:
            advice = f"tiktokctl resume {lane.lane}" if lane.paused else ""
            yield Check(lane.lane, "warn", standing(lane), advice)
    for worker in status.workers:
        if worker.state == "out_of_service":
            yield Check(
                worker.name, "fail", "has died too often and is out of service", f"tiktokctl logs {worker.name}"
            )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _try(code: str) -> Any:
    """Return what a few lines of Python print as JSON, or the reason why they failed."""
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and our own text
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=TRY_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {TRY_S:.0f} s"
    if done.returncode:
        return done.stderr.strip().rpartition("\n")[2] or f"it ended with {done.returncode}"
    return json.loads(done.stdout.rstrip().rpartition("\n")[2])


def _existing(path: Path) -> Path:
    """Return the path itself or its nearest parent that this user can see."""
    return next(each for each in (path, *path.parents) if os.access(each, os.F_OK))
