"""Puts the daemon together, runs it until a signal, takes it apart. The one place that knows every part."""

import asyncio
import logging
import os
import random
import signal
import time
import uuid
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiktokd import __version__, api, log
from tiktokd.config import Config
from tiktokd.daemon import EXIT_CONFIG, EXIT_FAILED, EXIT_OK, Targets
from tiktokd.errors import ConfigError
from tiktokd.scheduler import store
from tiktokd.scheduler.child import WorkerSpec
from tiktokd.scheduler.control import Control
from tiktokd.scheduler.corpus import Corpus
from tiktokd.scheduler.corpus_keeper import Keeper
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.downloads import GATE_SETTING, Downloads
from tiktokd.scheduler.effects import Effects
from tiktokd.scheduler.feed import Feed
from tiktokd.scheduler.gpus import Gpus
from tiktokd.scheduler.jobs import Limits, State
from tiktokd.scheduler.lanes import SETTING as LANES_SETTING
from tiktokd.scheduler.lanes import Lanes
from tiktokd.scheduler.loop import Loop
from tiktokd.scheduler.notify import Notifier
from tiktokd.scheduler.runtime import LiveRuntime
from tiktokd.scheduler.spool import Spool
from tiktokd.scheduler.supervisor import Supervisor
from tiktokd.scheduler.upkeep import Upkeep
from tiktokd.slots import Region, SlotTable
from tiktokd.worker import SharedRegion

MIB = 2**20
MAX_AUTO_BYTES = 4 * 2**30
"""`analysis.slots = "auto"` takes at most this much, and at most a tenth of the memory."""
MIN_SLOTS, SLOTS_PER_GPU = 4, 8
END_S = 15.0
"""Beyond `drain_timeout_s`, ending takes at most this long."""

_logger = logging.getLogger(__name__)


def run(config: Config, targets: Targets) -> int:
    """Run the daemon; the state directory is ours already. Returns the exit code."""
    notifier = Notifier()
    try:
        log.setup("tiktokd", config.log_dir, config.daemon.log_level, console=True)
    except OSError as exc:
        raise ConfigError(f"cannot write to the log directory {config.log_dir}: {exc.strerror}") from exc
    # It tells each of its plug-ins and steps; ours is one line.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    spool = Spool(config.state_dir)
    spool.make()
    incarnation = uuid.uuid4().hex
    database = Database.open(config.database_url)
    try:
        rescued = database.write_blocking(store.rescue_all, incarnation=incarnation, now=time.time())
        _sweep(database, spool)
        _logger.info("tiktokd %s starts, pid %d, %d claims rescued", __version__, os.getpid(), rescued)
        base = Base(config=config, targets=targets, database=database, spool=spool, incarnation=incarnation)
        return asyncio.run(_serve(base, notifier))
    finally:
        database.close()
        _logger.info("tiktokd has stopped")


def specs(config: Config, targets: Targets, devices: tuple[str, ...]) -> list[WorkerSpec]:
    """Return the workers to run, in the order in which they are started."""
    cpus = min(4, len(os.sched_getaffinity(0))) if config.cpu.workers == "auto" else config.cpu.workers
    found = [
        *(WorkerSpec(kind="cpu", index=index, target=targets.cpu) for index in range(cpus)),
        *(WorkerSpec(kind="gpu", index=i, target=targets.gpu, device=d) for i, d in enumerate(devices)),
        *(WorkerSpec(kind="download", index=i, target=targets.download) for i in range(config.download.workers)),
    ]
    # The first of each kind first: with them everything can move.
    return sorted(found, key=lambda spec: spec.index)


