"""Hub models on this machine: which there are, fetching them when a person asks, proving that they are whole.

Only tensors (`*.safetensors`) and small text files are fetched, at a revision that is written into `models.lock` with
the sha256 of every file; what an engine with a form of its own loads is made of them here. Nothing here runs while the
daemon works. Knows no queue and no terminal.
"""

import fcntl
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tiktokd import graph, paths, weights
from tiktokd.config import Config
from tiktokd.errors import ConfigError, LocalError, ModelMissing, NetworkError
from tiktokd.models_convert import convert, require_package, write_lock
from tiktokd.plugins import Weights
from tiktokd.weights import size_bytes

PATTERNS = ("*.safetensors", "*.json", "*.model", "*.txt")
"""Tensors, settings, tokenizers. Never `*.bin` or `*.py`: a pickle and foreign code."""
SPARE_BYTES = 512 * 2**20
"""Kept free on the disk beyond what is fetched."""
Health = Literal["present", "missing", "unlocked", "damaged"]
"""unlocked: there, but not fetched by us, so there is nothing to compare with; damaged: not what the lock says."""


class HubUnreachable(NetworkError):
    """No model can be fetched now, whichever is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model that an encoder wants."""

    weights: Weights
    encoders: tuple[str, ...]
    analyzers: tuple[str, ...]
    """Those that use it, required or optional."""
    path: Path | None
    """`None`: not on this machine."""
    size_bytes: int
    """On this machine; 0 where it is missing."""


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
    files: tuple[RemoteFile, ...]
    target: Path

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(f.size_bytes for f in self.files)


def wanted(config: Config) -> list[Model]:
    """Return every model that the encoders of this configuration want, by hub id.

    Raises:
        ConfigError: this user may not look into the directory of models.
    """
    if paths.is_there(config.models_dir) and not os.access(config.models_dir, os.R_OK | os.X_OK):
        raise ConfigError(f"no permission to look into {config.models_dir}; use sudo, or set analysis.models_dir")
    catalogue = graph.load()
    own = graph.own_models(config.analysis.models, catalogue)
    found: dict[str, tuple[Weights, list[str]]] = {}
    for encoder in catalogue.encoders.values():
        if encoder.weights is not None:
            spec = weights.chosen(encoder.weights, own)
            known, names = found.get(spec.hub_id, (spec, []))
            usable = known if known.conversion or (spec.conversion and spec.conversion.advice) else spec
            # An extra only where it is one for all who read it.
            found[spec.hub_id] = (replace(usable, extra=known.extra and spec.extra), [*names, encoder.name])
    return [_model(spec, names, catalogue, config) for _id, (spec, names) in sorted(found.items())]


def _model(spec: Weights, encoders: list[str], catalogue: graph.Catalogue, config: Config) -> Model:
    served = {*encoders, *(catalogue.encoders[name].stands_for for name in encoders)}
    users = [a.name for a in catalogue.analyzers.values() if served & {*a.uses, *a.optional, *a.signals}]
    try:
        path = weights.locate(spec, config.models_dir)
    except ModelMissing:
        path = None
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) if path else 0
    return Model(weights=spec, encoders=tuple(encoders), analyzers=tuple(sorted(users)), path=path, size_bytes=size)


def pick(models: Iterable[Model], names: Iterable[str], *, extras: bool = True) -> list[Model]:
    """Return the models named by hub id, encoder or analyzer; all of them for "all".

    Args:
        models: those there are.
        names: what was asked for.
        extras: also those that are extras by the name of an analyzer or "all"; by their own name always.

    Raises:
        ConfigError: a name fits nothing.
    """
    known = list(models)
    chosen: dict[str, Model] = {}
    for name in names:
        fits = [m for m in known if name == "all" or name in (m.weights.hub_id, *m.encoders, *m.analyzers)]
        if not fits and name in {*(there := graph.load()).analyzers, *there.encoders}:
            raise ConfigError(f'"{name}" works without a model; see: tiktokctl models list')
        if not fits:
            raise ConfigError(f'"{name}" is no model, encoder or analyzer here; see: tiktokctl models list')
        own = [m for m in fits if extras or not m.weights.extra or name in (m.weights.hub_id, *m.encoders)]
        chosen |= {m.weights.hub_id: m for m in own}
    return list(chosen.values())


