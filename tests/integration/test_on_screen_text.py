"""Reading text: rendered lettering, text-free pictures, and real clips with known captions."""

import itertools
import json
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageOps

from tests.analysis import analyze_arrays, analyze_file, media
from tests.contexts import clip_of, facts
from tests.lettering import backdrop, full_font, planes, small_luma, write
from tests.reading import read_clips
from tiktokd.encoders._onnx_weights import without_tiny
from tiktokd.encoders._text_gate import Band
from tiktokd.encoders._text_reader import DETECTION
from tiktokd.encoders.ocr import ENCODER
from tiktokd.likeness import edit_distance
from tiktokd.model import Envelope
from tiktokd.plugins import ClipArrays, LoadContext

SIZE = (540, 960)
PHRASES = {
    "English": (0.01, ["Stop scrolling right now", "Here are three easy tricks", "Wait until the very end"]),
    "German": (0.01, ["Das musst du unbedingt sehen", "Drei schnelle Tipps für heute", "Größe und Übung zählen"]),
    "French": (0.01, ["Voici comment réussir à coup sûr", "Ça va être très drôle", "Élève de première année"]),
    "Spanish": (0.01, ["Mira lo que pasó después", "¿Cuál prefieres mañana?", "El niño comió piña"]),
    "Turkish": (0.05, ["Bunu mutlaka görmelisin", "Güzel bir gün için üç öneri", "Çok şaşırdım doğrusu"]),
    "Polish": (0.05, ["Zobacz, co się stało później", "Żółty samochód jedzie", "Najlepszy przepis na dziś"]),
    "Vietnamese": (0.10, ["Xin chào các anh chị nhé", "Món ăn ngon cho gia đình", "Hôm nay trời thật là vui"]),
}
"""Language → highest share of wrong letters, and what to read; every size from 20 to 48 px comes up."""


@pytest.fixture(scope="module")
def reader():
    return ENCODER.load(LoadContext(threads=2))


def moving_clip(pages: list[list[tuple[str, int, int]]], seed: int = 1) -> ClipArrays:
    """Return a clip whose pages of text follow one another every two seconds over a backdrop that moves."""
    times = np.arange(20 * len(pages)) / 10
    pictures = [
        write(backdrop(SIZE, seed, shift_px=3 * i), pages[min(int(t / 2), len(pages) - 1)]) for i, t in enumerate(times)
    ]
    return ClipArrays(
        {
            "frames": np.stack([planes(p) for p in pictures[::5]]),
            "frames_pts": times[::5],
            "low": np.stack([small_luma(p) for p in pictures]),
            "low_pts": times,
        }
    )


def errors_in(expected: list[str], found: list[str]) -> float:
    """Return wrong, missing and added letters as a share of the expected ones, lines matched by their words."""
    wrong = 0
    left = list(found)
    for text in expected:
        best = min(left, key=lambda one: edit_distance(one, text), default="")
        wrong += min(edit_distance(best, text), len(text))
        if best in left:
            left.remove(best)
    return (wrong + sum(map(len, left))) / sum(map(len, expected))


def test_rendered_lettering_is_read_within_the_pass_mark_of_each_language(reader, accuracy):
    languages = PHRASES if full_font() else {"English": PHRASES["English"]}  # Pillow's font lacks most accents
    pages = [
        [(text, 120 + 200 * i, size) for i, (text, size) in enumerate(zip(lines, sizes, strict=True))]
        for (_, lines), sizes in zip(languages.values(), itertools.cycle([(20, 26, 30), (28, 24, 22)]), strict=False)
    ]
    (features,) = read_clips(reader, [moving_clip(pages)])
    for number, (language, (most, expected)) in enumerate(languages.items()):
        found = [line.text for line in features.lines if 2 * number - 0.05 <= line.start_s < 2 * number + 1.9]
        accuracy(f"letters misread, drawn grounds, {language}", errors_in(expected, found), mark=most)


def test_large_lettering_is_read(reader):
    (features,) = read_clips(reader, [moving_clip([[("WAIT FOR IT", 300, 48), ("PART 2", 500, 64)]])])
    assert [line.text for line in features.lines] == ["WAIT FOR IT", "PART 2"]


def test_a_static_caption_is_read_once_and_its_time_is_known_to_a_tenth_of_a_second(reader):
    caption = [("Same words all along", 300, 40)]
    empty, features = read_clips(reader, [moving_clip([[]], seed=2), moving_clip([[], caption, caption, []], seed=2)])
    assert empty.readings == 0
    assert features.readings == 1
    (line,) = features.lines
    assert line.start_s == pytest.approx(2.0, abs=0.11)
    assert line.end_s == pytest.approx(6.0, abs=0.11)


