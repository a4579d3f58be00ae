"""QR codes: read exactly, none where there is none, and calls of a real clip with one."""

import cv2
import numpy as np
import pytest

from tests.analysis import analyze_arrays, analyze_file, media
from tests.contexts import clip_of, facts
from tests.lettering import backdrop, planes, small_luma
from tiktokd.encoders.qr import ENCODER, Sample
from tiktokd.plugins import LoadContext

PAYLOADS = ["https://example.org/shop?x=1#y", "WIFI:T:WPA;S:home;P:secret;;", "Grüße aus 東京", "x" * 120]


def with_code(payload: str) -> np.ndarray:
    """Return a (960, 540, 3) picture with a QR code of about 220 px on it."""
    code = np.pad(cv2.QRCodeEncoder.create().encode(payload), 4, constant_values=255)
    large = np.kron(code, np.ones((220 // len(code),) * 2, np.uint8))
    picture = backdrop((540, 960), 4).copy()
    picture[500 : 500 + len(large), 150 : 150 + len(large)] = large[..., None]
    return picture


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_is_read_exactly(payload, accuracy):
    model = ENCODER.load(LoadContext())
    luma = planes(with_code(payload))[:960]
    accuracy("QR codes misread", ENCODER.encode(model, [Sample(0.0, luma)]) != [(payload,)], mark=0)


def test_two_codes_in_one_picture_are_both_read():
    model = ENCODER.load(LoadContext())
    picture = np.vstack([with_code("https://example.org/one")[300:], with_code("https://example.org/two")[400:760]])
    ((*found,),) = ENCODER.encode(model, [Sample(0.0, planes(picture[:960])[:960])])
    assert sorted(found) == ["https://example.org/one", "https://example.org/two"]


def test_pictures_without_a_code_have_none():
    model = ENCODER.load(LoadContext())
    noise = np.random.default_rng(1).integers(0, 255, (960, 540), np.uint8)
    samples = [Sample(0.0, planes(backdrop((540, 960), seed))[:960]) for seed in range(3)] + [Sample(0.0, noise)]
    assert ENCODER.encode(model, samples) == [()] * 4


def test_a_code_that_comes_up_late_is_found_with_its_time():
    plain, coded = backdrop((540, 960), 4), with_code("https://example.org/late")
    pictures = [coded if t >= 4.0 else plain for t in np.arange(60) / 10]
    arrays = {
        "frames": np.stack([planes(p) for p in pictures[::5]]),
        "frames_pts": np.arange(12) / 2,
        "low": np.stack([small_luma(p) for p in pictures]),
        "low_pts": np.arange(60) / 10,
    }
    clip = clip_of(facts(duration_s=6.0, frames=180, audio=False, size=(540, 960)), arrays)
    summary = analyze_arrays(*clip, ["call_to_action"])["call_to_action"].summary
    assert summary["qr_payloads"] == ["https://example.org/late"]
    (call,) = summary["ctas"]
    assert (call["source"], call["type"]) == ("qr", "visit_url")
    assert 4.0 <= call["t_s"] <= 5.0


def test_a_real_clip_gives_its_code_its_qr_payload_and_its_disclosure():
    summary = analyze_file(media("composites", "call_to_action.mp4"), ["call_to_action"])["call_to_action"].summary
    assert summary["qr_payloads"] == ["https://example.org/shop"]
    assert summary["promo_codes"] == ["CLIMB20"]
    assert summary["disclosure"] == {"present": True, "evidence": ["paid partnership"], "platform_flag": None}
    assert {call["type"] for call in summary["ctas"]} == {"promo_code", "visit_url"}
