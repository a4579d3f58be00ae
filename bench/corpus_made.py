"""Made-up videos for `bench.corpus`: a crowd of them, some that are planted, and questions that should find these.

The music has notes of one scale on a beat, as music has: its landmarks occur again and again, which is what makes a
search slow. Embeddings of unrelated videos lie at a cosine of 0.6, as those of a model do that has seen the web.
"""

import base64
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from tiktokd.model import Envelope, Signals
from tiktokd.scheduler import (
    corpus_pace,
    corpus_picture,
    corpus_semantic,
    corpus_sound,
    schema,
    store_corpus,
)
from tiktokd.scheduler.corpus_index import Entry
from tiktokd.scheduler.corpus_kind import kind_of_space
from tiktokd.scheduler.database import Database
from tiktokd.sketches import BITS, BYTES, share, sketches
from tiktokd.sound_hashes import Landmarks

PLANTED = 60
POOL = 300
"""Pieces of music whose hashes are mixed into the others'."""
FRAMES, SECONDS = 30, 30.0
DIMENSIONS, ALIKE = 768, 0.6
"""Of embeddings, and the cosine of unrelated ones."""
SPACE = "siglip2@bench"
EMBEDDED, FRAME_NEAR = 32, 0.985
"""Frames of a video that have an embedding, and their cosine with the mean."""
COPIED, EDITED = 0.99, 0.96
"""Cosine of a copy's embedding with the original's."""
WORDS_KIND = kind_of_space(schema.WORDS_PREFIX, SPACE)
KINDS = 5
"""Of questions: nothing, a copy with its sound, the sound at another speed, nothing, an edited copy."""
NOW = 1_790_000_000.0
BATCH = 500


def music(rng: np.random.Generator) -> Landmarks:
    """Return 30 s of landmarks: a scale of its own tuning, chords and melody with overtones on a beat of its own."""
    root, beat_s = 220 * 2 ** rng.uniform(0, 1), 60 / rng.uniform(80, 150) / 2
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    times, pitches = [], []
    for beat in np.arange(0, SECONDS, beat_s):
        notes = rng.choice(scale, 3) + 12 * rng.integers(0, 2, 3)
        for harmonic in (1, 2, 3, 4):
            times += [beat] * 3
            pitches += (root * harmonic * 2 ** (notes / 12)).tolist()
    times_s = np.array(times) + rng.normal(0, 0.004, len(times))
    freq_hz = np.array(pitches) + rng.normal(0, 2.0, len(pitches))
    heard = np.flatnonzero((freq_hz > 250) & (freq_hz < 4000) & (times_s >= 0))
    kept = np.sort(rng.choice(heard, min(600, len(heard)), replace=False))
    order = kept[np.argsort(times_s[kept], kind="stable")]
    return Landmarks(time_s=times_s[order], freq_hz=freq_hz[order])


def changed(frame: bytes, cosine: float, rng: np.random.Generator) -> bytes:
    """Return the sketch of a frame at this cosine to another."""
    turned = np.packbits(rng.random(BITS) < share(cosine))
    return (np.frombuffer(frame, np.uint8) ^ turned).tobytes()


def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return (30, 4, 32) hashes: whole, two crops, mirrored."""
    return rng.integers(0, 256, (FRAMES, 4, 32), np.uint8)


def picture_summary(bits: NDArray[np.uint8]) -> dict[str, Any]:
    """Return what near_duplicate_video says."""
    frames = [[view.tobytes().hex() for view in frame] for frame in bits]
    pdq = [
        {"t_s": float(t), "hash_hex": f[0], "quality": 100, "flipped_hex": f[3], "cropped_hex": f[1:3]}
        for t, f in enumerate(frames)
    ]
    return {"pdq": pdq, "duplicate_cluster_id": None, "matches": [], "embedding_space": None}


def sound_summary(sound: Landmarks) -> dict[str, Any]:
    """Return what sound_fingerprint says."""
    return {"landmarks": sound.pack(), "sound_cluster_id": None, "reuse_count": None, "matches": None}


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors (n, D) at length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def embeddings(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Return (count, D) embeddings of unrelated videos."""
    common = unit(np.random.default_rng(7).standard_normal((1, DIMENSIONS), np.float32))
    own = unit(rng.standard_normal((count, DIMENSIONS), np.float32))
    return unit(np.sqrt(ALIKE) * common + np.sqrt(1 - ALIKE) * own)