WORDS = ("coffee", "without", "machine", "fresh", "beans", "small", "grinder", "some", "patience", "first", "water")


def single_words() -> ClipArrays:
    """Return a moving picture under one caption that changes with every word, twice a second."""
    times = np.arange(5 * len(WORDS)) / 10
    pages = [
        write(backdrop(SIZE, 4, shift_px=3 * i), [(WORDS[(i + 2) // 5 % len(WORDS)], 600, 48)])
        for i in range(len(times))
    ]
    full = {"frames": np.stack([planes(p) for p in pages[::5]]), "frames_pts": times[::5]}
    return ClipArrays(full | {"low": np.stack([small_luma(p) for p in pages]), "low_pts": times})


@dataclass
class Weighed:
    """An engine of the reader, and how much it was given to look at."""

    engine: Any
    pixels: list[int] = field(default_factory=list)

    def __call__(self, picture: np.ndarray, **how: bool) -> Any:
        self.pixels.append(picture.shape[0] * picture.shape[1])
        return self.engine(picture, **how)


def test_of_a_caption_that_changes_with_every_word_most_are_read_and_little_else_is_searched(reader):
    detector = Weighed(reader.detector)
    (features,) = read_clips(replace(reader, detector=detector), [single_words()])
    read = {line.text: line for line in features.lines}
    assert read.keys() <= set(WORDS)
    assert len(read) >= len(WORDS) / 2
    for number, word in enumerate(WORDS):
        if word in read:
            shown = read[word].start_s, read[word].end_s
            assert shown == pytest.approx((max(number / 2 - 0.2, 0), number / 2 + 0.3), abs=0.11)
    whole = detector.pixels[0]
    assert sum(detector.pixels) <= 0.6 * whole * len(WORDS)


def test_a_band_gives_the_lines_of_the_whole_picture_and_leaves_out_what_its_edge_cuts(reader):
    page = write(backdrop((288, 512), 1), [("first line", 112, 24), ("second line", 190, 24), ("third line", 244, 24)])
    whole, _ = reader.boxes(page, Band())
    band, _ = reader.boxes(page, Band(130 / 512, 240 / 512))
    assert (len(whole), len(band)) == (3, 1)
    assert band[0] == pytest.approx(whole[1], abs=3)


def test_a_short_word_is_not_filled_up_to_the_width_of_a_sentence(reader):
    crop = write(backdrop((96, 48), 1), [("so", 2, 30)])
    reader.read(crop)  # the library makes its recognizer at the first use
    read = reader.recognizer.text_rec
    wide = read.resize_norm_img(crop, max(read.rec_image_shape[2] / read.rec_image_shape[1], 96 / 48))
    assert wide.shape == (3, 48, 96)


def test_a_clip_reads_the_same_alone_and_in_a_batch(reader):
    clips = [moving_clip([[("First clip", 300, 40)]]), moving_clip([[("Second one", 500, 30)]], seed=2)]
    assert read_clips(reader, clips) == [read_clips(reader, [one])[0] for one in clips]


def still(picture: np.ndarray) -> Envelope:
    """Return what is read in two seconds of one (960, 540, 3) picture."""
    arrays = {"frames": planes(picture)[None].repeat(4, 0), "frames_pts": np.arange(4) / 2}
    arrays |= {"low": small_luma(picture)[None].repeat(20, 0), "low_pts": np.arange(20) / 10}
    clip = clip_of(facts(duration_s=2.0, frames=60, audio=False, size=SIZE), arrays)
    return analyze_arrays(*clip, ["on_screen_text"])["on_screen_text"]


RUSSIAN, GREEK = ("Привет, друзья мои", 300, 44), ("Καλημέρα σε όλους", 600, 40)
needs_letters = pytest.mark.skipif(full_font() is None, reason="no font with Cyrillic and Greek letters here")


@needs_letters
def test_writing_in_a_script_that_cannot_be_read_is_said_to_be_there():
    envelope = still(write(backdrop(SIZE, 5), [RUSSIAN, GREEK]))
    assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "unsupported_script", {})
    assert envelope.message is not None
    assert envelope.message.startswith("2 lines of writing were seen (from 0.0 s on) that cannot be read")


@needs_letters
def test_what_can_be_read_beside_it_is_given():
    envelope = still(write(backdrop(SIZE, 5), [RUSSIAN, ("My morning routine", 600, 40)]))
    assert (envelope.status, envelope.reason) == ("partial", "unsupported_script")
    assert envelope.summary["text_all"] == "My morning routine"


@pytest.mark.parametrize("width_px", [5, 9, 14])
def test_rows_of_like_marks_are_no_writing(width_px):
    picture = np.full((960, 540, 3), 90, np.uint8)
    for top in range(100, 900, 160):
        for number, left in enumerate(range(20, 500, 2 * width_px)):
            picture[top : top + 3 * width_px, left : left + width_px] = 150 + 25 * (number * 7 % 5)
    envelope = still(picture)
    assert (envelope.status, envelope.reason) == ("skipped", "no_text")


def shown(pages: list[list[tuple[str, int, int]]], picture: np.ndarray) -> ClipArrays:
    """Return a clip of one page of lines per tenth of a second over a picture that pans."""
    times = np.arange(len(pages)) / 10
    pictures = [write(np.roll(picture, 3 * i, axis=1), page) for i, page in enumerate(pages)]
    full = {"frames": np.stack([planes(p) for p in pictures[::5]]), "frames_pts": times[::5]}
    return ClipArrays(full | {"low": np.stack([small_luma(p) for p in pictures]), "low_pts": times})


def test_a_caption_that_is_typed_is_claimed_with_the_letters_that_are_shown():
    text, start = "I quit my job today", 10
    pages = [[(text[: max(i - start, 0)], 400, 44)] for i in range(60)]
    clip = clip_of(facts(duration_s=6.0, frames=60, audio=False, size=SIZE), dict(shown(pages, backdrop(SIZE, 6))))
    envelope = analyze_arrays(*clip, ["on_screen_text"])["on_screen_text"]
    (line,) = envelope.summary["lines"]
    assert (line["text"], line["end_s"]) == (text, 6.0)
    assert line["start_s"] == pytest.approx(2.9, abs=0.21)
    assert [segment["text"] for segment in envelope.segments][-1] == text
    assert len(envelope.segments) >= 3
    for segment in envelope.segments:
        letters = text.index(segment["text"]) + len(segment["text"])
        assert segment["start_s"] >= (start + letters) / 10 - 0.21


@needs_letters
def test_words_that_replace_others_over_a_photo_are_read_and_the_old_ones_end(reader):
    with Image.open(media("real", "python-docs-samples__puppies.jpg")) as image:
        photo = np.asarray(ImageOps.fit(image.convert("RGB"), SIZE))
    texts = ["Wait until the very end", "Größe und Übung zählen", "Élève de première année", "El niño comió piña"]
    texts += ["Çok şaşırdım doğrusu", "Najlepszy przepis na dziś"]
    (features,) = read_clips(reader, [shown([[(text, 460, 30)] for text in texts for _ in range(10)], photo)])
    assert len(features.lines) == len(texts)
    for number, (text, line) in enumerate(zip(texts, features.lines, strict=True)):
        assert edit_distance(text, line.text) <= 1
        assert (line.start_s, line.end_s) == pytest.approx((number, number + 1), abs=0.11)


@pytest.mark.parametrize(("short", "long"), [("OK", "MORE"), ("ON", "BEYOND")])
def test_a_short_word_ends_where_a_longer_one_with_its_letters_takes_its_place(reader, short, long):
    pages = [[(f"     {short}", 600, 58)]] * 7 + [[(f"  {long}" if long == "MORE" else long, 600, 58)]] * 7
    (features,) = read_clips(reader, [shown(pages, backdrop(SIZE, 7))])
    assert [(line.text, line.start_s, line.end_s) for line in features.lines] == [
        (short, 0.0, pytest.approx(0.7, abs=0.11)),
        (long, pytest.approx(0.7, abs=0.11), pytest.approx(1.4, abs=0.11)),
    ]


@pytest.mark.parametrize("panning_px", [0, 3])
def test_each_step_of_a_numbered_list_at_one_place_is_read_and_ends_with_the_next(reader, panning_px):
    picture = backdrop(SIZE, 3)
    texts = [f"STEP {number}: mix it" for number in range(1, 6)]
    pages = [write(np.roll(picture, panning_px * i, axis=1), [(texts[i // 20], 400, 48)]) for i in range(100)]
    times = np.arange(100) / 10
    full = {"frames": np.stack([planes(p) for p in pages[::5]]), "frames_pts": times[::5]}
    low = {"low": np.stack([small_luma(p) for p in pages]), "low_pts": times}
    (features,) = read_clips(reader, [ClipArrays(full | low)])
    assert ["".join(line.text.split()) for line in features.lines] == ["".join(text.split()) for text in texts]
    for number, line in enumerate(features.lines):
        assert (line.start_s, line.end_s) == pytest.approx((2 * number, 2 * number + 2), abs=0.11)


def test_a_line_that_bounces_over_the_picture_is_one_line(reader):
    picture = backdrop(SIZE, 7)
    times = np.arange(60) / 10
    frames = []
    for i, t in enumerate(times):
        page = np.roll(picture, 3 * i, axis=1)
        words = write(page, [("floating", 400, 44)])
        x, y = round(120 + 115 * np.sin(t * 0.8 * np.pi)), round(60 * np.cos(t * 0.8 * np.pi))
        letters = np.roll(words.astype(np.int16) - page, (y, x), axis=(0, 1))
        frames.append(np.where(letters.any(axis=2, keepdims=True), np.roll(words, (y, x), axis=(0, 1)), page))
    full = {"frames": np.stack([planes(p) for p in frames[::5]]), "frames_pts": times[::5]}
    low = {"low": np.stack([small_luma(p) for p in frames]), "low_pts": times}
    (features,) = read_clips(reader, [ClipArrays(full | low)])
    (line,) = features.lines
    assert line.text == "floating"
    assert (line.start_s, line.end_s) == pytest.approx((0.0, 6.0), abs=0.31)


def test_a_picture_without_text_gives_none():
    noise = np.random.default_rng(3).integers(16, 235, (960, 540, 3), np.uint8)
    grid = np.kron(np.indices((60, 34)).sum(axis=0) % 2, np.ones((16, 16)))[:960, :540].astype(np.uint8) * 200
    for picture in (backdrop(SIZE, 5), noise, np.repeat(grid[..., None], 3, axis=2)):
        envelope = still(picture)
        assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "no_text", {})


@pytest.mark.parametrize("name", ["python-docs-samples__latte.jpg", "python-docs-samples__puppies.jpg"])
def test_a_photo_without_text_gives_no_ghost_lines(name, accuracy):
    photo = Image.open(media("real", name)).convert("RGB")
    picture = np.asarray(ImageOps.fit(photo, SIZE))
    envelope = still(picture)
    accuracy("ghost lines on photos and clips without text", len(envelope.summary.get("lines", [])), mark=0)
    assert (envelope.status, envelope.reason) == ("skipped", "no_text")


def truth(name: str) -> dict:
    return json.loads(media("clips", "ground_truth.json").read_text())[name]


def overlap_in_time(a: tuple[float, float], b: tuple[float, float]) -> float:
    both = max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)
    return both / (max(a[1], b[1]) - min(a[0], b[0]))


@pytest.mark.parametrize("name", ["c01_speech_caption.mp4", "c11_autocaptions.mp4", "c12_transitions.mp4"])
def test_burnt_in_captions_of_a_real_clip_are_found_with_their_words_times_and_places(name, accuracy):
    texts = [t for t in truth(name)["text"] if not t.get("in_source")]
    envelope = analyze_file(media("clips", name), ["on_screen_text"])["on_screen_text"]
    width, height = 576, 1024
    wrong = total = 0
    for text in texts:
        x0, y0, x1, y1 = text["bbox_xyxy"]
        for expected in text["lines"]:
            span = (text["start"], text["end"])
            near = [line for line in envelope.summary["lines"] if overlap_in_time(span, _span(line)) > 0.5]
            best = min(near, key=lambda line: edit_distance(line["text"], expected), default=None)
            assert best is not None, expected
            wrong += edit_distance(best["text"], expected)
            total += len(expected)
            assert overlap_in_time(span, _span(best)) >= 0.85, (expected, best)
            x, y, w, h = best["box"]
            middle = ((x + w / 2) * width, (y + h / 2) * height)
            assert x0 - 10 <= middle[0] <= x1 + 10, (expected, best)
            assert y0 - 10 <= middle[1] <= y1 + 10, (expected, best)
    accuracy("letters misread, captions of real clips", wrong / total, mark=0.01)


def _span(line: dict) -> tuple[float, float]:
    return line["start_s"], line["end_s"]


@pytest.mark.parametrize("name", ["c02_hardcuts_music.mp4", "c05_loop.mp4", "c08_silent_audio.mp4"])
def test_a_real_clip_without_text_has_no_ghost_lines(name, accuracy):
    assert truth(name)["text"] == []
    envelope = analyze_file(media("clips", name), ["on_screen_text"])["on_screen_text"]
    accuracy("ghost lines on photos and clips without text", len(envelope.summary.get("lines", [])), mark=0)
    assert (envelope.status, envelope.reason) == ("skipped", "no_text")


def test_the_detector_finds_the_same_without_its_tiny_weights():
    raw = (files("rapidocr") / "models" / DETECTION).read_bytes()
    clean = without_tiny(raw)
    assert clean != raw, "there are some: they take most of its time"
    picture = np.random.default_rng(1).normal(size=(1, 3, 64, 96)).astype(np.float32)
    before, after = (
        onnxruntime.InferenceSession(m, providers=["CPUExecutionProvider"]).run(None, {"x": picture})[0]
        for m in (raw, clean)
    )
    assert np.abs(before - after).max() <= 1e-6
