"""Made-up videos for tests of the corpus: PDQ hashes and landmarks as the analyzers write them, and their database."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tests.store_fixtures import NOW, Queue
from tiktokd.errors import LocalError
from tiktokd.model import Envelope, Metadata
from tiktokd.scheduler import store_corpus
from tiktokd.scheduler.corpus import Corpus
from tiktokd.scheduler.corpus_keeper import Keeper
from tiktokd.scheduler.database import Database
from tiktokd.sketches import sketches
from tiktokd.sound_hashes import Landmarks

PICTURE, SOUND, REACH = "near_duplicate_video", "sound_fingerprint", "virality_features"
PACE, WORDS = "pacing", "cross_modal_agreement"
VIEWS = 3


class Frames:
    """The hashes of a video, one frame per second, that can be changed as copies change them."""

    def __init__(self, bits: np.ndarray, start_s: float = 0.0) -> None:
        self.bits, self.start_s = bits, start_s
        """(N, 4, 256) 0 or 1: the whole picture, two crops, the mirrored one; seconds of the first frame."""

    @classmethod
    def made_up(cls, seed: int, seconds: int = 20) -> "Frames":
        return cls(np.random.default_rng(seed).integers(0, 2, (seconds, VIEWS + 1, 256), np.uint8))

    def encoded_again(self, bits: int, seed: int = 0) -> "Frames":
        """With this many bits of each hash turned over."""
        random, changed = np.random.default_rng(seed), self.bits.copy()
        for row in changed.reshape(-1, 256):
            row[random.choice(256, bits, replace=False)] ^= 1
        return Frames(changed)

    def mirrored(self) -> "Frames":
        """The whole picture and its mirror image swapped; of the mirrored crops nothing is known."""
        changed = np.random.default_rng(9).integers(0, 2, self.bits.shape, np.uint8)
        changed[:, 0], changed[:, VIEWS] = self.bits[:, VIEWS], self.bits[:, 0]
        return Frames(changed)

    def cropped(self) -> "Frames":
        """What was the 5 % crop is now the whole picture."""
        changed = np.random.default_rng(8).integers(0, 2, self.bits.shape, np.uint8)
        changed[:, 0] = self.bits[:, 1]
        return Frames(changed)

    def trimmed(self, first_s: int, last_s: int) -> "Frames":
        return Frames(self.bits[first_s:last_s])

    def summary(self, quality: int = 100) -> dict[str, Any]:
        """The summary of near_duplicate_video."""
        texts = [[np.packbits(view).tobytes().hex() for view in frame] for frame in self.bits]
        pdq = [
            {"t_s": float(t), "hash_hex": whole, "quality": quality, "flipped_hex": flipped, "cropped_hex": crops}
            for t, (whole, *crops, flipped) in enumerate(texts)
        ]
        corpus = {"duplicate_cluster_id": None, "cluster_size": None, "matches": [], "embedding_space": None}
        unknown = dict.fromkeys(("duplicate_cluster_id", "cluster_size", "embedding_space"), "corpus_unavailable")
        return {"pdq": pdq, **corpus, "unknown": unknown}


def tune(seed: int, seconds: float = 30.0, per_second: int = 20) -> Landmarks:
    """Landmarks of a made-up piece, on no scale and in no rhythm."""
    random = np.random.default_rng(seed)
    count = round(seconds * per_second)
    return Landmarks(
        time_s=np.sort(random.uniform(0, seconds, count)),
        freq_hz=np.exp(random.uniform(np.log(350), np.log(3000), count)),
    )


def played(sound: Landmarks, ratio: float = 1.0, start_s: float = 0.0, seconds: float = 1e9) -> Landmarks:
    """The landmarks of a video that starts at `start_s` of the sound and plays it `ratio` times as fast."""
    here = (sound.time_s >= start_s) & (sound.time_s < start_s + seconds * ratio)
    return Landmarks(time_s=(sound.time_s[here] - start_s) / ratio, freq_hz=sound.freq_hz[here] * ratio)


def both(*sounds: Landmarks) -> Landmarks:
    """Several sounds at once."""
    time_s, freq_hz = np.concatenate([s.time_s for s in sounds]), np.concatenate([s.freq_hz for s in sounds])
    order = np.argsort(time_s)
    return Landmarks(time_s=time_s[order], freq_hz=freq_hz[order])


def sound_summary(sound: Landmarks) -> dict[str, Any]:
    """The summary of sound_fingerprint."""
    return {
        "fingerprint_hashes": len(sound.time_s),
        "landmarks": sound.pack(),
        "sound_cluster_id": None,
        "reuse_count": None,
        "matches": None,
        "platform_music_id": None,
        "unknown": dict.fromkeys(("sound_cluster_id", "reuse_count", "matches"), "corpus_unavailable"),
    }


def pace_summary(
    cuts: float | None = None,
    motion: float | None = None,
    onsets: float | None = None,
    words: float | None = None,
    syllables: float | None = None,
) -> dict[str, Any]:
    """The summary of pacing."""
    rates = {"cuts_per_min": cuts, "motion": motion, "onsets_per_s": onsets, "words_per_s": words}
    known = {**rates, "syllables_per_s": syllables}
    others = dict.fromkeys(("shot_mean_s", "shot_median_s", "shot_cv", "beat_sync_ratio"))
    unknown = {name: "no_sources" for name, value in (known | others).items() if value is None}
    index = {"pace_index": None, "pace_parts": [], "pace_videos": 0, "pace_level": 0.5}
    return {
        **known, **others, **index, "unknown": unknown | {"pace_index": "corpus_unavailable"},
        "pace_formula": "", "level_formula": "",
    }  # fmt: skip


def words_summary(missing: str = "corpus_unavailable") -> dict[str, Any]:
    """The summary of cross_modal_agreement."""
    nothing = dict.fromkeys(("ocr_speech", "caption_content", "audio_picture"))
    return {
        **nothing, "visual_text_z": None, "visual_text_shipped_z": 1.0, "hashtag_relevance": [], "mismatch_flags": [],
        "missing": {**dict.fromkeys(nothing, "no_text"), "visual_text_z": missing},
    }  # fmt: skip


def outputs_of(
    picture: Frames | None = None,
    sound: Landmarks | None = None,
    reach: dict[str, Any] | None = None,
    pace: dict[str, Any] | None = None,
    words: dict[str, Any] | None = None,
) -> dict[str, Envelope]:
    """The results of a video that shows and plays these."""
    given = {
        PICTURE: None if picture is None else picture.summary(),
        SOUND: None if sound is None else sound_summary(sound),
        REACH: reach,
        PACE: pace,
        WORDS: words,
    }
    return {
        name: Envelope(analyzer=name, version="1", status="ok", tier="full", summary=summary)
        for name, summary in given.items()
        if summary is not None
    }


DIMENSIONS = 768


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector at length 1."""
    return vector / np.linalg.norm(vector)


