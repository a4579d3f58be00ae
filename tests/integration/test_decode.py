"""Decoding: files made on the spot, one trait each, through the real decoder into a real slot."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests.mediafiles import BLUE, GREEN, RED, WHITE, beep, set_display_matrix, tone, write
from tiktokd.decode import decode
from tiktokd.errors import UnsupportedMedia
from tiktokd.slots import Region

MIB = 1 << 20
CLOSE = 16
"""Levels by which a colour may be off after lossy coding at tiny sizes."""


@pytest.fixture(scope="module")
def region():
    return Region.create(1, 64 * MIB)


@pytest.fixture
def read(region):
    """Return a function: path → (clip, copies of its arrays)."""

    def decoded(path: Path, **changes):
        usual = {"fps": 2.0, "max_duration_s": 3600.0, "slot": 0, "generation": 1}
        view = changes.pop("view", region.view(0))
        clip = decode(path, view, **(usual | changes))
        return clip, {
            name: np.array(view[b.offset :][: int(np.prod(b.shape)) * np.dtype(b.dtype).itemsize])
            .view(b.dtype)
            .reshape(b.shape)
            for name, b in clip.blocks.items()
        }

    return decoded


def rgb_of(frame) -> np.ndarray:
    """Return (H, W, 3) RGB of one (H * 3 / 2, W) frame, by the formulas of ITU-R BT.709 limited range."""
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    flat = frame.reshape(-1).astype(float)
    luma = flat[: height * width].reshape(height, width)
    chroma = flat[height * width :].reshape(2, height // 2, width // 2).repeat(2, axis=1).repeat(2, axis=2)
    y, u, v = (luma - 16) / 219, (chroma[0] - 128) / 224, (chroma[1] - 128) / 224
    rgb = np.stack([y + 1.5748 * v, y - 0.1873 * u - 0.4681 * v, y + 1.8556 * u], axis=-1)
    return np.clip(rgb * 255, 0, 255)


def corners(picture) -> list[tuple[float, ...]]:
    """Return the median colours of the four quarters: top left, top right, bottom left, bottom right."""
    h, w = picture.shape[0] // 2, picture.shape[1] // 2
    parts = picture[:h, :w], picture[:h, w:], picture[h:, :w], picture[h:, w:]
    return [tuple(np.median(part.reshape(-1, 3), axis=0)) for part in parts]


def assert_colours(picture, expected):
    assert np.abs(np.array(corners(picture)) - np.array(expected)).max() <= CLOSE, corners(picture)


def grey(width: int, height: int, luma: int) -> np.ndarray:
    """Return one (H * 3 / 2, W) frame without colour."""
    frame = np.full((height * 3 // 2, width), 128, np.uint8)
    frame[:height] = luma
    return frame


def onset_s(samples, rate: int) -> float:
    """Return when a beep begins."""
    loud = np.abs(samples.reshape(len(samples), -1).astype(float)).max(axis=1) > 1500
    return float(np.argmax(loud)) / rate


def test_a_plain_clip_arrives_whole(tmp_path, read):
    path = write(tmp_path / "a.mp4", seconds=2, size=(64, 96), sound=beep(2, 1.0, channels=2))
    clip, arrays = read(path, slot=3, generation=9)
    facts = clip.facts
    assert (clip.slot, clip.generation) == (3, 9)
    assert (facts.width_px, facts.height_px, facts.rotation_deg) == (64, 96, 0)
    assert (facts.frame_count, facts.fps) == (60, pytest.approx(30))
    assert facts.duration_s == pytest.approx(2.0, abs=0.05)
    assert (facts.video_codec, facts.audio_codec, facts.audio_rate_hz, facts.audio_channels) == (
        "h264",
        "aac",
        48_000,
        2,
    )
    assert facts.size_bytes == path.stat().st_size
    assert arrays["frames"].shape == (4, 144, 64)
    assert arrays["frames_pts"].tolist() == pytest.approx([0, 0.5, 1.0, 1.5])
    assert arrays["low"].shape == (20, 96, 64)
    assert arrays["thumbs"].shape == (60, 27, 48, 3)
    assert np.diff(arrays["thumbs_pts"]) == pytest.approx(1 / 30)
    assert_colours(rgb_of(arrays["frames"][1]), [RED, GREEN, BLUE, WHITE])
    assert_colours(arrays["thumbs"][30], [RED, GREEN, BLUE, WHITE])
    assert onset_s(arrays["audio16"], 16_000) == pytest.approx(1.0, abs=0.01)
    assert onset_s(arrays["audio48"], 48_000) == pytest.approx(1.0, abs=0.01)
    assert clip.audio48_covers_s == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    ("matrix", "degrees", "expected"),
    [
        ((0, 1, -1, 0), 90, [BLUE, RED, WHITE, GREEN]),
        ((-1, 0, 0, -1), 180, [WHITE, BLUE, GREEN, RED]),
        ((0, -1, 1, 0), 270, [GREEN, WHITE, RED, BLUE]),
        ((-1, 0, 0, 1), 0, [GREEN, RED, WHITE, BLUE]),
    ],
    ids=["90", "180", "270", "mirrored"],
)
def test_a_turned_or_mirrored_picture_is_set_upright(tmp_path, read, matrix, degrees, expected):
    path = set_display_matrix(write(tmp_path / "r.mp4", size=(64, 96)), *matrix)
    clip, arrays = read(path)
    turned = degrees in (90, 270)
    assert clip.facts.rotation_deg == degrees
    assert (clip.facts.width_px, clip.facts.height_px) == ((96, 64) if turned else (64, 96))
    assert arrays["frames"].shape[1:] == ((96, 96) if turned else (144, 64))
    assert_colours(rgb_of(arrays["frames"][0]), expected)
    assert_colours(arrays["thumbs"][3], expected)
    luma = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in expected]
    low = arrays["low"][0].astype(float)
    h, w = low.shape[0] // 2, low.shape[1] // 2
    quarters = [np.median(q) for q in (low[:h, :w], low[:h, w:], low[h:, :w], low[h:, w:])]
    assert np.argsort(quarters).tolist() == np.argsort(luma).tolist()


def test_pixels_that_are_not_square_are_stretched(tmp_path, read):
    clip, arrays = read(write(tmp_path / "s.mp4", size=(64, 96), aspect=Fraction(2, 1)))
    assert (clip.facts.width_px, clip.facts.height_px) == (128, 96)
    assert arrays["frames"].shape[1:] == (144, 128)
    assert_colours(rgb_of(arrays["frames"][0]), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize(
    ("codec", "pixels", "tags"),
    [
        ("libx264", "yuv420p", {"colorspace": 1, "color_range": 1}),
        ("libx264", "yuv420p", {"colorspace": 6, "color_range": 1}),
        ("libx264", "yuvj420p", {"colorspace": 1, "color_range": 2}),
        ("libx264", "yuvj420p", {"colorspace": 5, "color_range": 2}),
        ("libx264", "yuv422p", {"colorspace": 1, "color_range": 1}),
        ("libx264", "yuv444p", {"colorspace": 1, "color_range": 1}),
        ("libx264", "yuv420p10le", {"colorspace": 1, "color_range": 1}),
        ("libx265", "yuv420p10le", {"colorspace": 1, "color_range": 1}),
        ("ffv1", "bgr0", {}),
    ],
)
def test_any_pixel_format_range_and_matrix_gives_the_same_colours(tmp_path, read, codec, pixels, tags):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {"crf": "10"} if codec == "libx264" else {}
    path = write(tmp_path / "c.mkv", seconds=0.2, codec=codec, pixels=pixels, tags=tags, options=options)
    _, arrays = read(path)
    assert_colours(rgb_of(arrays["frames"][0]), [RED, GREEN, BLUE, WHITE])
    assert_colours(arrays["thumbs"][0], [RED, GREEN, BLUE, WHITE])


def test_a_small_picture_that_does_not_name_its_matrix_is_taken_for_bt601(tmp_path, read):
    red = np.full((96, 64, 3), RED, np.uint8)
    path = write(tmp_path / "u.mkv", seconds=0.2, codec="ffv1", pixels="yuv420p", tags={}, picture=red)
    _, arrays = read(path)  # `write` codes it as BT.709
    off = np.array(corners(rgb_of(arrays["frames"][0]))[0]) - RED
    assert np.abs(off).max() > CLOSE


@pytest.mark.parametrize(("curve", "grey"), [(16, 0.58), (18, 0.75)], ids=["PQ", "HLG"])
def test_hdr_reference_white_becomes_almost_white_and_stays_grey(tmp_path, read, curve, grey):
    # 58 % PQ and 75 % HLG are reference white, 203 cd/m² (ITU-R BT.2408, table 1).
    picture = np.full((96, 64, 3), round(grey * 255), np.uint8)
    tags = {"colorspace": 9, "color_primaries": 9, "color_trc": curve, "color_range": 1}
    path = write(
        tmp_path / "h.mkv",
        seconds=0.2,
        codec="libx265",
        pixels="yuv420p10le",
        tags=tags,
        picture=picture,
        options={"x265-params": "log-level=none"},
    )
    _, arrays = read(path)
    for image in (rgb_of(arrays["frames"][0]), arrays["thumbs"][0].astype(float)):
        assert 225 < np.median(image) < 250
        assert np.ptp(np.median(image.reshape(-1, 3), axis=0)) < 6


@pytest.mark.parametrize(
    ("codec", "suffix", "name"),
    [("libx265", "mp4", "hevc"), ("libvpx-vp9", "webm", "vp9"), ("libsvtav1", "mp4", "av1")],
)
def test_other_codecs_decode_and_go_by_their_own_names(tmp_path, read, codec, suffix, name):
    quiet = {"libx265": {"x265-params": "log-level=none"}, "libsvtav1": {"preset": "12"}}
    path = write(tmp_path / f"v.{suffix}", seconds=0.5, codec=codec, size=(128, 192), options=quiet.get(codec))
    clip, arrays = read(path)
    assert (clip.facts.frame_count, clip.facts.video_codec) == (15, name)
    assert_colours(rgb_of(arrays["frames"][0]), [RED, GREEN, BLUE, WHITE])


def test_odd_sizes_lose_one_row_and_one_column(tmp_path, read):
    path = write(tmp_path / "o.mkv", seconds=0.2, codec="ffv1", pixels="yuv420p", size=(65, 97))
    clip, arrays = read(path)
    assert (clip.facts.width_px, clip.facts.height_px) == (65, 97)
    assert arrays["frames"].shape[1:] == (144, 64)
    assert_colours(rgb_of(arrays["frames"][0]), [RED, GREEN, BLUE, WHITE])


def test_a_large_picture_is_scaled_down(tmp_path, read):
    clip, arrays = read(write(tmp_path / "l.mp4", seconds=0.1, size=(2160, 3840), options={"preset": "ultrafast"}))
    assert (clip.facts.width_px, clip.facts.height_px) == (2160, 3840)
    assert arrays["frames"].shape == (1, 1536, 576)
    assert_colours(rgb_of(arrays["frames"][0]), [RED, GREEN, BLUE, WHITE])


def test_one_frame_is_enough(tmp_path, read):
    clip, arrays = read(write(tmp_path / "one.mp4", times_s=[0.0]))
    assert clip.facts.frame_count == 1
    assert clip.facts.has_video
    assert clip.facts.fps is not None
    assert [len(arrays[name]) for name in ("frames", "low", "thumbs")] == [1, 1, 1]
    assert clip.facts.duration_s > 0


def test_a_variable_frame_rate_is_sampled_by_time(tmp_path, read):
    times = [0, 0.033, 0.066, 0.1, 0.9, 1.6, 1.633, 3.0, 3.033, 4.0]
    clip, arrays = read(write(tmp_path / "vfr.mkv", times_s=times))
    assert arrays["thumbs_pts"] == pytest.approx(times, abs=0.002)
    assert arrays["frames_pts"].tolist() == pytest.approx([0, 0.9, 1.6, 3.0, 4.0], abs=0.002)
    assert clip.facts.fps == pytest.approx(9 / 4.0, rel=0.01)


def test_times_start_at_the_first_displayed_frame(tmp_path, read):
    sound = beep(3, 1.0)
    times = [1.5 + index / 30 for index in range(45)]
    clip, arrays = read(write(tmp_path / "late.mkv", times_s=times, sound=sound))
    assert arrays["thumbs_pts"][0] == 0.0
    # The beep is 0.5 s before the picture begins: cut away with the rest of that second and a half.
    assert clip.audio48_covers_s == pytest.approx(1.5, abs=0.03)
    assert np.abs(arrays["audio48"]).max() < 300
    assert clip.facts.duration_s == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize(("codec", "layout"), [("aac", "7.1"), ("libopus", "7.1"), ("pcm_s16le", "7.1")])
def test_sound_of_eight_channels_is_mixed_down(tmp_path, read, codec, layout):
    """Eight planes of samples ended the process: PyAV looks for a ninth."""
    sound = np.zeros((8, 2 * 48_000), np.float32)
    sound[0] = tone(2.0, 0.5)
    clip, arrays = read(write(tmp_path / "eight.mkv", seconds=2, sound=sound, sound_codec=codec, sound_layout=layout))
    assert (clip.facts.audio_channels, clip.audio48_covers_s) == (8, pytest.approx(2.0, abs=0.05))
    assert np.abs(arrays["audio48"][:, 0]).max() > 1000 > 50 > np.abs(arrays["audio48"][:, 1]).max()


def test_a_stream_that_appears_at_the_end_does_not_matter(tmp_path, read):
    """FLV names its streams as they come; of one that PyAV had not seen at the start it raised IndexError."""
    path = write(tmp_path / "a.flv", seconds=2, sound=tone(2, 0.3, rate=44_100), sound_rate=44_100)
    mp3 = b"\x2f" + bytes(400)
    tag = b"\x08" + len(mp3).to_bytes(3, "big") + (2000).to_bytes(3, "big") + bytes(4) + mp3
    path.write_bytes(path.read_bytes() + tag + len(tag).to_bytes(4, "big"))
    clip, _ = read(path)
    assert (clip.facts.frame_count, clip.facts.audio_codec) == (60, "aac")


def test_two_recordings_joined_into_one_file_play_one_after_the_other(tmp_path, read):
    """Their stamps begin anew half-way; the second was pressed into a tenth of a second and its sound left out."""
    first = write(tmp_path / "a.ts", seconds=3, sound=beep(3, 1.0), options={"bf": "0"})
    second = write(tmp_path / "b.ts", seconds=3, sound=beep(3, 0.5), options={"bf": "0"})
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    clip, arrays = read(joined)
    assert clip.facts.duration_s == pytest.approx(6.0, abs=0.1)
    assert clip.facts.fps == pytest.approx(30, rel=0.02)
    assert np.diff(arrays["thumbs_pts"]).max() < 0.1
    assert onset_s(arrays["audio16"][: 2 * 16_000], 16_000) == pytest.approx(1.0, abs=0.05)
    assert onset_s(arrays["audio16"][2 * 16_000 :], 16_000) + 2 == pytest.approx(3.5, abs=0.1)


def test_sound_that_begins_later_than_the_picture_is_padded(tmp_path, read):
    path = write(tmp_path / "pad.mkv", seconds=2, sound=beep(1.2, 0.5), sound_start_s=0.7)
    clip, arrays = read(path)
    assert onset_s(arrays["audio48"], 48_000) == pytest.approx(1.2, abs=0.02)
    assert onset_s(arrays["audio16"], 16_000) == pytest.approx(1.2, abs=0.02)
    assert clip.audio16_covers_s == pytest.approx(1.9, abs=0.05)


def test_full_scale_is_16384_and_overshoots_survive(tmp_path, read):
    path = write(tmp_path / "over.mkv", sound=tone(1.0, 1.5, channels=2), sound_codec="pcm_f32le")
    _, arrays = read(path)
    assert np.abs(arrays["audio48"].astype(int)).max() == pytest.approx(1.5 * 16384, rel=0.01)
    assert np.abs(arrays["audio16"].astype(int)[800:-800]).max() == pytest.approx(1.5 * 16384, rel=0.01)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_mono_sound_lies_on_both_channels_at_its_own_level(tmp_path, read, rate):
    path = write(tmp_path / "mono.mkv", sound=tone(1.0, 0.5, rate=rate), sound_rate=rate, sound_codec="pcm_f32le")
    _, arrays = read(path)
    assert np.array_equal(arrays["audio48"][:, 0], arrays["audio48"][:, 1])
    assert len(arrays["audio48"]) == pytest.approx(48_000, abs=100)
    assert len(arrays["audio16"]) == pytest.approx(16_000, abs=40)
    for name, skip in (("audio48", 2400), ("audio16", 800)):
        assert np.abs(arrays[name].astype(int)[skip:-skip]).max() == pytest.approx(8192, rel=0.02)


def test_stereo_is_averaged_into_mono(tmp_path, read):
    sound = tone(1.0, 0.5, channels=2)
    sound[1] = 0
    _, arrays = read(write(tmp_path / "left.mkv", sound=sound, sound_codec="pcm_f32le"))
    assert np.abs(arrays["audio16"].astype(int)[800:-800]).max() == pytest.approx(4096, rel=0.02)
    assert np.abs(arrays["audio48"][:, 1].astype(int)).max() <= 1


@pytest.mark.parametrize(("codec", "size"), [("pcm_f32le", 0.02), ("aac", 0.05), ("pcm_s16le", 0.02)])
def test_of_channels_that_cancel_each_other_mono_is_the_left_one(tmp_path, read, codec, size):
    sound = tone(2.0, 0.5, channels=2)
    sound[1] *= -0.95  # turned over, and not to the last bit
    _, arrays = read(write(tmp_path / "turned.mkv", sound=sound, sound_codec=codec))
    assert np.abs(arrays["audio16"].astype(int)[1600:-1600]).max() == pytest.approx(8192, rel=size)
    left, right = arrays["audio48"][4800:-4800].astype(float).T
    assert np.corrcoef(left, right)[0, 1] == pytest.approx(-1, abs=0.01), "both channels are kept as they are"


def test_channels_without_relation_are_averaged_as_ever(tmp_path, read):
    sound = np.concatenate((tone(2.0, 0.5, hz=300.0), tone(2.0, 0.5, hz=500.0)))
    _, arrays = read(write(tmp_path / "wide.mkv", sound=sound, sound_codec="pcm_f32le"))
    second = arrays["audio16"][8000:24_000].astype(float)
    heard = np.abs(np.fft.rfft(second)) * 2 / len(second)
    assert [round(float(heard[hz])) for hz in (300, 500)] == [pytest.approx(4096, rel=0.02)] * 2


def test_six_channels_are_mixed_down_without_clipping(tmp_path, read):
    sound = tone(1.0, 0.9, channels=6)
    path = write(tmp_path / "six.mkv", sound=sound, sound_codec="pcm_f32le", sound_layout="5.1")
    clip, arrays = read(path)
    assert clip.facts.audio_channels == 6
    assert arrays["audio48"].shape[1] == 2
    assert 4000 < np.abs(arrays["audio48"].astype(int)).max() <= 16_400
    assert 4000 < np.abs(arrays["audio16"].astype(int)).max() <= 16_400


def test_a_video_without_sound_has_no_sound(tmp_path, read):
    clip, arrays = read(write(tmp_path / "mute.mp4"))
    assert not clip.facts.has_audio
    assert "audio16" not in arrays
    assert clip.audio48_covers_s == 0.0


def test_sound_without_a_picture_has_no_picture(tmp_path, read):
    clip, arrays = read(write(tmp_path / "song.m4a", video=False, sound=beep(2, 0.5)))
    assert not clip.facts.has_video
    assert (clip.facts.width_px, clip.facts.fps, clip.facts.video_codec) == (None, None, None)
    assert set(arrays) == {"audio16", "audio48"}
    assert onset_s(arrays["audio16"], 16_000) == pytest.approx(0.5, abs=0.02)


def test_cover_art_is_not_a_video(tmp_path, read):
    path = tmp_path / "cover.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        heard = container.add_stream("aac", rate=48_000, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24").reformat(format="yuvj420p")
        picture.pts = 0
        container.mux(cover.encode(picture))
        for start in range(0, 48_000, 1024):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.1, np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(heard.encode(frame))
        container.mux(cover.encode(None))
        container.mux(heard.encode(None))
    clip, arrays = read(path)
    assert not clip.facts.has_video
    assert "frames" not in arrays


def test_the_first_of_several_pictures_is_taken(tmp_path, read):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for size in ((64, 96), (128, 96)):
            stream = container.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            streams.append(stream)
        for index in range(10):
            for stream in streams:
                frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
                frame.pts = index
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    clip, _ = read(path)
    assert (clip.facts.width_px, clip.facts.frame_count) == (64, 10)


def test_a_size_that_changes_on_the_way_is_scaled_to_the_first(tmp_path, read):
    path = tmp_path / "change.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        for index in range(15):
            frame = av.VideoFrame.from_ndarray(grey(64, 96, 100), "yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        other = av.CodecContext.create("libx264", "w")
        other.width, other.height, other.pix_fmt, other.time_base = 128, 64, "yuv420p", Fraction(1, 30)
        for index in range(15, 46):
            packets = []
            if index < 45:
                frame = av.VideoFrame.from_ndarray(grey(128, 64, 200), "yuv420p")
                frame.pts = index
                packets = other.encode(frame)
            else:
                packets = other.encode(None)
            for packet in packets:
                packet.stream, packet.time_base = stream, Fraction(1, 30)
                container.mux(packet)
    clip, arrays = read(path)
    assert clip.facts.frame_count == 45
    assert arrays["frames"].shape[1:] == (144, 64)
    assert np.median(arrays["frames"][0][:96]) == pytest.approx(100, abs=3)
    assert np.median(arrays["frames"][-1][:96]) == pytest.approx(200, abs=3)


def test_a_container_without_a_length_is_measured(tmp_path, read):
    path = write(tmp_path / "live.webm", seconds=3, codec="libvpx-vp9", muxer={"live": "1"}, options={"speed": "8"})
    with av.open(str(path)) as container:
        assert container.duration is None
    clip, arrays = read(path)
    assert clip.facts.duration_s == pytest.approx(3.0, abs=0.1)
    assert len(arrays["frames"]) == 6


def test_a_file_far_longer_than_it_says_is_thinned_and_never_overflows(tmp_path, read):
    path = write(tmp_path / "liar.mkv", seconds=60, fps=10, sound=tone(60, 0.2))
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # Matroska: Duration, 8 bytes, in milliseconds
    data[at : at + 8] = np.array(1000.0, ">f8").tobytes()
    path.write_bytes(data)
    clip, arrays = read(path)
    assert clip.facts.duration_s == pytest.approx(60, abs=0.2)
    assert clip.facts.frame_count == 600
    for name in ("frames", "low", "thumbs"):
        times = arrays[f"{name}_pts"]
        gaps = np.diff(times)
        assert times[0] == 0.0
        assert len(times) == len(arrays[name])
        assert (gaps > 0).all()
        assert 60 - times[-1] <= 2.1 * gaps.max()
    assert 0 < clip.audio48_covers_s <= 60


def test_ten_minutes_fit_into_a_tiny_slot(tmp_path, read):
    path = write(
        tmp_path / "long.mkv",
        seconds=600,
        fps=5,
        sound=tone(600, 0.2, rate=16_000),
        sound_rate=16_000,
        sound_codec="pcm_f32le",
        options={"preset": "ultrafast"},
    )
    view = np.zeros(8 * MIB, np.uint8)
    clip, arrays = read(path, view=view)
    assert clip.facts.frame_count == 3000
    assert clip.facts.duration_s == pytest.approx(600, abs=0.5)
    assert len(arrays["frames"]) >= 32
    for name in ("frames", "low", "thumbs"):
        times = arrays[f"{name}_pts"]
        assert times[-1] > 570
        tail = np.diff(times[times > 10])
        assert tail.max() <= 2.2 * tail.min() + 0.2
    assert clip.audio16_covers_s == pytest.approx(39.3, abs=0.5)
    assert clip.audio48_covers_s == pytest.approx(8.7, abs=0.5)


def test_a_video_longer_than_allowed_is_refused_and_the_setting_named(tmp_path, read):
    path = write(tmp_path / "long.mp4", seconds=3)
    with pytest.raises(UnsupportedMedia, match=r"lasts 3 s, more than analysis\.max_duration_s = 2"):
        read(path, max_duration_s=2.0)


def test_a_video_longer_than_allowed_is_refused_even_if_its_container_does_not_say(tmp_path, read):
    path = write(tmp_path / "live.webm", seconds=3, codec="libvpx-vp9", muxer={"live": "1"}, options={"speed": "8"})
    with pytest.raises(UnsupportedMedia, match=r"analysis\.max_duration_s"):
        read(path, max_duration_s=2.0)


def test_progress_rises_to_the_end(tmp_path, read):
    seen: list[float] = []
    read(write(tmp_path / "p.mp4", seconds=2), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] > 0.9
    assert all(b - a >= 0.0099 for a, b in pairwise(seen))


def test_decoding_twice_gives_the_same_bytes(tmp_path, read):
    path = write(tmp_path / "same.mp4", seconds=1, sound=tone(1, 0.3, channels=2))
    (first, one), (second, two) = read(path), read(path)
    assert first == second
    assert all(np.array_equal(one[name], two[name]) for name in one)
