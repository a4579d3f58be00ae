"""Prints of sounds: landmarks. First look by hashes of three landmarks that no change of speed alters.

The hashes of `sound_match` change with the speed, so that a sound would have to be looked up 47 times. Three landmarks
have proportions that stay when a sound is played faster (Six and Leman, Panako, ISMIR 2014): the quotients of their
frequencies, the quotient of their distances in time, and the cycles between the first and the last. What occurs in both
tells the speed and the offset, and the occurrences vote on both together. One lookup finds 10 s of music among 100,000
videos, at every speed; the same occurrences, as if the sound had its triples in reverse, say how many votes chance
gives. What then counts is `sound_match.find` over the few candidates, at the speeds that were found.
"""

import base64
import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from tiktokd.scheduler.corpus_file import KEY_BITS
from tiktokd.scheduler.corpus_index import Entry, Ints, PostingIndex, Vote, vote
from tiktokd.scheduler.corpus_kind import CANDIDATES, Candidate, Kind, Matched, Print, Summary
from tiktokd.sound_hashes import MAX_HZ, MIN_HZ, Landmarks, hashes_of_each, partners, unpack
from tiktokd.sound_match import SPEED_RATIOS, SPEED_STEP, SoundIndex, SoundMatch, find

FAN_OUT = 4
"""Landmarks after one that make triples with it: six triples each."""
GAP_MIN_S, GAP_MAX_S, SPAN_OCTAVES = 0.07, 2.0, 1.2
PITCH_STEP, CYCLES_STEP, TIME_STEP = 0.02, 0.12, 0.08
"""Steps of log2 of the frequencies' quotients, of log2 of the cycles, of the share of the middle landmark's time: twice
the error of landmarks after 48 kbit/s AAC."""
Hashes = tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.float64]]
"""(n,) each: hash, time of the first landmark (s), log2 of its frequency."""
FILED, ASKED = 1024, 4096
"""Hashes of a video under which it is filed, and by which it looks for others. Where there are more, those with the
lowest mixed value are taken: both sides take the same ones."""
HITS_MAX = 25_000
"""Finds 120 of 120 planted sounds at other speeds among 100,000 videos; 40,000 find no more and take 3 ms longer."""
VOTES_MIN = 3
CHANCE_RATIO = 2
"""Votes against what chance gives in other videos. Lower, and foreign songs of the same key and tempo fill the list."""
SPEED_CELL = 0.03
"""Octaves: 2 %."""
OFFSET_CELL_S = 0.5
OFFSET_CELLS = 1 << 14
SPEED_CELL_MAX = 16
"""A third of an octave is 0.80 .. 1.26 and some room."""
TIME_UNIT_S, PITCH_UNIT = 0.004, 1 / 4096
SPEEDS_TRIED = 8
"""Different speeds of candidates that are looked into. What a candidate's triples say of the speed is off by 0.2 %, for
they are taken from where the frequencies are known to a quarter of that."""
UNCHANGED_WITHIN = 0.03
"""Of a speed of 1, within which a sound is first taken for unchanged."""


def read(summary: Summary) -> Print | None:
    """Return the print in a result of sound_fingerprint; `None` where there are too few landmarks."""
    exact = base64.b64decode(summary["landmarks"])
    found = _some(_hashes_of(exact), FILED)
    if not len(found.key):
        return None
    payload = found.time << np.uint32(16) | found.pitch
    entry = Entry(keys=found.key, payload=payload)
    return Print(kind=KIND.name, exact=exact, entry=entry)


class Triples:
    """Hashes of one sound, in no particular order."""

    __slots__ = ("key", "pitch", "time")

    def __init__(self, mixed: NDArray[np.uint64], time_s: NDArray[np.float64], octaves: NDArray[np.float64]) -> None:
        self.key = (mixed & np.uint64((1 << KEY_BITS) - 1)).astype(np.uint32)
        """(n,) 22 bits."""
        self.time = np.rint(time_s / TIME_UNIT_S).astype(np.uint32)
        """(n,) of the first landmark, 4 ms."""
        self.pitch = np.rint(octaves / PITCH_UNIT).astype(np.uint32)
        """(n,) log2 of its frequency, 1/4096 octave."""


def triples(landmarks: Landmarks, most: int) -> Triples:
    """Return the speed-invariant hashes of a sound, `most` of them."""
    return _some(_hashes(landmarks), most)


def _some(hashes: Hashes, most: int) -> Triples:
    mixed, time_s, octaves = hashes
    if len(mixed) > most:
        lowest = np.argpartition(mixed, most)[:most]
        mixed, time_s, octaves = mixed[lowest], time_s[lowest], octaves[lowest]
    return Triples(mixed, time_s, octaves)


@lru_cache(maxsize=1)
def _hashes_of(exact: bytes) -> Hashes:
    """The hashes of one sound, which is first read and then looked for."""
    return _hashes(_landmarks(exact))


