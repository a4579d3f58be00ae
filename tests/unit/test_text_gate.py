"""Where the picture is searched for text, and how long a line is followed."""

import numpy as np
import pytest

from tiktokd.encoders._text_gate import LOOK_AGAIN_S, Band, Look, samples_to_read
from tiktokd.encoders._text_tracks import Followed, follow, join
from tiktokd.texts import TextLine

LOW_PTS = np.arange(100) / 10
PTS = np.arange(20) / 2
BOX = (0.25, 0.25, 0.5, 0.1)


def lettering(seed: int) -> np.ndarray:
    """Strokes of 2 px, as high contrast as outlined text at this size."""
    return np.kron(np.random.default_rng(seed).integers(0, 2, (8, 40)), np.ones((2, 2))).astype(bool)


def span(found: Followed) -> tuple[float, float]:
    return found.start_s, found.end_s


def clip(texts: dict[int, tuple[float, float]], *, moving: bool) -> np.ndarray:
    """Return (100, 160, 160) luma over ten seconds with a block of strokes at BOX per seed and span."""
    ramp = np.add.outer(np.arange(160), 2 * np.arange(160)) % 256
    soft = (96 + 32 * np.sin(ramp / 256 * 2 * np.pi)).astype(np.uint8)
    frames = np.stack([np.roll(soft, 5 * i if moving else 0, axis=1) for i in range(len(LOW_PTS))])
    for seed, (start, end) in texts.items():
        frames[round(start * 10) : round(end * 10), 40:56, 40:120] = np.where(lettering(seed), 250, 10).astype(np.uint8)
    return frames


def searched(low: np.ndarray) -> np.ndarray:
    """Return the times of the samples that are searched."""
    return PTS[[look.index for look in samples_to_read(low, LOW_PTS, PTS)]]


def test_a_picture_that_never_changes_is_searched_once():
    assert samples_to_read(clip({1: (0.0, 10.0)}, moving=False), LOW_PTS, PTS) == [Look(0)]


def test_a_black_clip_is_searched_once():
    assert samples_to_read(np.full((100, 160, 90), 16, np.uint8), LOW_PTS, PTS) == [Look(0)]


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize(("start", "end"), [(2.0, 3.0), (4.2, 9.9), (6.4, 7.2)])
def test_text_that_comes_up_is_searched_for_while_it_is_there(moving, start, end):
    chosen = searched(clip({2: (start, end)}, moving=moving))
    assert any(start <= t < end for t in chosen)


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_a_word_that_has_most_edges_in_common_with_the_one_before_is_searched_for(seed):
    """Seven of ten strokes stay, hardly any are new."""
    chance, low, first = np.random.default_rng(seed + 100), clip({}, moving=True), lettering(seed)
    cells = first[::2, ::2]
    kept = cells & (chance.random(cells.shape) >= 0.3)
    second = np.kron(kept | (chance.random(cells.shape) < 0.03), np.ones((2, 2))).astype(bool)
    for start, end, strokes in ((20, 27, first), (27, 34, second)):
        low[start:end, 40:56, 40:120] = np.where(strokes, 250, 10)
    assert 3.0 in searched(low)


def test_each_of_several_captions_at_the_same_place_is_searched_for():
    spans = {seed: (1.0 * seed, 1.0 * seed + 1.0) for seed in range(1, 8)}
    chosen = searched(clip(spans, moving=False))
    assert all(any(start <= t < end for t in chosen) for start, end in spans.values())
    assert len(chosen) <= 10


def test_only_the_rows_in_which_text_came_up_are_searched():
    whole, look = samples_to_read(clip({2: (1.9, 10.0)}, moving=False), LOW_PTS, PTS)[:2]
    assert whole == Look(0)
    (band,) = look.bands
    assert (PTS[look.index], band.top <= 40 / 160, band.bottom >= 56 / 160) == (2.0, True, True)
    assert band.bottom - band.top <= 0.31
    assert all(0.2 <= x <= 0.8 and band.top <= y <= band.bottom for x, y in band.news)


def test_a_video_too_small_for_a_band_is_searched_whole():
    low = np.zeros((100, 16, 16), np.uint8)
    low[50:, 4:12] = np.where(np.arange(16) % 4 < 2, 250, 10)
    assert all(look.bands == (Band(),) for look in samples_to_read(low, LOW_PTS, PTS))


def test_a_moving_picture_is_searched_at_a_bounded_rate():
    chosen = searched(clip({}, moving=True))
    assert len(chosen) <= 9
    assert np.diff(chosen).max() <= LOOK_AGAIN_S + 0.5


