"""Does what the dispatcher orders, in the database and among files. Decides nothing itself, knows no processes.

Each effect ends with the event that the dispatcher waits for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, assert_never

from tiktokd.config import Config
from tiktokd.errors import Failure, LocalError, ProtocolError, failure_of
from tiktokd.model import Claim, VideoRef
from tiktokd.protocol import Lane
from tiktokd.scheduler import store, store_corpus, store_mishaps
from tiktokd.scheduler.commands import AskClaim, Complete, Dropped, Keep, NoteCrash, OpenBreaker, Settle
from tiktokd.scheduler.corpus import Corpus
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.downloads import Downloads
from tiktokd.scheduler.events import Claimed, Event, Stored, Wake
from tiktokd.scheduler.lanes import Lanes
from tiktokd.scheduler.patience import REFUSED_RETRY_S, PatientWriter
from tiktokd.scheduler.rates import Counter
from tiktokd.scheduler.settle import Settlement
from tiktokd.scheduler.spool import Spool

Effect = AskClaim | Keep | Complete | Settle | NoteCrash | OpenBreaker | Dropped
R = TypeVar("R")
_logger = logging.getLogger(__name__)


class Effects:
    """Performs commands; `emit` takes the events that follow."""

    def __init__(
        self,
        config: Config,
        database: Database,
        spool: Spool,
        lanes: Lanes,
        downloads: Downloads,
        *,
        corpus: Corpus,
        incarnation: str,
        emit: Callable[[Event], None],
        files: Executor,
        clock: Callable[[], float],
        utc: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._database, self._spool, self._lanes = database, spool, lanes
        self._downloads, self._incarnation, self._emit, self._files = downloads, incarnation, emit, files
        self._corpus = corpus
        self._clock, self._utc = clock, utc
        writer = PatientWriter(database, lanes, clock=clock)
        self._write, self._hinder = writer.write, writer.hinder
        self._decide = Settlement(config, lanes, writer, utc=utc, random=random).decide
        self.stale_results = 0
        """Reports of claims that had been taken away."""
        self.downloaded, self.completed = Counter(started_at=clock()), Counter(started_at=clock())

    async def perform(self, command: Effect) -> None:
        """Do one command and emit the event that answers it."""
        match command:
            case AskClaim():
                claim, again_at = await self._ask_claim(command.lane)
                self._emit(Claimed(lane=command.lane, claim=claim, again_at=again_at))
            case Keep():
                await self._close(command.claim, await self._keep(command))
            case Complete():
                await self._close(command.claim, await self._complete(command))
            case Settle():
                await self._close(command.claim, await self._settle(command))
            case NoteCrash():
                now = self._utc()
                token, failure = command.claim.token, command.failure
                await self._write("processing", store_mishaps.crashed, token, failure=failure, now=now)
            case OpenBreaker():
                await self._open_breaker(command)
            case Dropped():
                await self._drop(command)
            case _:
                assert_never(command)

    async def recover(self, command: Effect, error: Exception) -> None:
        """Answer a command that ran into a bug: a lane must not die and a video not stay in flight for it."""
        if isinstance(command, AskClaim):
            self._hinder(command.lane, f"a bug: {error}; see `tiktokctl logs tiktokd`")
            self._emit(Claimed(lane=command.lane, claim=None, again_at=self._clock() + REFUSED_RETRY_S))
        elif isinstance(command, Keep | Complete | Settle):
            failure = failure_of(error, "finish")
            token = command.claim.token
            held = await self._write("processing", store.fail, token, failure=failure, now=self._utc())
            await self._close(command.claim, held)

    async def rescue(self, claim: Claim, reason: str) -> None:
        """Put a video back, uncharged."""
        await self._database.write(store.rescue, claim.token, reason=reason, now=self._utc())
        await self._in_thread(self._spool.close_attempt, claim.token)

    async def _close(self, claim: Claim, held: bool) -> None:
        """End a claim: its folder goes, the dispatcher forgets it."""
        if not held:
            self.stale_results += 1
            _logger.info("dropped a report of a claim that is over", extra={"video": claim.id})
        await self._in_thread(self._spool.close_attempt, claim.token)
        self._emit(Stored(token=claim.token))

    async def _drop(self, command: Dropped) -> None:
        """Clear up; a claim that holds all the same (cancelled and asked for again at one moment) is put back."""
        token = command.claim.token
        await self._in_thread(self._spool.close_attempt, token)
        if await self._write(command.lane, store.rescue, token, reason="cancelled, then asked for", now=self._utc()):
            self._emit(Wake())

    async def _ask_claim(self, lane: Lane) -> tuple[Claim | None, float | None]:
        try:
            return await (self._claim_download() if lane == "download" else self._claim_processing())
        except LocalError as exc:
            self._hinder(lane, str(exc))
            return None, self._clock() + REFUSED_RETRY_S

    async def _claim_download(self) -> tuple[Claim | None, float | None]:
        claim, again_at = await self._downloads.claim(self._incarnation)
        if claim is None:
            return None, again_at
        try:
            await self._in_thread(self._spool.open_attempt, claim.token)
        except OSError as exc:
            await self._write("download", store.rescue, claim.token, reason=str(exc), now=self._utc())
            raise LocalError(f"cannot make the folder of a download: {exc}") from exc
        return claim, None

    async def _claim_processing(self) -> tuple[Claim | None, float | None]:
        now = self._clock()
        free_at = self._lanes.free_at("processing", now)
        if free_at > now:
            return None, free_at
        utc = self._utc()
        claim = await self._database.write(
            store.claim_processing, worker="processing", incarnation=self._incarnation, now=utc
        )
        if claim is None:
            _, due_at = await self._database.read(store.next_ready_at, now=utc)
            return None, None if due_at is None else now + max(due_at - utc, 0.0)
        if claim.media_path is None or not await self._in_thread(_is_gone, Path(claim.media_path)):
            return claim, None
        await self._media_gone(claim)
        return None, self._clock()

    async def _media_gone(self, claim: Claim) -> None:
        """Fetch a lost file of ours again; of a person's own file only they can know."""
        if claim.spooled:
            message = f"{claim.media_path} is gone from the spool; downloading again"
            lost, ended = Failure(failure_class="transient", stage="decode", message=message), store_mishaps.media_gone
        else:
            again = f"put it back, or add it where it is now, then `tiktokctl requeue {claim.id}`"
            message = f"{claim.media_path} is gone; {again}"
            lost, ended = Failure(failure_class="permanent", stage="decode", message=message), store.fail
        _logger.warning(message, extra={"video": claim.id})
        await self._write("processing", ended, claim.token, failure=lost, now=self._utc())
        self._emit(Wake())

    async def _keep(self, command: Keep) -> bool:
        claim, answer = command.claim, command.answer
        await self._write_gate(self._downloads.succeeded(answer.requests))
        video_id = claim.id
        if answer.resolved is not None:
            video_id = answer.resolved.id
            resolved = await self._resolve(claim, answer.resolved)
            if resolved != "renamed":
                return resolved == "duplicate"
        try:
            path = await self._in_thread(self._spool.keep, claim.token, Path(answer.path), video_id)
        except (LocalError, ProtocolError) as exc:
            return await self._decide(claim, "download", failure_of(exc, "download"), crashed=False, crashes=0)
        held = await self._write(
            "download",
            store.downloaded,
            claim.token,
            media_path=str(path),
            sha256=answer.sha256,
            size_bytes=answer.size_bytes,
            metadata=answer.metadata,
            now=self._utc(),
        )
        if held:
            self.downloaded.add(self._clock())
            self._lanes.clear("download")
            size_mib = answer.size_bytes / 2**20
            _logger.info("downloaded %.1f MiB in %.1f s", size_mib, command.download_s, extra={"video": video_id})
        else:
            await self._remove_unless_known(path)
        return held

    async def _resolve(self, claim: Claim, found: VideoRef) -> store.Resolved:
        """Give a short link's row its real id; the claim goes on only where it was "renamed"."""
        return await self._write(
            "download", store.resolve_short, claim.token, id=found.id, url=found.url, now=self._utc()
        )

    async def _remove_unless_known(self, path: Path) -> None:
        """A cancelled claim's file goes, unless a later claim has put the same one there."""
        if not await self._database.read(store.known_media, [str(path)]):
            await self._in_thread(self._spool.remove, [path])

    async def _complete(self, command: Complete) -> bool:
        def write(compared: store_corpus.Compared) -> Awaitable[list[int] | None]:
            given = {"signals": command.signals, "facts": command.facts, "timings": command.timings}
            token, now = command.claim.token, self._utc()
            return self._write("processing", store_corpus.complete, token, compared=compared, **given, now=now)

        held = await self._corpus.complete(command.claim, command.outputs, command.signals, write)
        if held:
            self.completed.add(self._clock())
            self._lanes.clear("processing")
            _logger.info(
                "completed in %.1f s, %d results",
                command.timings.get("total_s", 0.0),
                len(command.outputs),
                extra={"video": command.claim.id},
            )
        return held

    async def _settle(self, command: Settle) -> bool:
        claim, failure = command.claim, command.failure
        if command.lane == "download":
            closed = await self._write_gate(self._downloads.failed(claim, failure, command.requests))
            if closed:
                _logger.warning("the downloads rest: %s", closed)
            if command.resolved is not None:
                resolved = await self._resolve(claim, command.resolved)
                if resolved != "renamed":
                    return resolved == "duplicate"
                claim = replace(claim, id=command.resolved.id)
        if command.spared:
            reason = f"not counted, the processing is paused: {failure.message}"[:500]
            return await self._write(command.lane, store.rescue, claim.token, reason=reason, now=self._utc())
        return await self._decide(claim, command.lane, failure, crashed=command.crashed, crashes=command.crashes)

    async def _open_breaker(self, command: OpenBreaker) -> None:
        reason = (
            f"{len(command.deaths)} different videos in a row ended their worker; find out why (`tiktokctl doctor`, "
            f"`tiktokctl logs`), then `tiktokctl resume processing`; the last: {command.failure.message}"
        )
        self._lanes.broken = reason
        _logger.error("the processing is paused: %s", reason)
        await self._write(
            "processing", store_mishaps.breaker_opened, deaths=command.deaths, reason=reason, now=self._utc()
        )

    async def _write_gate(self, work: Awaitable[R]) -> R | None:
        try:
            return await work
        except LocalError as exc:
            # The gate works on from memory; only a restart would forget this step.
            _logger.warning("cannot store the rate gate: %s", exc)
            return None

    async def _in_thread(self, function: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._files, function, *args)


def _is_gone(path: Path) -> bool:
    """Return whether there is no such file; where that cannot be told, the decoder says what is wrong."""
    try:
        return not path.is_file()
    except OSError:
        return False