def scene(seed: int) -> np.ndarray:
    """The mean embedding of a made-up clip. Unrelated clips lie at 0.6: a third of each vector is common to all."""
    common, own = (np.random.default_rng(s).standard_normal(DIMENSIONS) for s in (10**6, seed))
    return unit(np.sqrt(0.6) * unit(common) + np.sqrt(0.4) * unit(own))


def edited(vector: np.ndarray, cosine: float, seed: int = 0) -> np.ndarray:
    """A vector at exactly this cosine to another, in a direction of its own."""
    aside = np.random.default_rng(seed).standard_normal(len(vector))
    aside -= (aside @ vector) * vector
    return cosine * vector + np.sqrt(1 - cosine**2) * unit(aside)


def signals_of(
    vector: np.ndarray, space: str = "siglip2@1", frames: np.ndarray | None = None
) -> dict[str, dict[str, Any]]:
    """The signals of a video with this mean embedding, as the encoder writes them; without frames: as it once did."""
    told = {"space": space, "mean": [round(float(v), 4) for v in vector]}
    if frames is not None:
        told["frames"] = base64.b64encode(b"".join(sketches(frames.astype(np.float32)))).decode()
    return {"siglip2": told}


def frames_of(*scenes: np.ndarray, apart: float = 0.99, seed: int = 0) -> np.ndarray:
    """Four frames of each scene, each at a cosine of `apart` to it; their mean is the mean embedding of the clip."""
    return np.stack([edited(each, apart, 1000 * seed + 10 * n + k) for n, each in enumerate(scenes) for k in range(4)])