def near(vector: NDArray[np.float32], cosine: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return an embedding at this cosine to another."""
    aside = rng.standard_normal(DIMENSIONS, np.float32)
    aside -= (aside @ vector) * vector
    return unit(cosine * vector + np.sqrt(1 - cosine**2) * unit(aside))


def signals(vector: NDArray[np.float32], frames: list[bytes], words: NDArray[np.float32]) -> Signals:
    """Return what siglip2 and siglip2_text say."""
    mean, said = ([round(float(v), 4) for v in each] for each in (vector, words))
    told = {"space": SPACE, "mean": mean, "frames": base64.b64encode(b"".join(frames)).decode("ascii")}
    return {"siglip2": told, "siglip2_text": {"space": SPACE, "vector": said}}


def frames_of(vector: NDArray[np.float32], rng: np.random.Generator) -> list[bytes]:
    """Return sketches of frames whose mean embedding lies near this one."""
    return sketches(np.stack([near(vector, FRAME_NEAR, rng) for _ in range(EMBEDDED)]))


def meaning_print(vector: NDArray[np.float32], frames: list[bytes]) -> store_corpus.NewPrint:
    """Return what is kept of an embedding."""
    meaning = corpus_semantic.read(signals(vector, frames, vector))
    assert meaning is not None
    return corpus_semantic.to_print(meaning, 0)


def again(bits: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a re-encoded copy: about 12 bits of each hash turned over."""
    return bits ^ np.packbits(rng.random((*bits.shape, 8)) < 12 / 256, axis=-1)[..., 0]


def played(sound: Landmarks, ratio: float) -> Landmarks:
    """Return the sound at another speed, a fifth of its landmarks lost."""
    kept = np.arange(len(sound.time_s)) % 5 > 0
    return Landmarks(time_s=sound.time_s[kept] / ratio, freq_hz=sound.freq_hz[kept] * ratio)


class Crowd:
    """Prints of videos that nobody asks for, quickly made, with the keys that real ones have."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        pool = [corpus_sound.triples(music(rng), corpus_sound.FILED) for _ in range(POOL)]
        self._keys = np.concatenate([p.key for p in pool])
        self._pitch = np.concatenate([p.pitch for p in pool])
        self._exact = [base64.b64decode(music(rng).pack()) for _ in range(20)]
        self._batch: list[tuple[store_corpus.NewPrint, ...]] = []

    def prints(self) -> tuple[store_corpus.NewPrint, ...]:
        """Return one video's prints."""
        chosen = self._rng.integers(0, len(self._keys), corpus_sound.FILED)
        time = np.sort(self._rng.integers(0, 7500, corpus_sound.FILED)).astype(np.uint32)
        sound = Entry(keys=self._keys[chosen], payload=time << np.uint32(16) | self._pitch[chosen])
        words = self._rng.integers(0, 65536, (4, corpus_picture.FILED_FRAMES_MIN, 16)).astype(np.uint32)
        what = np.array([0, 1, 1, 2], np.uint32)[:, None, None] * np.uint32(16) + np.arange(16, dtype=np.uint32)
        t_ms = np.linspace(0, 29_000, corpus_picture.FILED_FRAMES_MIN).astype(np.uint32)
        shown = Entry(
            keys=(words | what << np.uint32(16)).ravel(),
            payload=np.tile(np.repeat(t_ms, 16), 4),
        )
        head = corpus_picture.HEAD.pack(FRAMES, 3)
        times = np.arange(FRAMES).astype("<f4").tobytes() + b"\x64" * FRAMES
        return (
            _print("picture", shown, head + times + self._rng.bytes(FRAMES * 128)),
            _print("sound", sound, self._exact[int(self._rng.integers(len(self._exact)))]),
            *self._vectors(),
        )

    def _vectors(self) -> tuple[store_corpus.NewPrint, ...]:
        """Return the prints of pictures, words and pace, a batch of them made at once."""
        if not self._batch:
            pictures, words = embeddings(self._rng, BATCH), embeddings(self._rng, BATCH)
            frames = self._rng.bytes(EMBEDDED * BYTES)
            paces = self._rng.uniform(0, 5, (BATCH, len(corpus_pace.PARTS)))
            for vector, entry, said, pace in zip(pictures, sketches(pictures), words, paces, strict=True):
                self._batch.append((
                    _vector(corpus_semantic.kind_of(SPACE), entry, vector.astype("<f2").tobytes() + frames),
                    _vector(WORDS_KIND, b"", said.astype("<f4").tobytes()),
                    _vector(schema.PACE_KIND, b"", pace.astype("<f4").tobytes()),
                ))  # fmt: skip
        return self._batch.pop()


def _vector(kind: str, entry: bytes, exact: bytes) -> store_corpus.NewPrint:
    return store_corpus.NewPrint(kind=kind, cluster=0, entry=entry, exact=exact)


def pace_summary(rng: np.random.Generator) -> dict[str, Any]:
    """Return what pacing says."""
    return {**{name: float(rng.uniform(0, 5)) for name in corpus_pace.PARTS}, "unknown": {}}


def _print(kind: str, entry: Entry, exact: bytes) -> store_corpus.NewPrint:
    return store_corpus.NewPrint(kind=kind, cluster=0, entry=entry.pack(), exact=exact)


class Planted:
    """Videos that the questions are about."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.pictures = [picture(rng) for _ in range(PLANTED)]
        self.sounds = [music(rng) for _ in range(PLANTED)]
        self.meanings = embeddings(rng, PLANTED)
        self.frames = [frames_of(vector, rng) for vector in self.meanings]

    def prints(self, number: int) -> tuple[store_corpus.NewPrint, ...]:
        """Return one video's prints."""
        shown = corpus_picture.read(picture_summary(self.pictures[number]))
        heard = corpus_sound.read(sound_summary(self.sounds[number]))
        assert shown is not None
        assert heard is not None
        prints = (_print(p.kind, p.entry, p.exact) for p in (shown, heard))
        return (*prints, meaning_print(self.meanings[number], self.frames[number]))


def fill(database: Database, videos: int, planted: Planted, rng: np.random.Generator) -> None:
    """Write the rows of a corpus of `videos` videos, the planted ones among them."""
    crowd = Crowd(rng)
    places = dict(zip(rng.choice(videos, PLANTED, replace=False).tolist(), range(PLANTED), strict=True))

    def write(conn: sa.Connection, first: int, last: int) -> None:
        queue, prints, posts = [], [], []
        for number in range(first, last):
            seq = number + 1
            mine = planted.prints(places[number]) if number in places else crowd.prints()
            name = f"planted-{places[number]}" if number in places else f"v{number}"
            queue.append({"seq": seq, "id": name, "url": "", "state": "completed", "rank": 0.0, **STAMPS})
            prints += [{"seq": seq, "kind": p.kind, "cluster": seq, "entry": p.entry, "exact": p.exact} for p in mine]
            views = int(10 ** rng.uniform(1, 7))
            posts.append({"seq": seq, "creator": f"@{number % 997}", "views": views, "views_per_day": views / 3})
        conn.execute(sa.insert(schema.processing_queue), queue)
        conn.execute(sa.insert(schema.corpus_prints), prints)
        conn.execute(sa.insert(schema.corpus_posts), [{**post, "features": {}} for post in posts])

    for first in range(0, videos, BATCH):
        database.write_blocking(write, first, min(first + BATCH, videos))


STAMPS = {"enqueued_at": NOW, "updated_at": NOW, "finished_at": NOW}


class Question:
    """One new video and what it should find."""

    def __init__(self, number: int, planted: Planted, rng: np.random.Generator) -> None:
        kind = number % KINDS
        self.copy_of = f"planted-{number % PLANTED}" if kind == 1 else None
        self.sound_of = f"planted-{number % PLANTED}" if kind in (1, 2) else None
        self.edit_of = f"planted-{number % PLANTED}" if kind == KINDS - 1 else None
        shown, heard, meaning = picture(rng), music(rng), embeddings(rng, 1)[0]
        if self.copy_of is not None:
            shown = again(planted.pictures[number % PLANTED], rng)
        if self.copy_of is not None or self.edit_of is not None:
            cosine = COPIED if self.copy_of is not None else EDITED
            meaning = near(planted.meanings[number % PLANTED], cosine, rng)
        if self.sound_of is not None:
            heard = played(planted.sounds[number % PLANTED], 1.0 if kind == 1 else float(rng.uniform(0.82, 1.24)))
        reach = dict.fromkeys(("outlier_z", "percentile", "model")) | {"views_per_day": 1e4, "features": {}}
        frames = frames_of(meaning, rng)
        if self.copy_of is not None or self.edit_of is not None:
            frames = [changed(frame, cosine, rng) for frame in planted.frames[number % PLANTED]]
        self.signals = signals(meaning, frames, embeddings(rng, 1)[0])
        summaries = {
            "pacing": pace_summary(rng),
            "cross_modal_agreement": {"missing": {}},
            "near_duplicate_video": picture_summary(shown),
            "sound_fingerprint": sound_summary(heard),
            "virality_features": reach,
        }
        self.outputs = {
            name: Envelope(analyzer=name, version="1", status="ok", tier="lite", summary=summary)
            for name, summary in summaries.items()
        }

    def found(self, outputs: Any) -> tuple[bool, bool, bool]:
        """Return whether the copy, the edited copy and the sound were found, and nothing where there was nothing."""
        matches = outputs["near_duplicate_video"].summary["matches"]
        copies = [m["video_id"] for m in matches if m["kind"] != "semantic"]
        edits = [m["video_id"] for m in matches if m["kind"] == "semantic"]
        sounds = [m["video_id"] for m in outputs["sound_fingerprint"].summary["matches"] or []]
        return _right(copies, self.copy_of), _right(edits, self.edit_of), _right(sounds, self.sound_of)


def _right(found: list[str], expected: str | None) -> bool:
    # Earlier questions were remembered: copies of the same planted video are right as well.
    return (expected in found) if expected is not None else found == []
