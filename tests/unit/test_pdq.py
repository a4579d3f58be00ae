"""PDQ against a table of hashes that the reference (pdqhash 0.2.8) gave for pictures made by formula, and matching."""

import cv2
import numpy as np
import pytest

from tiktokd import copies, pdq
from tiktokd.encoders import frame_hashes
from tiktokd.footage import Bars

REFERENCE = {
    (0, 1024, 576): "859a4183080f0acabaff57d4fe3c7f7cfd9effba2a8e5751b6da174884102000",
    (1, 576, 1024): "bbb202fac7b202de826eeb32ce76e8ba1afb41eefb5256008fd42a426ffa2200",
    (2, 240, 320): "bea0ff6f1044555be1ddc90151a90700edbb3f00fa554af52b44a8df0254aaff",
    (3, 512, 512): "5ae830825aaaf000a5540ffda555afddb5170ffda5554fc985c08ef0a7d48fa0",
    (4, 64, 64): "c571380f739c90b541c8bd0b0463bd9f608ccff5ba003ddfab63730e339cc2b1",
    (5, 720, 480): "5c0a01fc2b55ee03ab7c3b3ced7e56aac35f17d18bd1564003e5cf422355ee40",
}
NO_BARS = Bars(top=0.0, bottom=0.0, left=0.0, right=0.0, fill=None)


