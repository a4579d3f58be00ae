"""Dancing on the beat in real files: encoded pictures and sound, decoded, with the beats that are heard in them."""

import av
import numpy as np
import pytest

from tests.analysis import decode_file
from tiktokd import graph
from tiktokd.analyzers import _dance
from tiktokd.encoders import person_motion
from tiktokd.pictures import Detection, FrameDetections
from tiktokd.plugins import Context, LoadContext

SECONDS, FPS, BPM = 10.0, 30, 120.0
WIDTH, HEIGHT = 144, 256
LOOKS = 16


def ground():
    """Return a still textured background (H, W) of middle grey."""
    noise = np.random.default_rng(5).normal(0, 1, (HEIGHT // 8, WIDTH // 8))
    return np.clip(110 + 25 * np.kron(noise, np.ones((8, 8))), 0, 255)


def dancer(place):
    """Return a function: second → picture (H, W) of a bright body at `place(t)` = x in -1..1."""
    back, ys, xs = ground(), np.arange(HEIGHT)[:, None], np.arange(WIDTH)[None, :]

    def picture(t):
        middle = WIDTH / 2 + 25 * place(t)
        body = np.clip(18 - np.abs(xs - middle), 0, 1) * np.clip(80 - np.abs(ys - 140), 0, 1)
        return (back * (1 - body) + 215 * body).astype(np.uint8)

    return picture


def on_beats(bpm):
    def place(t):
        beat, part = divmod(t * bpm / 60, 1.0)
        return (-1) ** int(beat) * (1 - 2 * np.exp(-7 * part))

    return place


def clicks():
    """Return (2, n) float32 at 48 kHz: a short click on every beat, from 0 s on."""
    sound = np.zeros(round(SECONDS * 48_000), np.float32)
    click = 0.6 * np.sin(2 * np.pi * 1000 * np.arange(1200) / 48_000) * np.exp(-np.arange(1200) / 240)
    for beat in range(int(SECONDS * BPM / 60)):
        at = round(beat * 60 / BPM * 48_000)
        sound[at : at + len(click)] += click.astype(np.float32)[: len(sound) - at]
    return np.stack([sound, sound])


def filmed(path, picture):
    """Write H.264 and AAC as phones do: a keyframe every half second, as often as the beat."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "g": "15", "crf": "28"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=48_000, layout="stereo")
        for number in range(round(SECONDS * FPS)):
            grey = np.repeat(picture(number / FPS)[..., None], 3, axis=2)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(video.encode())
        sound, block = clicks(), 1024
        for start in range(0, sound.shape[1], block):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound[:, start : start + block]), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def measured(path):
    """Return `_dance.sync` of a file in which somebody fills the middle third, by the encoders that make its parts."""
    clip, arrays = decode_file(path)
    person = Detection(label="person", score=0.9, box=(0.15, 0.2, 0.7, 0.7))
    looks = tuple(FrameDetections(pts_s=t, found=(person,)) for t in np.linspace(0, SECONDS - 0.1, LOOKS).tolist())
    features = {"dfine": looks}
    catalogue = graph.load()
    for encoder in graph.order(["shots", "beats"], catalogue):
        context = Context(facts=clip.facts, arrays=arrays, features=features, audio16_covers_s=clip.audio16_covers_s)
        model = encoder.load(LoadContext(threads=1))
        features[encoder.name] = encoder.collect(context, encoder.encode(model, encoder.items(context)))
    seen = Context(facts=clip.facts, arrays=arrays, features=features)
    curve = person_motion.encode(None, person_motion.items(seen))[0]
    return _dance.sync(person_motion.signals(curve), catalogue.encoders["beats"].signals(features["beats"]))


@pytest.mark.parametrize(("bpm", "low", "high"), [(BPM, 0.6, 1.0), (BPM / 2, 0.3, 1.0), (BPM * 1.17, 0.0, 0.15)])
def test_a_filmed_figure_is_in_time_with_the_clicks_that_it_moves_to(tmp_path, bpm, low, high):
    sync, reason, _message = measured(filmed(tmp_path / "dancer.mp4", dancer(on_beats(bpm))))
    assert reason is None
    assert low <= sync <= high


def test_keyframes_on_every_beat_are_no_dance(tmp_path):
    sync, reason, message = measured(filmed(tmp_path / "still.mp4", dancer(lambda _t: 0.0)))
    assert (sync, reason, message) == (None, "low_quality", "the people hardly move")
