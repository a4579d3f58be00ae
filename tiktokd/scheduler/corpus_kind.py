"""What the kinds of prints have in common: how one is read from a result, looked up, compared, written back.

Values only: `corpus_picture` and `corpus_sound` hold one each. What compares vectors is `corpus_semantic`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from tiktokd.scheduler.corpus_index import Entry, PostingIndex

Summary = Mapping[str, Any]
"""The summary of an envelope."""
NAME_BYTES = 5
"""Of the digest of a space's name: the column of kinds holds 16 characters."""
CANDIDATES = 12
"""Videos that are compared exactly; of a thousand copies the ones that share most are listed."""


def kind_of_space(prefix: str, space: str) -> str:
    """Return the kind of print under which vectors of a space (a model at one revision) are kept."""
    return prefix + hashlib.blake2b(space.encode(), digest_size=NAME_BYTES).hexdigest()


def cluster_of(seq: int, matches: Sequence[tuple[int, int]]) -> int:
    """Return the `seq` of the video that names the cluster of video `seq`.

    The one that is named already: it was the first to be finished, and what was stored of it is not written again. Of
    two copies the one that was queued later may have been.

    Args:
        matches: `seq` and cluster of each video that matches.
    """
    if any(cluster == seq for _, cluster in matches):
        return seq  # it is done again
    heads = [other for other, cluster in matches if cluster == other]
    return min(heads or [seq, *(other for other, _ in matches)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """What is kept of one video to find it again."""

    kind: str
    exact: bytes
    """For the exact comparison."""
    entry: Entry
    """For the first look into the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An earlier print that may match."""

    revision: int
    hint: float = 1.0
    """What the kind found out on the way: the speed of a sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What is written into the result."""

    cluster_id: str
    """The first to be finished of the videos that match, this one included: its own id where none does."""
    matches: Sequence[tuple[str, Mapping[str, JsonValue]]]
    """Video id and the kind's own facts, best first."""
    cluster_size: int
    """Other videos that were filed under the same first video; more than `matches` where there are many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of print."""

    name: str
    analyzer: str
    """Whose results hold it."""
    read: Callable[[Summary], Print | None]
    """The print in a result; `None` where there is nothing to compare. Raises `ValueError`, `KeyError`, `TypeError`."""
    candidates: Callable[[PostingIndex, Print], list[Candidate]]
    """Earlier prints worth comparing, best first."""
    compare: Callable[[Print, Sequence[tuple[Candidate, bytes]]], list[tuple[int, dict[str, JsonValue]]]]
    """Revision and facts of those that match, best first."""
    fill: Callable[[Matched], dict[str, JsonValue]]
    """Fields of the summary."""
