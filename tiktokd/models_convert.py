"""Makes of a hub model's tensors what an engine with a form of its own loads, and keeps `models.lock`.

Runs when a person asks, never while the daemon works. Knows no engine: the encoder's file says how it is made.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

from tiktokd import weights
from tiktokd.errors import LocalError
from tiktokd.plugins import Weights
from tiktokd.weights import sha256, size_bytes


def convert(spec: Weights, models_dir: Path) -> None:
    """Make of a model's tensors what an engine loads, if it has a form of its own; whole or not at all, and locked.

    Raises:
        LocalError: the package is not installed, or the tensors are not those that were fetched.
        ModelMissing: there are no tensors, or some are missing.
    """
    form, folder = spec.conversion, weights.made_folder(spec, models_dir)
    if form is None or folder is None:
        return
    require_package(spec)
    fetched = weights.read_lock(models_dir).get(spec.hub_id)
    files = weights.locked_files(fetched)
    if files and (wrong := weights.mismatch(files, folder.parent)):
        raise LocalError(f"{spec.hub_id}: {wrong}; run: tiktokctl models pull {spec.hub_id}")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    form.make(spec, models_dir, part)
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
    facts = {
        "revision": fetched.get("revision") if isinstance(fetched, dict) else None,
        "licence": spec.licence,
        "made_by": f"{form.package} {metadata.version(form.package)}",
    }
    write_lock(models_dir, weights.made_key(spec), facts, folder, form.files)


def require_package(spec: Weights) -> None:
    """Raise `LocalError` where what runs the model is not installed: nobody should fetch what nothing can load."""
    if spec.conversion and (advice := spec.conversion.advice):
        raise LocalError(f"{spec.hub_id} is run by {spec.conversion.package}, which is not installed; run: {advice}")


def write_lock(models_dir: Path, key: str, facts: Mapping[str, object], directory: Path, names: Iterable[str]) -> None:
    """Write an entry of the lock: what is known, and size and digest of files as they are now."""
    path = models_dir / weights.LOCK_NAME
    files = {n: {"size_bytes": size_bytes(directory / n), "sha256": sha256(directory / n)} for n in names}
    part = path.with_suffix(".part")
    with alone(part) as out:  # another model may be pulled at the same time, and its entry must stay
        lock = weights.read_lock(models_dir) | {key: {**facts, "files": files}}
        out.truncate(0)
        out.write(json.dumps(lock, indent=1, sort_keys=True).encode() + b"\n")
        out.flush()
        part.replace(path)


@contextmanager
def alone(path: Path, busy: str | None = None) -> Iterator[BinaryIO]:
    """Hold a file, made where there is none, as the only process, to append to it and to move it to its place.

    Raises:
        LocalError: another process holds it, in the words of `busy`; without them it is waited for.
    """
    while True:
        with path.open("ab") as out:
            try:
                fcntl.flock(out, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
            except BlockingIOError as exc:
                raise LocalError(busy) from exc
            # Who held it before may have moved it away since it was opened: then this is no longer a part.
            if _is_at(path, os.fstat(out.fileno())):
                yield out
                return


def _is_at(path: Path, opened: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), opened)
    except FileNotFoundError:
        return False