def _hashes(landmarks: Landmarks) -> Hashes:
    """Return all hashes of three landmarks, with the time and pitch of the first."""
    heard = (landmarks.freq_hz >= MIN_HZ / 2) & (landmarks.freq_hz < MAX_HZ * 2)
    time_s, freq_hz = landmarks.time_s[heard], landmarks.freq_hz[heard]
    octaves = np.log2(freq_hz)
    ends = np.full(len(time_s), len(time_s))
    near = partners(
        time_s, octaves, ends, gap_min_s=GAP_MIN_S, gap_max_s=GAP_MAX_S, apart_max=SPAN_OCTAVES, most=FAN_OUT
    )
    hashes, firsts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for a, b in itertools.combinations(range(FAN_OUT), 2):
        i = np.flatnonzero(near[:, b] >= 0)
        j, k = near[i, a], near[i, b]
        span_s = time_s[k] - time_s[i]
        parts = (
            np.floor((octaves[j] - octaves[i]) / PITCH_STEP) + 128,
            np.floor((octaves[k] - octaves[i]) / PITCH_STEP) + 128,
            np.floor(np.log2(freq_hz[i] * span_s) / CYCLES_STEP),
            np.floor((time_s[j] - time_s[i]) / span_s / TIME_STEP),
        )
        value = np.zeros(len(i), np.uint64)
        for part in parts:
            value = value << np.uint64(8) | part.astype(np.uint64)
        hashes.append(_mixed(value))
        firsts.append(i)
    mixed, first = np.concatenate(hashes), np.concatenate(firsts)
    return mixed, time_s[first], octaves[first]


def candidates(index: PostingIndex, given: Print) -> list[Candidate]:
    """Return the videos of which several triples agree on speed and offset, more than agree by chance."""
    asked = _some(_hashes_of(given.exact), ASKED)
    if not len(asked.key):
        return []
    hits = index.lookup(asked.key, HITS_MAX)
    octaves = (asked.pitch[hits.row].astype(np.int64) - (hits.payload & 0xFFFF)) * PITCH_UNIT
    speed_cell = np.rint(octaves / SPEED_CELL).astype(np.int64)
    near = np.flatnonzero(np.abs(speed_cell) < SPEED_CELL_MAX)
    octaves, row, revision = octaves[near], hits.row[near], hits.revision[near]
    base, ratio, time = (speed_cell[near] + SPEED_CELL_MAX) * OFFSET_CELLS, np.exp2(octaves), hits.payload[near] >> 16
    cell = base + _offset_cell(time - ratio * asked.time[row])
    found = vote(revision, cell, votes_min=VOTES_MIN, limit=CANDIDATES + 1)
    # What chance gives: the same occurrences, as if the sound had its triples in reverse, in all videos but these.
    there = base + _offset_cell(time - ratio * (asked.time.max() - asked.time)[row])
    others = ~np.isin(revision, [each.revision for each in found])
    chance = vote(revision[others], there[others], votes_min=VOTES_MIN, limit=1)
    votes_min = CHANCE_RATIO * chance[0].votes if chance else VOTES_MIN
    return [
        Candidate(revision=each.revision, hint=_speed_ratio(each, revision, cell, octaves))
        for each in found
        if each.votes >= votes_min
    ]


def compare(given: Print, known: Sequence[tuple[Candidate, bytes]]) -> list[tuple[int, dict[str, JsonValue]]]:
    """Return those that hold the given video's sound."""
    landmarks = _landmarks(given.exact)
    hashes = hashes_of_each([_landmarks(exact) for _, exact in known])
    index = SoundIndex((candidate.revision, each) for (candidate, _), each in zip(known, hashes, strict=True))
    unchanged = any(abs(candidate.hint - 1.0) < UNCHANGED_WITHIN for candidate, _ in known)
    found = {each.video: each for each in find(index, landmarks)} if unchanged else {}
    # What plays 1.5 % faster is also found as it is, with a tenth of the votes: the speed with most of them is true.
    speeds = _speeds([c.hint for c, _ in known if abs(c.hint - 1.0) > SPEED_STEP / 2])
    for each in find(index, landmarks, speeds) if speeds else ():
        if each.video not in found or found[each.video].votes < each.votes:
            found[each.video] = each
    return [(each.video, _facts(each)) for each in sorted(found.values(), key=lambda each: -each.votes)]


def fill(found: Matched) -> dict[str, JsonValue]:
    """Return what the corpus adds to the summary."""
    return {
        "sound_cluster_id": found.cluster_id,
        "reuse_count": max(len(found.matches), found.cluster_size),
        "matches": [{"video_id": id_, **facts} for id_, facts in found.matches],
    }


def _offset_cell(units: NDArray[np.float64]) -> Ints:
    return np.floor(units * (TIME_UNIT_S / OFFSET_CELL_S)).astype(np.int64) + OFFSET_CELLS // 2


def _speed_ratio(found: Vote, revision: Ints, cell: Ints, pitch: NDArray[np.float64]) -> float:
    """Return the median speed of the occurrences that voted."""
    mine = np.flatnonzero(revision == found.revision)
    voters = mine[(cell[mine] == found.cell) | (cell[mine] == found.cell + 1)]
    return float(np.exp2(np.median(pitch[voters])))


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the values stirred (the finalizer of MurmurHash3), so that any bits of them choose at random."""
    value = (value ^ value >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    value = (value ^ value >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ value >> np.uint64(33)


def _landmarks(exact: bytes) -> Landmarks:
    return unpack(base64.b64encode(exact).decode("ascii"))


def _speeds(hints: Sequence[float]) -> list[float]:
    """Return the first few different speeds."""
    within = [hint for hint in hints if SPEED_RATIOS[0] <= hint + SPEED_STEP and hint - SPEED_STEP <= SPEED_RATIOS[-1]]
    steps = {round(hint / SPEED_STEP): round(hint, 4) for hint in reversed(within)}
    return list(dict.fromkeys(steps[round(hint / SPEED_STEP)] for hint in within))[:SPEEDS_TRIED]


def _facts(match: SoundMatch) -> dict[str, JsonValue]:
    return {
        "offset_s": round(match.offset_s, 2) + 0.0,  # not -0.0
        "votes": match.votes,
        "speed_ratio": round(match.speed_ratio, 3),
    }


KIND = Kind(name="sound", analyzer="sound_fingerprint", read=read, candidates=candidates, compare=compare, fill=fill)