def pattern(seed, height, width):
    """Return an RGB picture made of integers only, so that it is the same on every machine."""
    x, y = np.arange(width, dtype=np.int64)[None, :], np.arange(height, dtype=np.int64)[:, None]
    red = (x * (3 + seed) + y * (7 - seed) + (x * x * (seed + 1) + y * y * 3) // (97 + 11 * seed)) % 256
    green = ((x // (9 + seed)) * 37 + (y // (13 + 2 * seed)) * 59 + seed * 31) % 256
    blue = ((x * y) // (61 + 7 * seed) + (x // 31) * (y // 17) * 13) % 256
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def luma(rgb):
    return rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def scene(seed, height=1024, width=576):
    """Return a picture with the spectrum of a photograph: the larger a blob, the stronger."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 120.0)
    for size, strength in ((8, 6), (32, 14), (90, 22), (220, 30)):
        coarse = random.normal(0, strength, (height // size + 2, width // size + 2, 3))
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def apart(a: pdq.Hashed, b: pdq.Hashed) -> int:
    return int(pdq.distances(a.bits[None], b.bits[None])[0, 0])


@pytest.mark.parametrize(("shape", "expected"), REFERENCE.items())
def test_hashes_are_those_of_the_reference(shape, expected, accuracy):
    found = pdq.hash_luma(luma(pattern(*shape)))
    accuracy("PDQ against the reference", (int(found.text, 16) ^ int(expected, 16)).bit_count(), mark=0, unit="bits")
    assert found.quality == 100


def test_the_flipped_hash_is_the_hash_of_the_mirrored_picture():
    picture = luma(scene(1))
    assert pdq.hash_luma(picture).flipped_text == pdq.hash_luma(picture[:, ::-1]).text


def test_a_plain_picture_has_no_quality():
    assert pdq.hash_luma(np.full((100, 100), 80.0)).quality == 0


@pytest.mark.parametrize("quality", [95, 50, 10])
def test_jpeg_moves_at_most_twelve_bits(quality):
    original = scene(2)
    coded = cv2.imdecode(cv2.imencode(".jpg", original, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    assert apart(pdq.hash_luma(luma(original)), pdq.hash_luma(luma(coded))) <= 12


def test_half_size_moves_at_most_sixteen_bits():
    original = scene(3)
    half = cv2.resize(original, (288, 512), interpolation=cv2.INTER_AREA)
    assert apart(pdq.hash_luma(luma(original)), pdq.hash_luma(luma(half))) <= 16


def test_unrelated_pictures_differ_in_at_least_ninety_bits():
    hashed = np.stack([pdq.hash_luma(luma(scene(seed, 256, 144))).bits for seed in range(10, 30)])
    table = pdq.distances(hashed, hashed)
    assert table[~np.eye(20, dtype=bool)].min() >= 90


def yuv(rgb):
    """Return planar YUV 4:2:0, BT.709, limited range, as a slot holds it."""
    r, g, b = (rgb[..., i].astype(np.float64) for i in range(3))
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    cb, cr = (b - y) / 1.8556, (r - y) / 1.5748

    def half(plane):
        return plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).mean((1, 3))

    planes = [16 + y * 219 / 255, 128 + half(cb) * 224 / 255, 128 + half(cr) * 224 / 255]
    return np.concatenate([np.round(p).ravel() for p in planes]).astype(np.uint8).reshape(-1, rgb.shape[1])


def hashes(pictures, bars=NO_BARS, start_s=0.0):
    pts = start_s + np.arange(len(pictures), dtype=np.float64)
    found = frame_hashes.hash_all(frame_hashes.Pictures(frames=[yuv(p) for p in pictures], pts=pts, bars=bars))
    entries = [
        {
            "t_s": float(t),
            "hash_hex": whole.text,
            "quality": whole.quality,
            "flipped_hex": whole.flipped_text,
            "cropped_hex": [c.text for c in crops],
        }
        for t, whole, crops in zip(found.pts_s, found.hashes, found.crops, strict=True)
    ]
    return copies.VideoHashes.from_json(entries)


def test_a_frame_hashes_as_the_picture_that_it_shows():
    picture = scene(4)
    from_frame = hashes([picture]).views[0, 0]
    assert pdq.distances(from_frame[None], pdq.hash_luma(luma(picture)).bits[None])[0, 0] <= 4


VIDEO = [scene(40 + i, 512, 288) for i in range(8)]


def test_a_reencoded_copy_is_exact_and_its_offset_is_found():
    noisy = [np.clip(p + np.random.default_rng(0).normal(0, 4, p.shape), 0, 255).astype(np.uint8) for p in VIDEO[3:]]
    found = copies.match(hashes(noisy), hashes(VIDEO))
    assert found is not None
    assert (found.kind, found.matched_ratio, found.offset_s, found.mirrored) == ("exact", 1.0, 3.0, False)


def test_a_mirrored_copy_on_a_black_ground_is_found():
    framed = []
    for picture in VIDEO:
        ground = np.zeros_like(picture)
        ground[50:462, 28:260] = cv2.resize(picture[:, ::-1], (232, 412), interpolation=cv2.INTER_AREA)
        framed.append(ground)
    bars = Bars(top=50 / 512, bottom=50 / 512, left=28 / 288, right=28 / 288, fill="plain")
    found = copies.match(hashes(framed, bars), hashes(VIDEO))
    assert found is not None
    assert (found.kind, found.mirrored, found.matched_ratio) == ("edited", True, 1.0)


@pytest.mark.parametrize("crop", [0.04, 0.06, 0.09])
def test_a_cropped_copy_is_found_in_both_directions(crop):
    dy, dx = int(512 * crop / 2), int(288 * crop / 2)
    cut = [cv2.resize(p[dy : 512 - dy, dx : 288 - dx], (288, 512), interpolation=cv2.INTER_CUBIC) for p in VIDEO]
    for a, b in ((hashes(cut), hashes(VIDEO)), (hashes(VIDEO), hashes(cut))):
        found = copies.match(a, b)
        assert found is not None
        assert (found.kind, found.matched_ratio) == ("edited", 1.0)


def test_other_videos_and_plain_ones_do_not_match():
    other = hashes([scene(80 + i, 512, 288) for i in range(8)])
    plain = hashes([np.full((512, 288, 3), 30, np.uint8)] * 8)
    assert copies.match(hashes(VIDEO), other) is None
    assert copies.match(plain, plain) is None


def test_the_same_pictures_in_another_order_are_no_copy():
    shuffled = [VIDEO[i] for i in (5, 2, 7, 0, 3, 6, 1, 4)]
    assert copies.match(hashes(VIDEO), hashes(shuffled)) is None
