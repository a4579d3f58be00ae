"""Files that are not, or no longer, videos: each is refused with what was found."""

import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.mediafiles import tone, write
from tiktokd.decode import decode
from tiktokd.errors import CorruptMedia, UnsupportedMedia

VIEW = np.zeros(8 << 20, np.uint8)


def read(path: Path):
    """Decode into a small slot."""
    return decode(path, VIEW, fps=2.0, max_duration_s=600.0, slot=0, generation=1)


@pytest.fixture
def clip(tmp_path) -> Path:
    """A good clip whose index comes first, as TikTok serves it."""
    return write(
        tmp_path / "good.mp4",
        seconds=6,
        size=(96, 160),
        sound=tone(6, 0.3, channels=2),
        muxer={"movflags": "faststart"},
        options={"g": "30", "crf": "5"},
    )


def test_a_file_of_zero_bytes_is_corrupt(tmp_path):
    path = tmp_path / "zero.mp4"
    path.touch()
    with pytest.raises(CorruptMedia, match=r"zero\.mp4 cannot be opened as a video.*it is empty"):
        read(path)


def test_a_web_page_named_mp4_is_corrupt_and_shown(tmp_path):
    path = tmp_path / "page.mp4"
    path.write_text("<!DOCTYPE html><html><body>Please log in</body></html>" * 50)
    with pytest.raises(CorruptMedia, match=r"a web page.*it begins with “<!DOCTYPE ht”"):
        read(path)


@pytest.mark.parametrize("seed", range(12))
def test_random_bytes_are_corrupt(tmp_path, seed):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(seed).bytes(200_000))
    with pytest.raises(CorruptMedia):
        read(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_clip_that_was_cut_off_is_corrupt_and_says_where(clip, share):
    data = clip.read_bytes()
    clip.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CorruptMedia, match=r"breaks off: \d\.\d of 6\.\d s decode|packets do not decode"):
        read(clip)


def test_a_clip_that_lacks_only_its_last_frames_is_accepted(clip):
    whole = read(clip).facts.frame_count
    data = clip.read_bytes()
    clip.write_bytes(data[: int(len(data) * 0.97)])
    assert 0.9 * whole < read(clip).facts.frame_count < whole


def test_a_clip_whose_index_is_missing_is_corrupt(tmp_path):
    path = write(tmp_path / "late.mp4", seconds=2)  # without faststart the index comes last
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(CorruptMedia, match=r"cannot be opened|it holds no streams"):
        read(path)


def test_a_clip_with_rubbish_in_its_middle_is_corrupt(clip):
    data = bytearray(clip.read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = np.random.default_rng(1).bytes(third)
    clip.write_bytes(data)
    with pytest.raises(CorruptMedia, match="packets do not decode"):
        read(clip)


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_single_broken_bytes_never_do_worse_than_a_refusal(clip, at):
    data = bytearray(clip.read_bytes())
    rng = np.random.default_rng(int(at * 10))
    for offset in rng.integers(int(len(data) * (at - 0.1)), int(len(data) * at), 40):
        data[offset] ^= int(rng.integers(1, 256))
    clip.write_bytes(data)
    try:
        made = read(clip)
    except (CorruptMedia, UnsupportedMedia) as exc:
        assert clip.name in str(exc)  # noqa: PT017 - either outcome is right, an accident is not
    else:
        assert all(block.offset + int(np.prod(block.shape)) <= len(VIEW) for block in made.blocks.values())


def test_a_playlist_cannot_make_the_decoder_read_another_file(tmp_path, clip):
    path = tmp_path / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{clip}\n#EXT-X-ENDLIST\n")
    with pytest.raises(CorruptMedia, match="cannot be opened"):
        read(path)


def test_a_concat_script_cannot_make_the_decoder_read_another_file(tmp_path, clip):
    path = tmp_path / "script.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {clip}\n")
    with pytest.raises(CorruptMedia, match="cannot be opened"):
        read(path)


def test_a_file_that_is_gone_is_refused(tmp_path):
    with pytest.raises(CorruptMedia, match="No such file"):
        read(tmp_path / "gone.mp4")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(CorruptMedia, match="cannot be opened"):
        read(tmp_path)


@pytest.mark.parametrize("size", [(8, 96), (96, 8), (2, 2), (16, 1000)])
def test_a_picture_in_which_nothing_can_be_seen_is_refused_with_its_size(tmp_path, size):
    path = write(tmp_path / "thin.mp4", size=size)
    with pytest.raises(UnsupportedMedia, match=rf"thin\.mp4 shows a picture of {size[0]} x {size[1]} px; each side"):
        read(path)


def test_the_size_of_a_picture_is_that_in_which_it_is_shown(tmp_path):
    path = write(tmp_path / "flat.mp4", size=(180, 320), aspect=Fraction(178))
    with pytest.raises(UnsupportedMedia, match="a picture of 32040 x 320 px"):
        read(path)


@pytest.mark.parametrize("brand", [b"heic", b"avif"])
def test_a_photo_of_a_phone_is_no_video_of_one_picture(tmp_path, brand):
    path = write(tmp_path / "photo.mp4", seconds=0.04, fps=25)
    path.write_bytes(path.read_bytes().replace(b"ftypisom", b"ftyp" + brand))
    with pytest.raises(UnsupportedMedia, match=r"photo\.mp4 is a still picture"):
        read(path)


def test_a_sequence_of_pictures_moves(tmp_path):
    path = write(tmp_path / "burst.mp4")
    path.write_bytes(path.read_bytes().replace(b"ftypisom", b"ftypmsf1"))
    assert read(path).facts.has_video


@pytest.mark.parametrize("channels", [9, 13, 24, 64])
def test_a_number_of_channels_that_nobody_can_mix_is_refused_and_others_are_mixed(tmp_path, channels):
    path = tmp_path / "many.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.full((16_000, channels), 900, "<i2").tobytes())
    if channels == 24:
        assert read(path).facts.audio_channels == 24
    else:
        with pytest.raises(CorruptMedia, match=rf"packets do not decode \({channels} channels\)"):
            read(path)


def test_sound_that_is_stamped_an_hour_later_makes_no_video_of_an_hour(tmp_path):
    path = write(tmp_path / "late.mkv", sound=tone(1, 0.3), sound_start_s=3600.0, muxer={"live": "1"})
    with pytest.raises(UnsupportedMedia, match=r"late\.mkv lasts 3601 s"):
        read(path)


def test_a_codec_that_nobody_knows_is_unsupported(tmp_path):
    path = write(tmp_path / "new.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(UnsupportedMedia, match="no picture that can be decoded here; it holds video of unknown codec"):
        read(path)


def test_good_sound_does_not_make_up_for_a_picture_that_nobody_can_decode(tmp_path):
    path = write(tmp_path / "new.mp4", sound=tone(1, 0.3))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(UnsupportedMedia, match="it holds video of unknown codec, audio aac"):
        read(path)
