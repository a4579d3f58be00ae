"""Fetches a hub model when a person asks: what it consists of, room for it, its files, the lock.

Only tensors (`*.safetensors`) and small text files are fetched, at a revision that is written into `models.lock` with
the sha256 of every file; what an engine with a form of its own loads is made of them here. Knows no terminal.
"""

import importlib.util
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tiktokd import weights
from tiktokd.errors import LocalError, ModelMissing, NetworkError
from tiktokd.models_convert import alone, convert, require_package, write_lock
from tiktokd.plugins import Weights
from tiktokd.weights import size_bytes

PATTERNS = ("*.safetensors", "*.json", "*.model", "*.txt")
"""Tensors, settings, tokenizers. Never `*.bin` or `*.py`: a pickle and foreign code."""
SPARE_BYTES = 512 * 2**20
"""Kept free on the disk beyond what is fetched."""


class HubUnreachable(NetworkError):
    """No model can be fetched now, whichever is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file to fetch."""

    name: str
    size_bytes: int
    sha256: str | None = None
    """As the hub has it; `None`: it says so of large files alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a pull would fetch."""

    weights: Weights
    revision: str
    pinned: bool = True
    """By the code, the configuration or the lock; False: it is the newest there is."""
    files: tuple[RemoteFile, ...]
    target: Path

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(f.size_bytes for f in self.files)


def order(spec: Weights, models_dir: Path) -> Order:
    """Ask the hub what a model consists of, at its pinned revision, else at the one in the lock, else the newest.

    Raises:
        NetworkError: the hub cannot be reached or does not know the model.
        ModelMissing: it has no safetensors.
    """
    from fnmatch import fnmatch

    if spec.by_hand:
        raise ModelMissing(f"{spec.hub_id} cannot be pulled: {spec.by_hand}")
    require_package(spec)
    hub, pin = _hub(), _pinned(spec, models_dir)
    with _translated(spec):
        info = hub.HfApi().model_info(spec.hub_id, revision=pin, files_metadata=True)
    files = tuple(
        RemoteFile(name=f.rfilename, size_bytes=f.size or 0, sha256=f.lfs.sha256 if f.lfs else None)
        for f in info.siblings or ()
        if any(fnmatch(f.rfilename, pattern) for pattern in PATTERNS) and "/" not in f.rfilename
    )
    target = models_dir / weights.directory_name(spec)
    if not any(f.name.endswith(".safetensors") for f in files):
        raise ModelMissing(
            f"{spec.hub_id} has no safetensors at revision {info.sha}, and pickled weights are never fetched; "
            f"put its files into {target} yourself, then run: tiktokctl models convert {spec.hub_id}"
        )
    return Order(weights=spec, revision=str(info.sha), pinned=pin is not None, files=files, target=target)


def _pinned(spec: Weights, models_dir: Path) -> str | None:
    """Return the revision to fetch: what was fetched once stays the same, whatever its authors publish since."""
    entry = weights.read_lock(models_dir).get(spec.hub_id)
    locked = entry.get("revision") if isinstance(entry, dict) else None
    return spec.revision or (locked if isinstance(locked, str) else None)


def check_room(orders: Iterable[Order], models_dir: Path) -> int:
    """Return the bytes still to fetch; raises `LocalError` where the disk has no room for them."""
    need = sum(_left_bytes(o, f) for o in orders for f in o.files)
    models_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(models_dir).free
    if need + SPARE_BYTES > free:
        raise LocalError(
            f"{need / 2**20:.0f} MiB are needed and {SPARE_BYTES / 2**20:.0f} MiB to spare, "
            f"{models_dir} has {free / 2**20:.0f} MiB free; set analysis.models_dir to a larger disk"
        )
    return need


def _left_bytes(ordered: Order, file: RemoteFile) -> int:
    """Return how much of a file is still to come."""
    if size_bytes(ordered.target / file.name) == file.size_bytes:
        return 0
    return max(file.size_bytes - size_bytes(_part(ordered, file)), 0)


def _part(ordered: Order, file: RemoteFile) -> Path:
    """Return where a file arrives. A revision never changes what it says, so a part of it may be continued."""
    return ordered.target / f"{file.name}.{ordered.revision[:12]}.part"


