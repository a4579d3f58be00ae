"""Sends candidates to the daemon in batches and reports what became of each. Knows no file and no verb."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tiktokd.cli._session import Progress, Session
from tiktokd.cli._verb import EXIT_PARTIAL
from tiktokd.printable import escape, shortened

if TYPE_CHECKING:
    from tiktokd.protocol import ItemOutcome

SHOWN_CHARS = 300
"""Of a text that is invalid, in the complaint about it."""
_SURROGATE = re.compile("[\ud800-\udfff]")
"""How Python keeps bytes of the command line that are not UTF-8."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing to queue, and where it stood."""

    text: str
    source: str
    """`urls.txt:17`, or empty for one from the command line."""
    problem: str | None = None
    """Why it is not even worth sending."""


Send = Callable[[list[str]], "tuple[ItemOutcome, ...]"]


class Report:
    """Prints outcomes as they come, and remembers only their number."""

    def __init__(self, session: Session, *, each: bool) -> None:
        self._session, self._each = session, each
        self.counts: dict[str, int] = {}
        if session.json:
            session.say('{"items": [')

    def take(self, candidate: Candidate, item: "ItemOutcome") -> None:
        """Report one outcome."""
        first = not self.counts
        self.counts[item.outcome] = self.counts.get(item.outcome, 0) + 1
        if self._session.json:
            fields = ("input", "outcome", "id", "url", "state", "reason")
            record = {"source": candidate.source or None, **{name: getattr(item, name) for name in fields}}
            self._session.say(("" if first else ",") + json.dumps(record, ensure_ascii=False))
        elif item.outcome == "invalid":
            reason, text = item.reason or "", shortened(candidate.text, SHOWN_CHARS)
            shown = f": {text}" if candidate.source and candidate.text not in reason else ""
            self._session.complain(f"{candidate.source or text}: invalid: {reason}{shown}")
        elif self._each:
            state = f" ({item.state})" if item.outcome == "duplicate" else ""
            self._session.say(escape(f"{item.outcome:9} {item.id}{state}"))

    def finish(self) -> int:
        """Print the sum and return the exit code."""
        counts = {name: self.counts.get(name, 0) for name in ("added", "duplicate", "invalid")}
        if self._session.json:
            self._session.say(f'], "counts": {json.dumps(counts)}}}')
        else:
            self._session.say(", ".join(f"{number:,} {name}" for name, number in counts.items()))
        return EXIT_PARTIAL if counts["invalid"] else 0


def queue(
    session: Session,
    candidates: Iterable[Candidate],
    send: Send,
    report: Report,
    *,
    batch: int,
    total: int | None = None,
) -> int:
    """Send everything and return the exit code; where it breaks off, say first what has been queued."""
    from tiktokd.errors import ConfigError, TiktokdError

    try:
        with session.progress("queueing", total) as bar:
            _send_all(candidates, batch, send, report, bar)
    except (TiktokdError, KeyboardInterrupt) as exc:
        begun = bool(report.counts)
        if begun or session.json:
            report.finish()
        if begun:
            session.complain("that is all until it broke off; the same command again passes over what is queued")
        if begun and isinstance(exc, ConfigError):
            raise TiktokdError(str(exc)) from exc  # the exit code of a ConfigError says that nothing was done
        raise
    return report.finish()


def answered(group: Sequence[Candidate], send: Send) -> "Iterator[tuple[Candidate, ItemOutcome]]":
    """Send what is worth it in one request; yield every candidate, in order, with what became of it."""
    from tiktokd.protocol import ItemOutcome

    problems = [each.problem or _unsendable(each.text) for each in group]
    good = [each.text for each, problem in zip(group, problems, strict=True) if problem is None]
    outcomes = iter(send(good) if good else ())
    for each, problem in zip(group, problems, strict=True):
        if problem is None:
            yield each, next(outcomes)
        else:
            yield each, ItemOutcome(input=each.text, outcome="invalid", reason=problem)


def _unsendable(text: str) -> str | None:
    """Return why the daemon would refuse a whole request for the sake of this text; `None`: it would not."""
    from tiktokd.protocol import MAX_TEXT_CHARS

    if len(text) > MAX_TEXT_CHARS:
        return f"{len(text):,} characters; nothing that names a video has more than {MAX_TEXT_CHARS:,}"
    return "not UTF-8" if _SURROGATE.search(text) else None


def _send_all(candidates: Iterable[Candidate], batch: int, send: Send, report: Report, bar: Progress) -> None:
    """Send candidates in batches, in order; memory holds one batch."""
    rest, done = iter(candidates), 0
    while group := list(islice(rest, batch)):
        for each, item in answered(group, send):
            report.take(each, item)
        done += len(group)
        bar.update(done)