def clip_of(frames: np.ndarray, space: str = "siglip2@1") -> dict[str, dict[str, Any]]:
    """The signals of a video with these frames."""
    return signals_of(unit(frames.mean(axis=0)), space, frames)


class Sickly:
    """A database that can be made to refuse to be read."""

    def __init__(self, database: Database) -> None:
        self._database, self.sick = database, False

    def read_blocking(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self.sick:
            raise LocalError("the disk is gone")
        return self._database.read_blocking(fn, *args, **kwargs)

    def write_blocking(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._database.write_blocking(fn, *args, **kwargs)


class Library:
    """A queue and its corpus, over several lives."""

    def __init__(self, folder: Path, queue: Queue, **settings: Any) -> None:
        self.folder, self.queue, self.settings = folder, queue, settings
        self.now = 0.0
        self.database = Sickly(queue.db)
        self.corpus = self.fresh()

    def fresh(self) -> Corpus:
        """A corpus as after a start of the daemon."""
        self.keeper = Keeper(self.database, self.folder / "corpus", clock=lambda: self.now, **self.settings)
        return Corpus(self.database, self.keeper)

    def restart(self) -> None:
        self.corpus.close()
        self.corpus = self.fresh()

    def claim(self, id_: str, metadata: Metadata | None = None) -> Any:
        """Queue a video, download it, and claim it for processing."""
        if self.queue.state(id_) == "gone":
            self.queue.put(id_)
        if self.queue.state(id_) == "pending":
            downloading = self.queue.download()
            assert downloading.id == id_
            about = {"media_path": f"/spool/{id_}.mp4", "sha256": "0" * 64, "size_bytes": 10}
            self.queue.downloaded(downloading.token, **about, metadata=metadata or Metadata(), now=NOW)
        claim = self.queue.process()
        assert claim.id == id_
        return claim

    async def finish(self, id_: str, **what: Any) -> dict[str, Any]:
        """Lead a video to its end; return its stored summaries."""
        metadata, signals = what.pop("metadata", None), what.pop("signals", None)
        assert await self.complete(self.claim(id_, metadata), outputs_of(**what), signals)
        return self.stored(id_)

    async def complete(
        self, claim: Any, outputs: dict[str, Envelope], signals: dict[str, dict[str, Any]] | None = None
    ) -> bool:
        """Do what the daemon does when the analyzers have answered."""

        async def write(compared: store_corpus.Compared) -> list[int] | None:
            return await self.queue.db.write(
                store_corpus.complete,
                claim.token,
                compared=compared,
                signals=signals or {},
                facts=None,
                timings={},
                now=NOW,
            )

        return await self.corpus.complete(claim, outputs, signals or {}, write)

    def stored(self, id_: str) -> dict[str, Any]:
        """The summaries of a video by analyzer, with status and reason."""
        return {
            name: {**each["summary"], "status": each["status"], "reason": each["reason"]}
            for name, each in self.queue.get(id_).outputs.items()
        }

    def files(self) -> Iterable[Path]:
        """The files, none of them being written."""
        self.keeper.settle()
        return sorted((self.folder / "corpus").glob("*"))


def ids(found: dict[str, Any]) -> list[str]:
    """The videos among the matches of one summary."""
    return [match["video_id"] for match in found["matches"]]