def order(spec: Weights, models_dir: Path) -> Order:
    """Ask the hub what a model consists of, at its pinned revision or the newest.

    Raises:
        NetworkError: the hub cannot be reached or does not know the model.
        ModelMissing: it has no safetensors.
    """
    from fnmatch import fnmatch

    if spec.by_hand:
        raise ModelMissing(f"{spec.hub_id} cannot be pulled: {spec.by_hand}")
    require_package(spec)
    hub = _hub()
    with _translated(spec):
        info = hub.HfApi().model_info(spec.hub_id, revision=spec.revision, files_metadata=True)
    files = tuple(
        RemoteFile(name=f.rfilename, size_bytes=f.size or 0, sha256=f.lfs.sha256 if f.lfs else None)
        for f in info.siblings or ()
        if any(fnmatch(f.rfilename, pattern) for pattern in PATTERNS) and "/" not in f.rfilename
    )
    if not any(f.name.endswith(".safetensors") for f in files):
        raise ModelMissing(
            f"{spec.hub_id} has no safetensors at revision {info.sha}; pickled weights are never loaded. "
            "Convert it once yourself and put it into the models directory"
        )
    return Order(weights=spec, revision=str(info.sha), files=files, target=models_dir / weights.directory_name(spec))


def check_room(orders: Iterable[Order], models_dir: Path) -> int:
    """Return the bytes still to fetch; raises `LocalError` where the disk has no room for them."""
    need = sum(f.size_bytes for o in orders for f in o.files if size_bytes(o.target / f.name) != f.size_bytes)
    models_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(models_dir).free
    if need + SPARE_BYTES > free:
        raise LocalError(
            f"{need / 2**20:.0f} MiB are needed and {SPARE_BYTES / 2**20:.0f} MiB to spare, "
            f"{models_dir} has {free / 2**20:.0f} MiB free; set analysis.models_dir to a larger disk"
        )
    return need


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

    # A revision never changes what a file says, so a part of it may be continued.
    part = ordered.target / f"{file.name}.{ordered.revision[:12]}.part"
    url = hub.hf_hub_url(spec.hub_id, file.name, revision=ordered.revision)
    with part.open("ab") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise LocalError(f"{spec.hub_id} is being fetched by another tiktokctl") from exc
        if file.size_bytes and out.tell() > file.size_bytes:
            out.seek(0)
            out.truncate()
        with _translated(spec):
            transfer.http_get(
                url, out, resume_size=out.tell(), headers=hub.utils.build_hf_headers(),
                expected_size=file.size_bytes or None, tqdm_class=partial(_Arrivals, tell),
            )  # fmt: skip
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


def verify(model: Model, models_dir: Path) -> tuple[Health, str]:
    """Return the health of a model, and what is wrong with it in words; reads every byte."""
    if model.path is None:
        return "missing", weights.how_to_get(model.weights, models_dir)
    also = ""
    if model.weights.conversion:
        try:
            also = f", and what {weights.made(model.weights, models_dir)[1].get('made_by')} made of them"
        except ModelMissing as exc:
            return "damaged", str(exc)
    entry = weights.read_lock(models_dir).get(model.weights.hub_id)
    if entry is None or model.path.parent != models_dir:
        return "unlocked", "not fetched by tiktokctl: there is no checksum to compare with"
    files = weights.locked_files(entry)
    if files is None or not isinstance(entry.get("revision"), str):
        return "unlocked", f"{weights.LOCK_NAME} was damaged or edited; pull it again to have checksums"
    if wrong := weights.mismatch(files, model.path):
        return "damaged", wrong
    return "present", f"{len(files)} files as fetched at revision {entry['revision'][:12]}{also}"


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as exc:
        raise LocalError("the package huggingface_hub is not installed; run: pip install 'tiktokd[models]'") from exc
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
        raise HubUnreachable(f"{spec.hub_id}: the hub cannot be reached ({str(exc).splitlines()[0][:150]})") from exc
