"""The program `tiktokd`: arguments, early checks, exit codes. What it then runs is put together in `daemon_run`.

Imports nothing heavy: every worker process imports the main module once more.
"""

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tiktokd import __version__, config
from tiktokd.config import Config
from tiktokd.errors import ConfigError

EXIT_OK, EXIT_FAILED, EXIT_CONFIG = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Dotted names of the functions that make the workers' handlers; tests put toys here."""

    download: str = "tiktokd.download:start"
    cpu: str = "tiktokd.cpu:start"
    gpu: str = "tiktokd.gpu.worker:start"


class AlreadyRunning(Exception):
    """Another daemon holds the state directory."""


def main(argv: Sequence[str] | None = None, *, targets: Targets | None = None) -> int:
    """Run the daemon until SIGTERM and return its exit code: 0, 1 (failed) or 2 (the operator must act)."""
    options = _parser().parse_args(argv)
    try:
        settings = _loaded(options.config)
        # Before numpy is imported: thread pools are sized then, ours as well as the children's.
        os.environ.update(environment(settings))
        from tiktokd.settings_check import check

        check(settings)
        if options.check_config:
            print(f"the configuration is fine; state directory {settings.state_dir}")  # noqa: T201
            return EXIT_OK
        with locked(settings.state_dir):
            from tiktokd.daemon_run import run

            return run(settings, targets or Targets())
    except ConfigError as exc:
        print(f"tiktokd: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_CONFIG
    except AlreadyRunning as exc:
        print(f"tiktokd: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED


def _loaded(file: Path | None) -> Config:
    """Return the settings.

    Raises:
        ConfigError: every problem, also what the well-formed rest of them cannot do on this machine.
    """
    try:
        return config.load(file)
    except config.InvalidSettings as exc:
        from tiktokd.settings_check import with_the_rest

        raise with_the_rest(exc) from exc


def environment(settings: Config) -> dict[str, str]:
    """Return variables that children must inherit: libraries read their thread counts when they are first imported.

    Several workers run side by side; a pool of threads per core in each would only make them wait for one another.
    """
    threads = str(settings.cpu.threads)
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB", "BLIS")
    return {f"{name}_NUM_THREADS": threads for name in names} | {
        "OPENCV_FOR_THREADS_NUM": threads,
        "TOKENIZERS_PARALLELISM": "false",
        # NVML numbers the GPUs by bus id; `cuda:0` must be the same card to torch.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }


@contextmanager
def locked(state_dir: Path) -> Iterator[None]:
    """Hold the state directory, made where it is missing; the kernel lets go of it however we end.

    Raises:
        ConfigError: the directory cannot be written to.
        AlreadyRunning: another daemon holds it.
    """
    path = state_dir / "tiktokd.lock"
    try:
        state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        file = path.open("ab+", buffering=0)
    except OSError as exc:
        raise _unwritable(state_dir, exc) from exc
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(f"{os.getpid()}\n".encode())
        except BlockingIOError:
            file.seek(0)
            pid = file.read(20).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunning(f"another tiktokd (pid {pid}) uses the state directory {state_dir}") from None
        except OSError as exc:
            raise _unwritable(state_dir, exc) from exc
        yield


def _unwritable(state_dir: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot write to the state directory {state_dir}: {error.strerror}; see daemon.state_dir")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tiktokd", description="The daemon; `tiktokctl` feeds and questions it.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings; default: the user's, then /etc/tiktokd")
    parser.add_argument("--check-config", action="store_true", help="check the settings and exit (0 or 2)")
    parser.add_argument("--version", action="version", version=f"tiktokd {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
