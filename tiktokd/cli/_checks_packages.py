"""What `tiktokctl doctor` finds about Python and the packages beside it. Knows no settings and no daemon.

Native packages are tried in a process of their own: a wheel that does not fit this machine may crash the interpreter.
"""

import json
import platform
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Literal

from tiktokd import onnx

Level = Literal["ok", "warn", "fail"]

YT_DLP_OLD_DAYS = 60
"""TikTok's pages change every few weeks, and yt-dlp follows with releases about monthly."""
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


def package_checks() -> list[Check]:
    """Return every finding, in the order in which people should read them."""
    found = [python(), sqlite(sqlite3.sqlite_version_info), yt_dlp(_version("yt-dlp"), datetime.now(UTC)), curl_cffi()]
    return [*found, decoders(), onnxruntime(), ctranslate2()]


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
