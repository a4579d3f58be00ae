"""Puts the daemon together: database, effects, verbs, upkeep, API. The one place that knows every part."""

import asyncio
import logging
import os
import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiktokd import __version__, api
from tiktokd.config import Config
from tiktokd.daemon_crew import Crew
from tiktokd.protocol import LANES
from tiktokd.scheduler import store
from tiktokd.scheduler.control import Control
from tiktokd.scheduler.corpus import Corpus
from tiktokd.scheduler.corpus_keeper import Keeper
from tiktokd.scheduler.costs import SETTING as COSTS_SETTING
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.downloads import GATE_SETTING, Downloads
from tiktokd.scheduler.effects import Effects
from tiktokd.scheduler.feed import Feed
from tiktokd.scheduler.lanes import BREAKER_SETTING, Lanes
from tiktokd.scheduler.lanes import SETTING as LANES_SETTING
from tiktokd.scheduler.notify import Notifier
from tiktokd.scheduler.policy import download_limits, longest_wait_s
from tiktokd.scheduler.runtime import LiveRuntime
from tiktokd.scheduler.spool import Spool
from tiktokd.scheduler.upkeep import Upkeep

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """Everything that runs beside the workers."""

    server: api.Server
    tasks: list[asyncio.Task[None]]
    """What runs until the end; the daemon ends where one of them does."""
    files: ThreadPoolExecutor
    corpus: Corpus
    database: Database

    async def close(self) -> None:
        """Let go of users, files and the database, once the workers have ended."""
        await self.server.close()
        self.files.shutdown()
        self.corpus.close()
        self.database.close()


async def assemble(config: Config, spool: Spool, crew: Crew, notifier: Notifier) -> Daemon:
    """Open the database, put back what the daemon before had claimed, set everything going, open the API.

    Raises:
        ConfigError: the database or an address of the API cannot be used.
    """
    with ExitStack() as undo:
        database = Database.open(config.database_url)
        undo.callback(database.close)
        daemon = await _assemble(config, database, spool, crew, notifier)
        undo.pop_all()
    return daemon


async def _assemble(config: Config, database: Database, spool: Spool, crew: Crew, notifier: Notifier) -> Daemon:
    incarnation = uuid.uuid4().hex
    rescued = database.write_blocking(store.rescue_all, incarnation=incarnation, now=time.time())
    if moved := database.write_blocking(store.follow_spool, str(spool.media_dir)):
        _logger.info("the state directory has moved: %d media files are now looked for in %s", moved, spool.media_dir)
    _sweep(database, spool)
    _logger.info("tiktokd %s starts, pid %d, %d claims rescued", __version__, os.getpid(), rescued)
    clock, utc = time.monotonic, time.time
    lanes, feed = Lanes(), Feed(database, utc=utc)
    files = ThreadPoolExecutor(2, thread_name_prefix="tiktokd-files")
    shared: dict[str, Any] = {"files": files, "clock": clock, "utc": utc, "random": random.random}
    downloads = Downloads(config, database, spool, lanes, **shared)
    corpus = Corpus(database, Keeper(database, config.state_dir / "corpus", clock=clock))
    corpus.warm()
    mine: dict[str, Any] = {"corpus": corpus, "incarnation": incarnation, "emit": crew.loop.emit}
    effects = Effects(config, database, spool, lanes, downloads, **mine, **shared)
    crew.loop.attach(crew.supervisor, effects)
    lanes.restore(await database.read(store.setting, LANES_SETTING))
    lanes.restore_breaker(await database.read(store.setting, BREAKER_SETTING))
    crew.loop.state.paused |= {lane for lane in LANES if lanes.rests(lane)}
    downloads.restore(await database.read(store.setting, GATE_SETTING))
    crew.loop.state.costs.restore(await database.read(store.setting, COSTS_SETTING))
    runtime = LiveRuntime(
        loop=crew.loop, supervisor=crew.supervisor, effects=effects, downloads=downloads, lanes=lanes, feed=feed,
        gpus=crew.gpus, devices=crew.devices, database=database, incarnation=incarnation, clock=clock, utc=utc,
    )  # fmt: skip
    upkeep = Upkeep(
        runtime=runtime, downloads=downloads, database=database, feed=feed, notifier=notifier, clock=clock, utc=utc,
        longest_wait_s=longest_wait_s(download_limits(config)),
    )  # fmt: skip
    server = await api.start(
        Control(database, runtime, log_dir=config.log_dir, clock=utc),
        socket_path=config.socket_path,
        listen=config.http.listen,
        token_file=Path(config.http.token_file) if config.http.token_file else config.state_dir / "token",
    )
    works = (crew.loop.run(), crew.look_after(), feed.follow(), upkeep.run())
    tasks = [asyncio.create_task(work) for work in works]
    return Daemon(server=server, tasks=tasks, files=files, corpus=corpus, database=database)


def _sweep(database: Database, spool: Spool) -> None:
    """Remove files that a crash left in the spool: renamed, but never committed."""
    paths = [str(path) for path in spool.media()]
    known = database.read_blocking(store.known_media, paths)
    spool.remove(Path(path) for path in paths if path not in known)
