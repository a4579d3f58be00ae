"""Runs the daemon until a signal: the workers first, then everything else; takes it apart in the opposite order."""

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from tiktokd import daemon_crew, log
from tiktokd.config import Config
from tiktokd.daemon import EXIT_CONFIG, EXIT_FAILED, EXIT_OK, Targets
from tiktokd.errors import ConfigError
from tiktokd.scheduler.loop import Loop
from tiktokd.scheduler.notify import Notifier
from tiktokd.scheduler.spool import Spool

if TYPE_CHECKING:
    from tiktokd.daemon_parts import Daemon

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
    try:
        spool.make()
    except OSError as exc:
        raise ConfigError(f"cannot make the folders of media: {exc.filename}: {exc.strerror}") from exc
    try:
        return asyncio.run(_serve(config, targets, spool, notifier))
    finally:
        _logger.info("tiktokd has stopped")


async def _serve(config: Config, targets: Targets, spool: Spool, notifier: Notifier) -> int:
    stop, hurry = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # asyncio's handler writes one byte to its wake-up pipe; the callback runs in the loop.
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, stop, hurry)
    crew = daemon_crew.start(config, targets, spool)
    try:
        # Only now: this takes as long as the workers' own start, and goes on beside it.
        from tiktokd.daemon_parts import assemble

        daemon = await assemble(config, spool, crew, notifier)
    except BaseException:
        await crew.supervisor.close()
        crew.region.close()
        raise
    notifier.ready()
    _logger.info("listening on %s", config.socket_path)
    errors = await _until_the_end(daemon, stop)
    notifier.stopping(config.daemon.drain_timeout_s + END_S)
    if not errors:
        _logger.info("draining for at most %g s", config.daemon.drain_timeout_s)
        hurrying = asyncio.create_task(_hurry_when(hurry, crew.loop))
        await crew.loop.drain(config.daemon.drain_timeout_s)
        hurrying.cancel()
    for task in daemon.tasks:
        task.cancel()
    await asyncio.gather(*daemon.tasks, return_exceptions=True)
    await crew.loop.finish()
    await daemon.close()
    if any(isinstance(error, ConfigError) for error in errors):
        return EXIT_CONFIG
    return EXIT_FAILED if errors else EXIT_OK


async def _until_the_end(daemon: "Daemon", stop: asyncio.Event) -> list[BaseException | None]:
    """Return when a signal has come (with nothing), or when what must run for ever has ended (with why)."""
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopped, *daemon.tasks}, return_when=asyncio.FIRST_COMPLETED)
    errors = [task.exception() for task in done if task is not stopped]
    for error in errors:
        _logger.critical("cannot go on: %s", error, exc_info=None if isinstance(error, ConfigError) else error)
    stopped.cancel()
    return errors


def _on_signal(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    (hurry if stop.is_set() else stop).set()


async def _hurry_when(hurry: asyncio.Event, loop: Loop) -> None:
    await hurry.wait()
    loop.hurry()