def slot_count(config: Config, gpus: int, memory_bytes: int) -> int:
    """Return how many frame slots to make for `analysis.slots`."""
    if config.analysis.slots != "auto":
        return config.analysis.slots
    fits = min(memory_bytes // 10, MAX_AUTO_BYTES) // (config.analysis.slot_mib * MIB)
    return max(fits, MIN_SLOTS, SLOTS_PER_GPU * gpus)


def _sweep(database: Database, spool: Spool) -> None:
    """Remove files that a crash left in the spool: renamed, but never committed."""
    paths = [str(path) for path in spool.media()]
    known = database.read_blocking(store.known_media, paths)
    spool.remove(Path(path) for path in paths if path not in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What is there before the event loop."""

    config: Config
    targets: Targets
    database: Database
    spool: Spool
    incarnation: str


async def _serve(base: Base, notifier: Notifier) -> int:
    config = base.config
    stop, hurry = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # asyncio's handler writes one byte to its wake-up pipe; the callback runs in the loop.
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, stop, hurry)
    daemon = await _assemble(base, notifier)
    server = await api.start(
        daemon.control,
        socket_path=config.socket_path,
        listen=config.http.listen,
        token_file=Path(config.http.token_file) if config.http.token_file else config.state_dir / "token",
    )
    running = [asyncio.create_task(work) for work in daemon.tasks]
    stopped = asyncio.create_task(stop.wait())
    notifier.ready()
    _logger.info("listening on %s", config.socket_path)
    done, _ = await asyncio.wait({stopped, *running}, return_when=asyncio.FIRST_COMPLETED)
    errors = [task.exception() for task in done if task is not stopped]
    for error in errors:
        _logger.critical("cannot go on: %s", error, exc_info=None if isinstance(error, ConfigError) else error)
    notifier.stopping(config.daemon.drain_timeout_s + END_S)
    if not errors:
        _logger.info("draining for at most %g s", config.daemon.drain_timeout_s)
        hurrying = asyncio.create_task(_hurry_when(hurry, daemon.loop))
        await daemon.loop.drain(config.daemon.drain_timeout_s)
        hurrying.cancel()
    stopped.cancel()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await daemon.loop.finish()
    await server.close()
    daemon.close()
    if any(isinstance(error, ConfigError) for error in errors):
        return EXIT_CONFIG
    return EXIT_FAILED if errors else EXIT_OK


def _on_signal(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    (hurry if stop.is_set() else stop).set()


async def _hurry_when(hurry: asyncio.Event, loop: Loop) -> None:
    await hurry.wait()
    loop.hurry()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Daemon:
    """The parts that `_serve` needs again."""

    control: Control
    loop: Loop
    tasks: list[Coroutine[Any, Any, None]]
    """What runs until the end; the daemon ends where one of them does."""
    files: ThreadPoolExecutor
    corpus: Corpus

    def close(self) -> None:
        """Wait for the last file to be moved or removed, and for the corpus to leave off."""
        self.files.shutdown()
        self.corpus.close()


async def _run_workers(supervisor: Supervisor, loop: Loop, slots: int, slot_bytes: int) -> None:
    """Take the memory of the frame slots, then start the workers and look after them.

    Not before the API is open: the kernel needs 0.3 s per GiB to hand the memory out.
    """
    region = await asyncio.to_thread(Region.create, slots, slot_bytes)
    try:
        supervisor.region = SharedRegion(region)
        await loop.tick()
    finally:
        region.close()


async def _assemble(base: Base, notifier: Notifier) -> _Daemon:
    config, database, spool = base.config, base.database, base.spool
    clock, utc = time.monotonic, time.time
    gpus, lanes, feed = Gpus(), Lanes(), Feed(database, utc=utc)
    devices = gpus.devices(config.gpu.devices)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    slots = slot_count(config, len(devices), memory)
    files = ThreadPoolExecutor(2, thread_name_prefix="tiktokd-files")
    limits = Limits(
        attempts_dir=str(spool.attempts_dir),
        gpu_workers=len(devices),
        prefetch=config.gpu.prefetch,
        gpu_attempts=config.gpu.attempts,
        gpu_gap_s=60 / config.gpu.per_minute if config.gpu.per_minute else 0.0,
    )
    loop = Loop(State(limits=limits, slots=SlotTable(slots)), clock=clock)
    shared: dict[str, Any] = {"files": files, "clock": clock, "utc": utc, "random": random.random}
    downloads = Downloads(config, database, spool, lanes, **shared)
    corpus = Corpus(database, Keeper(database, config.state_dir / "corpus", clock=clock))
    mine: dict[str, Any] = {"corpus": corpus, "incarnation": base.incarnation, "emit": loop.emit}
    effects = Effects(config, database, spool, lanes, downloads, **mine, **shared)
    supervisor = Supervisor(specs(config, base.targets, devices), config, emit=loop.emit, clock=clock)
    loop.attach(supervisor, effects)
    lanes.restore(await database.read(store.setting, LANES_SETTING))
    loop.state.paused |= lanes.paused
    downloads.restore(await database.read(store.setting, GATE_SETTING))
    runtime = LiveRuntime(
        loop=loop, supervisor=supervisor, effects=effects, downloads=downloads, lanes=lanes, feed=feed, gpus=gpus,
        devices=devices, database=database, incarnation=base.incarnation, clock=clock, utc=utc,
    )  # fmt: skip
    upkeep = Upkeep(
        runtime=runtime, downloads=downloads, database=database, feed=feed, notifier=notifier, clock=clock, utc=utc
    )
    return _Daemon(
        control=Control(database, runtime, log_dir=config.log_dir, clock=utc),
        loop=loop,
        tasks=[
            loop.run(),
            _run_workers(supervisor, loop, slots, config.analysis.slot_mib * MIB),
            feed.follow(),
            upkeep.run(),
        ],
        files=files,
        corpus=corpus,
    )