def pull(ordered: Order, fetched: Callable[[int], None]) -> None:
    """Fetch what is missing, resuming a broken transfer, write the lock and convert what is to be converted.

    Args:
        ordered: what to fetch.
        fetched: told all bytes so far.

    Raises:
        NetworkError: the transfer broke off, what has arrived is kept for the next try; or it is not what the hub has.
    """
    done = 0
    ordered.target.mkdir(parents=True, exist_ok=True)
    for file in ordered.files:
        path = ordered.target / file.name
        if not (file.sha256 and size_bytes(path) == file.size_bytes and weights.sha256(path) == file.sha256):
            _fetch(ordered, file, partial(_add, fetched, done))
        done += file.size_bytes
        fetched(done)
    spec, models_dir = ordered.weights, ordered.target.parent
    facts = {"revision": ordered.revision, "licence": spec.licence}
    write_lock(models_dir, spec.hub_id, facts, ordered.target, [file.name for file in ordered.files])
    convert(spec, models_dir)


def _fetch(ordered: Order, file: RemoteFile, tell: Callable[[int], None]) -> None:
    """Fetch one file, or the rest of it: `hf_hub_download` begins anew after each break, and 1.6 GB break."""
    hub, spec = _hub(), ordered.weights
    import huggingface_hub.file_download as transfer

    part = _part(ordered, file)
    url = hub.hf_hub_url(spec.hub_id, file.name, revision=ordered.revision)
    with alone(part, f"{spec.hub_id} is being fetched by another tiktokctl") as out:
        if file.size_bytes and out.tell() > file.size_bytes:
            out.seek(0)
            out.truncate()
        with _translated(spec):
            transfer.http_get(
                url, out, resume_size=out.tell(), headers=hub.utils.build_hf_headers(),
                expected_size=file.size_bytes or None, tqdm_class=partial(_Arrivals, tell),
            )  # fmt: skip
            out.flush()
        if file.sha256 and weights.sha256(part) != file.sha256:
            part.unlink()
            raise NetworkError(f"{spec.hub_id}: {file.name} did not arrive as the hub has it (sha256 differs)")
        part.replace(ordered.target / file.name)
    for old in ordered.target.glob(f"{file.name}.*.part"):
        old.unlink()  # of another revision


class _Arrivals:
    """What the hub's library takes for a progress bar: draws nothing, tells how many bytes of a file are here."""

    def __init__(self, tell: Callable[[int], None], *_args: Any, initial: float = 0, **_options: Any) -> None:
        self._tell, self._bytes = tell, initial

    def __enter__(self) -> "_Arrivals":
        return self

    def __exit__(self, *_error: object) -> None:
        return

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_args, **_options: None  # whatever else bars can do, such as close and refresh

    def update(self, n: float | None = 1) -> None:
        """Count one piece, or take back what a broken transfer has to repeat."""
        self._bytes += n or 0
        self._tell(int(self._bytes))


def _add(tell: Callable[[int], None], before: int, arrived: int) -> None:
    tell(before + arrived)


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as exc:
        raise LocalError("the package huggingface_hub is not installed; run: pip install 'tiktokd[models]'") from exc
    # It writes a raw line for each try; what comes of them all is said here, once.
    logging.getLogger(huggingface_hub.__name__).setLevel(logging.CRITICAL)
    return huggingface_hub


def _transport_errors() -> list[type[Exception]]:
    """Return the base error of the HTTP library under the hub client, whose name has changed between versions."""
    known = (name for name in ("httpx2", "httpx") if importlib.util.find_spec(name))
    return [importlib.import_module(name).HTTPError for name in known]


@contextmanager
def _translated(spec: Weights) -> Iterator[None]:
    """Turn the hub library's errors into ours."""
    errors, transport = _hub().errors, _transport_errors()
    try:
        yield
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError) as exc:
        at = f" at revision {spec.revision}" if spec.revision else ""
        raise NetworkError(f"the hub does not know {spec.hub_id}{at}, or it asks for a login") from exc
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError, *transport) as exc:
        said = str(exc).partition("\n")[0][:150] or type(exc).__name__
        raise HubUnreachable(f"{spec.hub_id}: the hub cannot be reached ({said})") from exc