def test_a_flickering_picture_stays_within_the_bound():
    noise = np.random.default_rng(0).integers(0, 255, (100, 160, 90), np.uint8)
    assert sum(look.cost for look in samples_to_read(noise, LOW_PTS, PTS)) <= 10.5


def long_drive(duration_s: float, *, captions: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 300 small frames of a picture that moves, their times and those of 600 samples.

    With captions, there is another one in every second eight small frames.
    """
    picture = clip({}, moving=False)[0, :96, :96]
    low = np.stack([np.roll(picture, (7 * i, 5 * i), axis=(0, 1)) for i in range(300)])
    for first in range(8, 300, 16) if captions else ():
        low[first : first + 8, 40:56, 8:88] = np.where(lettering(first), 250, 10)
    return low, np.linspace(0, duration_s, 300), np.linspace(0, duration_s, 600)


class Counted(np.ndarray):
    """Small frames that count how often one is looked at."""

    looks = 0

    def __getitem__(self, key):
        Counted.looks += isinstance(key, int | np.integer)
        return np.asarray(super().__getitem__(key))


@pytest.mark.parametrize("duration_s", [240.0, 3600.0])
@pytest.mark.parametrize("restless", [False, True])
def test_however_long_a_moving_picture_is_a_dozen_passes_find_what_to_search(duration_s, restless):
    low, low_pts, pts = long_drive(duration_s)
    if restless:
        low = np.random.default_rng(0).integers(0, 255, low.shape, np.uint8).repeat(3, axis=0)[: len(low)]
    Counted.looks = 0
    looks = samples_to_read(low.view(Counted), low_pts, pts)
    assert sum(look.cost for look in looks) <= 63
    assert Counted.looks <= len(low) + 12 * len(pts)


@pytest.mark.parametrize("duration_s", [240.0, 600.0])
def test_captions_over_a_long_video_that_moves_are_searched_for(duration_s):
    low, low_pts, pts = long_drive(duration_s, captions=True)
    looks = samples_to_read(low, low_pts, pts)
    shown = [(low_pts[first], low_pts[first + 8]) for first in range(8, 284, 16)]
    there = [any(start <= pts[look.index] < end for look in looks) for start, end in shown]
    news = [any(start <= pts[look.index] < end and not look.bands[0].whole for look in looks) for start, end in shown]
    assert np.mean(there) >= 0.9
    assert np.mean(news) >= 0.5
    assert (
        np.diff(pts[[look.index for look in looks if look.bands[0].whole]]).max() <= max(2 * duration_s / 60, 2.5) + 2
    )


def test_a_clip_without_small_frames_is_searched_at_its_first_samples():
    assert samples_to_read(np.zeros((0, 4, 4), np.uint8), np.zeros(0), PTS) == [Look(i) for i in range(8)]
    assert samples_to_read(np.zeros((0, 4, 4), np.uint8), np.zeros(0), np.zeros(0)) == []


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("at_s", [2.5, 4.0, 6.5])
def test_a_line_is_followed_to_the_frame_where_it_comes_and_goes(moving, at_s):
    found = follow(clip({3: (2.3, 6.8)}, moving=moving), LOW_PTS, BOX, at_s, 0.5)
    assert (found.start_s, found.end_s, found.still) == (pytest.approx(2.3), pytest.approx(6.8), True)


def test_other_words_at_the_same_place_end_a_line():
    low = clip({4: (1.0, 3.0), 5: (3.0, 6.0)}, moving=True)
    assert span(follow(low, LOW_PTS, BOX, 2.0, 0.5)) == (pytest.approx(1.0), pytest.approx(3.0))
    assert span(follow(low, LOW_PTS, BOX, 5.0, 0.5)) == (pytest.approx(3.0), pytest.approx(6.0))


def test_one_broken_frame_does_not_end_a_line():
    low = clip({6: (2.0, 8.0)}, moving=False)
    low[50] = 255
    assert span(follow(low, LOW_PTS, BOX, 3.0, 0.5)) == (pytest.approx(2.0), pytest.approx(8.0))


def test_a_line_that_is_never_gone_ends_with_the_clip():
    assert span(follow(clip({7: (0.0, 10.0)}, moving=True), LOW_PTS, BOX, 5.0, 0.5)) == (0.0, pytest.approx(10.0))


def test_a_line_that_scrolls_is_followed_and_its_place_is_known():
    low = np.full((100, 160, 160), 90, np.uint8)
    for i in range(20, 60):
        top = 140 - 2 * (i - 20)
        low[i, top : top + 16, 40:120] = np.where(lettering(8), 250, 10)
    found = follow(low, LOW_PTS, (0.25, 80 / 160, 0.5, 0.1), 5.0, 0.5)
    assert (found.start_s, found.end_s, found.still) == (
        pytest.approx(2.0, abs=0.11),
        pytest.approx(6.0, abs=0.11),
        False,
    )
    assert found.box_at(3.0)[1] == pytest.approx(120 / 160, abs=0.01)
    assert found.box_at(5.9)[1] == pytest.approx(62 / 160, abs=0.01)


def textured(moving_px: int) -> np.ndarray:
    """Return (60, 96, 160) luma, six seconds of a rough texture that moves sideways."""
    rough = np.kron(np.random.default_rng(9).integers(40, 180, (24, 40)), np.ones((4, 4))).astype(np.uint8)
    return np.stack([np.roll(rough, moving_px * i, axis=1) for i in range(60)])


def put(frame: np.ndarray, top: int, left: int, strokes: np.ndarray) -> None:
    """Write strokes between dark edges, as outlined lettering is."""
    shown = frame[top : top + strokes.shape[0], left : left + strokes.shape[1]]
    shown[strokes] = 250
    shown[np.roll(strokes, 1, axis=1) & ~strokes] = 5


@pytest.mark.parametrize("moving_px", [0, 1])
def test_words_that_replace_like_ones_over_a_texture_are_lines_of_their_own(moving_px):
    low = textured(moving_px)
    for i in range(60):
        strokes = lettering(20)
        strokes[:, 56:] = lettering(21 + i // 10)[:, 56:]  # STEP 1, STEP 2, …
        put(low[i], 40, 30, strokes)
    for second in range(6):
        found = follow(low, LOW_PTS[:60], (30 / 160, 40 / 96, 0.5, 16 / 96), second + 0.5, 0.5)
        assert span(found) == (pytest.approx(second, abs=0.11), pytest.approx(second + 1, abs=0.11))


def test_one_letter_that_becomes_another_is_noticed_and_words_that_stay_are_not():
    low = textured(1)
    for i in range(60):
        strokes = lettering(30)
        if i >= 30:
            strokes[:, 40:48] = lettering(31)[:, 40:48]
        put(low[i], 40, 30, strokes)
    place = (30 / 160, 40 / 96, 0.5, 16 / 96)
    assert follow(low, LOW_PTS[:60], place, 0.5, 0.5).changed_s == pytest.approx(3.0, abs=0.11)
    assert follow(low, LOW_PTS[:60], place, 4.0, 0.5).changed_s is None
    assert follow(clip({3: (2.3, 6.8)}, moving=True), LOW_PTS, BOX, 3.0, 0.5).changed_s is None


def test_a_line_starts_when_its_last_letters_are_shown():
    low = clip({}, moving=True)
    for i in range(20, 100):
        strokes = lettering(10)
        strokes[:, min(i - 20, 40) * 2 :] = False
        low[i, 40:56, 40:120] = np.where(strokes, 250, low[i, 40:56, 40:120])
    assert span(follow(low, LOW_PTS, BOX, 8.0, 0.5)) == (pytest.approx(5.8, abs=0.21), pytest.approx(10.0))


def test_a_line_that_bounces_is_one_line():
    low = textured(2)
    for i in range(60):
        x = round(50 + 40 * np.sin(i / 10 * 2 * np.pi * 0.4))
        put(low[i], round(40 + 12 * np.cos(i / 10 * 2 * np.pi * 0.4)), x, lettering(8)[:, :60])
    found = follow(low, LOW_PTS[:60], (50 / 160, 52 / 96, 60 / 160, 16 / 96), 0.0, 0.5)
    assert (span(found), found.still) == ((0.0, pytest.approx(6.0, abs=0.11)), False)


def test_without_small_frames_a_line_lasts_one_sampling_step():
    found = follow(np.zeros((0, 4, 4), np.uint8), np.zeros(0), BOX, 3.0, 0.5)
    assert span(found) == (2.75, 3.25)


def line(text: str, start: float, end: float, *, score: float = 0.95, y: float = 0.5, still: bool = True) -> TextLine:
    return TextLine(
        text=text,
        score=score,
        box=(0.1, y, 0.8, 0.05),
        height_ratio=0.05,
        start_s=start,
        end_s=end,
        samples=3,
        still=still,
    )


def test_two_readings_of_one_line_are_joined_and_the_surer_text_stays():
    (joined,) = join([line("NEVER G1VE UP", 0.0, 2.0, score=0.8), line("NEVER GIVE UP", 0.5, 2.5, score=0.97)])
    assert (joined.text, joined.start_s, joined.end_s) == ("NEVER GIVE UP", 0.0, 2.5)


def test_a_caption_that_grows_word_by_word_is_one_line():
    growing = [line("wait", 0.0, 0.6), line("wait for", 0.6, 1.1), line("wait for it", 1.1, 3.0)]
    (joined,) = join(growing)
    assert (joined.text, joined.start_s, joined.end_s) == ("wait for it", 0.0, 3.0)


def test_of_a_caption_that_grows_each_word_has_its_own_time():
    growing = [line("wait", 0.0, 3.0), line("wait for", 0.6, 3.0), line("wait for it", 1.1, 3.0)]
    (joined,) = join(growing)
    assert joined.steps == ((0.0, "wait"), (0.6, "wait for"), (1.1, "wait for it"))
    assert (joined.start_s, joined.whole_s, joined.end_s) == (0.0, 1.1, 3.0)


def test_a_part_without_the_first_letter_is_the_same_line_only_while_both_are_shown():
    (joined,) = join([line("quit", 0.5, 3.0), line("I quit my job", 1.2, 3.0)])
    assert joined.steps == ((0.5, "quit"), (1.2, "I quit my job"))
    words = [line("for", 0.0, 0.5), line("before", 0.5, 1.0)]
    assert join(words) == words


def test_a_line_of_which_a_part_is_read_later_was_whole_from_its_start():
    (joined,) = join([line("wait for it", 0.0, 3.0), line("wait for", 0.5, 3.0)])
    assert (joined.text, joined.steps, joined.whole_s) == ("wait for it", (), 0.0)


def test_words_that_are_the_beginning_of_those_before_do_not_lend_them_their_time():
    long, short = line("wait for it", 0.0, 2.0), line("wait", 2.0, 4.0)
    assert join([long, short]) == [long, short]


def test_the_same_words_later_or_elsewhere_are_lines_of_their_own():
    assert len(join([line("follow", 0.0, 2.0), line("follow", 5.0, 7.0)])) == 2
    assert len(join([line("YOUR COUNTRY", 0.0, 6.0, y=0.2), line("YOUR COUNTRY", 6.0, 11.0, y=0.3)])) == 2


def test_the_same_words_with_another_number_after_them_are_lines_of_their_own():
    steps = [line("STEP 1: MIX", 0.0, 2.0), line("STEP 2: MIX", 2.0, 4.0)]
    assert join(steps) == steps
    words = [line("step one: mix", 0.0, 2.0), line("step two: mix", 2.0, 4.0)]
    assert join(words) == words
    assert len(join([line("STEP 1: MIX", 0.0, 2.0), line("STEP 7: MIX", 0.5, 2.0, score=0.8)])) == 1


def test_a_moving_line_read_twice_or_in_part_is_one_line():
    whole = line("Camera by Mary", 1.0, 9.0, y=0.8, still=False)
    part = line("by Mary", 3.0, 8.0, y=0.3, still=False)
    again = line("Camera by Mary", 4.0, 11.0, y=0.1, still=False)
    (joined,) = join([whole, part, again])
    assert (joined.text, joined.start_s, joined.end_s) == ("Camera by Mary", 1.0, 11.0)


def test_the_items_of_a_list_that_scrolls_by_are_lines_of_their_own():
    items = [line(f"{n} of the reasons", 0.0, 8.0, y=0.1 * n, still=False) for n in range(1, 6)]
    assert join(items) == items
    assert len(join([items[0], line("I of the reasons", 4.0, 8.0, y=0.7, still=False)])) == 1


def test_a_shape_that_is_read_as_one_letter_does_not_lend_a_word_its_time():
    shape, word = line("O", 0.0, 5.0, y=0.2, still=False), line("almost", 1.4, 1.7, y=0.7)
    assert join([shape, word]) == [shape, word]
    both_move = [shape, line("almost", 1.4, 1.7, y=0.7, still=False)]
    assert join(both_move) == both_move


def test_text_on_a_thing_that_is_lost_and_found_again_is_one_line():
    (joined,) = join([line("OPEN", 0.0, 0.8, still=False), line("OPEN", 2.5, 3.2, y=0.6, still=False)])
    assert (joined.start_s, joined.end_s) == (0.0, 3.2)
