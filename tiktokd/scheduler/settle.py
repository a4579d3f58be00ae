"""Does what the retry policy says about a failed claim: try again, give up, or let its lane rest. Knows no files."""

import logging
from collections.abc import Callable
from typing import Any

from tiktokd.config import Config
from tiktokd.errors import Failure
from tiktokd.model import Claim
from tiktokd.protocol import Lane
from tiktokd.scheduler import policy, store
from tiktokd.scheduler.lanes import Lanes
from tiktokd.scheduler.patience import PatientWriter

_logger = logging.getLogger(__name__)


class Settlement:
    """The policy of one daemon, and the writes that follow from it."""

    def __init__(
        self,
        config: Config,
        lanes: Lanes,
        writer: PatientWriter,
        *,
        utc: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._config, self._lanes, self._writer, self._utc, self._random = config, lanes, writer, utc, random

    async def decide(self, claim: Claim, lane: Lane, failure: Failure, *, crashed: bool, crashes: int) -> bool:
        """Write what follows from a failure; False where the claim is over.

        Args:
            crashed: the failure is the death of a worker.
            crashes: deaths counted against this video before this one.
        """
        download = lane == "download"
        limits = policy.download_limits(self._config) if download else policy.processing_limits(self._config)
        decision = policy.decide(
            failure,
            stage=lane,
            attempts=claim.attempts,
            crashes=crashes,
            throttles=claim.throttles,
            crashed=crashed,
            limits=limits,
            now=self._utc(),
            random=self._random(),
        )
        how: dict[str, Any]
        match decision:
            case policy.Retry():
                wait_s = max(decision.at - self._utc(), 0.0)
                _logger.info("again in %.0f s: %s", wait_s, failure.message, extra={"video": claim.id})
                how = {"not_before": decision.at, "charge": decision.charge, "crash": decision.crash}
                return await self._writer.write(lane, store.retry, claim.token, failure=failure, **how, now=self._utc())
            case policy.Fail():
                final = decision.failure
                text = f"{final.failure_class} in {final.stage}: {final.message}"
                _logger.warning("failed: %s", text, extra={"video": claim.id})
                how = {"failure": final, "crash": decision.crash}
                return await self._writer.write(lane, store.fail, claim.token, **how, now=self._utc())
            case policy.Pause():
                now = self._utc()
                rest_s = self._lanes.rest_s(lane, decision.until - now)
                self._writer.hinder(decision.lane, decision.reason, rest_s=rest_s)
                # Behind the others, once the lane is open again: the trouble may be with this video alone after all.
                later = {"not_before": now + 2 * rest_s, "charge": False}
                return await self._writer.write(lane, store.retry, claim.token, failure=failure, **later, now=now)
