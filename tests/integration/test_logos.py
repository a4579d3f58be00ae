"""Logos of the user's gallery: tiny random SigLIP2 through the real loader, and the rules of what stands out."""

import json

import cv2
import numpy as np
import pytest

from tests import tiny_models
from tests.contexts import clip_of, facts, odd_clips, pictures
from tests.written import analyze, context_of
from tiktokd import graph
from tiktokd.encoders import _gallery, _sightings, logos, siglip2
from tiktokd.errors import ModelMissing
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

CATALOGUE = graph.load()
NAME, SIZE, TILE = "entities_keywords", (144, 256), 36
STRIPES = np.tile(np.repeat(np.array([16, 235], np.uint8), 6), (TILE, TILE // 12))
"""A logo as large as a window of a quarter of the short side."""
RINGS = np.where(np.hypot(*np.mgrid[-18:18, -18:18]) % 9 < 4, np.uint8(30), np.uint8(220)).astype(np.uint8)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    made = tmp_path_factory.mktemp("models")
    for name in ("siglip2", "dfine"):
        tiny_models.write(name, made)
    return made


def keep(data_dir, name, luma):
    """Put a picture with this luma (16..235) into the gallery."""
    file = data_dir / "logos" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    grey = np.clip((luma.astype(np.float32) - 16) / 219 * 255, 0, 255).round().astype(np.uint8)
    cv2.imwrite(str(file), grey)


@pytest.fixture
def data_dir(tmp_path):
    keep(tmp_path, "Stripe & Co/tile.png", STRIPES)
    keep(tmp_path, "Ringo.png", RINGS)
    return tmp_path


def seen(logo=None, at=(51, 36), frames=30):
    """Return a clip of grey patches, with a logo of a window's size exactly in a window from the first second on."""
    patches = np.random.default_rng(5).integers(120, 130, (16, 9), np.uint8)

    def luma(i):
        frame = np.kron(patches, np.ones((16, 16), np.uint8)) + np.uint8(i % 3)
        if logo is not None and i >= 10:
            frame[at[0] : at[0] + TILE, at[1] : at[1] + TILE] = logo
        return frame

    clip, arrays = clip_of(
        facts(duration_s=3.0, frames=frames, audio=False, size=SIZE), pictures(frames, 3.0, luma, SIZE)
    )
    return Context(facts=clip.facts, arrays=arrays)


def analyzed(load, context, names=(NAME,)):
    """Return the result as a GPU worker and the fusion make it, and the signals between."""
    runner = Runner(load, CATALOGUE)
    first = runner.level1(names, "gpu", context, lambda _name: None)
    signals = json.loads(json.dumps(first.signals))
    later = Context(facts=context.facts, outputs=first.outputs, signals=signals)
    return runner.level2(names, later, lambda _name: None).outputs[NAME], signals


def test_a_logo_of_the_gallery_becomes_a_brand_with_its_place_and_time(models_dir, data_dir):
    load = LoadContext(models_dir=models_dir, data_dir=data_dir, threads=1)
    envelope, signals = analyzed(load, seen(RINGS))
    (brand,) = envelope.summary["brands"]
    assert (brand["name"], brand["sources"], brand["count"]) == ("Ringo", ["logo"], 3)
    assert brand["first_s"] == pytest.approx(1.0, abs=0.2)
    assert brand["logo"]["box"] == pytest.approx([36 / 144, 51 / 256, 36 / 144, 36 / 256], abs=1e-4)
    assert brand["logo"]["score"] == pytest.approx(1.0, abs=0.01)
    assert envelope.calibrated is False
    assert siglip2.WEIGHTS.hub_id in {model.id for model in envelope.models}
    assert analyzed(load, seen(RINGS))[1]["logos"] == signals["logos"]


def test_without_a_logo_in_the_picture_no_brand_is_named(models_dir, data_dir):
    load = LoadContext(models_dir=models_dir, data_dir=data_dir, threads=1)
    assert analyzed(load, seen())[1]["logos"] == {"brands": []}


def test_without_a_gallery_no_model_is_loaded_and_nothing_is_lacking(tmp_path):
    without = LoadContext(models_dir=tmp_path, data_dir=tmp_path / "data", threads=1)
    model = logos.load(without)
    assert (model.image, model.used) == (None, ())
    assert logos.collect(seen(), logos.encode(model, logos.items(seen()))) == ()
    told = graph.facts(CATALOGUE.analyzers[NAME], CATALOGUE, without)
    assert "siglip2" not in (told.reason or "")
    (tmp_path / "data" / "logos").mkdir(parents=True)
    assert logos.load(without).image is None, "an empty folder is no gallery either"


def test_a_gallery_without_weights_changes_nothing_in_the_result(tmp_path, data_dir):
    told = []
    for chosen in (None, data_dir):
        load = LoadContext(models_dir=tmp_path / "none", data_dir=chosen, threads=1)
        envelope, signals = analyzed(load, seen(STRIPES))
        assert "logos" not in signals or signals["logos"] == {"brands": []}
        told.append((envelope.status, envelope.tier, envelope.reason, envelope.message, envelope.summary))
    assert told[0] == told[1]
    with pytest.raises(ModelMissing, match="tiktokctl models pull"):
        logos.load(LoadContext(models_dir=tmp_path / "none", data_dir=data_dir))


def test_pictures_are_embedded_once_until_a_file_changes(models_dir, data_dir, monkeypatch):
    load = LoadContext(models_dir=models_dir, data_dir=data_dir, threads=1)
    first = logos.load(load).gallery
    monkeypatch.setattr(logos, "_embed", lambda _image, _picture: pytest.fail("embedded again"))
    np.testing.assert_array_equal(logos.load(load).gallery.vectors, first.vectors)
    keep(data_dir, "Ringo.png", RINGS.T[::-1] // 2)
    with pytest.raises(pytest.fail.Exception, match="embedded again"):
        logos.load(load)


def test_frames_and_logos_share_one_image_tower_whoever_loads_first(models_dir, data_dir):
    load = LoadContext(models_dir=models_dir, data_dir=data_dir, threads=1)
    mine = logos.load(load)
    frames = siglip2.load(load)
    assert frames.image.vision is mine.image.vision
    assert logos.load(load).image.vision is frames.image.vision


def test_a_frame_gives_the_same_alone_and_in_a_batch_whatever_its_size(models_dir, data_dir):
    model = logos.load(LoadContext(models_dir=models_dir, data_dir=data_dir, threads=1))
    clip, arrays = odd_clips()["square"]
    batch = [*logos.items(seen(RINGS)), *logos.items(Context(facts=clip.facts, arrays=arrays))]
    for one, picture in zip(logos.encode(model, batch), batch, strict=True):
        (alone,) = logos.encode(model, [picture])
        np.testing.assert_allclose(alone.cosine, one.cosine, atol=1e-5)
        np.testing.assert_array_equal(alone.boxes, one.boxes)
        assert one.cosine.shape == (len(one.boxes), 2)
        assert np.abs(one.cosine).max() <= 1 + 1e-5


@pytest.mark.parametrize("size", [(144, 256), (256, 144), (160, 160), (2, 900), (64, 448)])
def test_windows_lie_inside_the_picture_are_bounded_and_leave_out_flat_ones(size):
    noise = np.random.default_rng(0).integers(16, 235, size, np.uint8)
    found = logos.windows(noise)
    assert 0 < len(found) <= logos.WINDOWS_MAX
    assert all(0 <= y <= size[0] - side and 0 <= x <= size[1] - side for y, x, side in found)
    assert logos.windows(np.full(size, 99, np.uint8)) == []


def test_what_is_half_as_wide_as_a_window_lies_whole_in_one():
    for length, side in ((1024, 576), (1024, 288), (576, 144), (577, 97)):
        starts = logos._starts(length, side)
        assert (starts[0], starts[-1]) == (0, length - side)
        assert max(np.diff(starts)) <= side / 2 + 1


def gallery(*brands):
    vectors = np.eye(len(brands), 8, dtype=np.float32) * 0.8 + 0.2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(sorted(set(brands)))
    return _gallery.Gallery(brands=names, of=np.array([names.index(b) for b in brands]), vectors=vectors)


def test_a_window_shows_a_brand_only_where_it_stands_out_from_all_other_windows():
    usual = np.random.default_rng(1).normal(0.5, 0.05, (128, 1)).astype(np.float32)
    one = gallery("a")
    near, z = logos.per_brand(usual, one)
    assert not logos.stands_out(near, z, logos.floors(one)).any()
    usual[17] = 0.9
    near, z = logos.per_brand(usual, one)
    assert np.flatnonzero(logos.stands_out(near, z, logos.floors(one))).tolist() == [17]
    near, z = logos.per_brand(usual[10:20], one)
    assert not logos.stands_out(near, z, logos.floors(one)).any(), "too few windows to stand out from"
    same = np.full((128, 1), 0.9, np.float32)
    assert not logos.stands_out(*logos.per_brand(same, one), logos.floors(one)).any(), "all windows are alike"


def test_a_window_no_nearer_than_other_brands_are_shows_none_of_them():
    three = gallery("a", "a", "b")
    floor = logos.floors(three)
    assert floor == pytest.approx([three.vectors[0] @ three.vectors[2]] * 2)
    cosine = np.random.default_rng(2).normal(0.1, 0.01, (64, 3)).astype(np.float32)
    cosine[3, 1] = floor[0] - 0.02
    cosine[9, 1], cosine[9, 2] = floor[0] + 0.1, floor[0] + 0.2
    near, z = logos.per_brand(cosine, three)
    assert z[3, 0] > logos.Z_MIN
    assert np.argwhere(logos.stands_out(near, z, floor)).tolist() == [[9, 1]]


def test_of_many_brands_the_surest_are_kept_each_once_with_its_first_time():
    at = [
        _sightings.Sighting(
            brand=f"b{i % 40:02}", pts_s=9.0 - i // 40, score=i / 80, z=5.0, box=np.zeros(4, np.float32)
        )
        for i in range(80)
    ]
    found = _sightings.by_brand(at)
    assert [one.brand for one in found] == [f"b{i}" for i in range(39, 19, -1)]
    assert {(one.frames, one.first_s) for one in found} == {(2, 8.0)}


def test_a_picture_is_filled_up_to_a_square_in_the_colour_of_its_border(tmp_path):
    wide = np.full((10, 40, 3), (0, 0, 255), np.uint8)
    wide[4:6, 18:22] = (0, 255, 0)
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    square = _gallery.picture(tmp_path / "wide.png")
    assert square.shape == (40, 40, 3)
    np.testing.assert_allclose(square[0, 0], (1, 0, 0))
    np.testing.assert_allclose(square[20, 20], (0, 1, 0))


def test_a_large_picture_is_shrunk_before_it_is_filled_up(tmp_path):
    wide = np.full((300, 6000, 3), (0, 0, 255), np.uint8)
    wide[:, 2700:3300] = (0, 255, 0)
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    square = _gallery.picture(tmp_path / "wide.png")
    assert square.shape == (_gallery.LONGEST_PX, _gallery.LONGEST_PX, 3)
    np.testing.assert_allclose(square[512, 512], (0, 1, 0))
    cv2.imwrite(str(tmp_path / "line.png"), wide[:1])
    assert _gallery.picture(tmp_path / "line.png").shape == square.shape


@pytest.mark.parametrize(("ink", "ground"), [(0, 1.0), (255, 0.0)])
def test_a_transparent_picture_stands_on_what_makes_it_visible(tmp_path, ink, ground):
    clear = np.full((8, 8, 4), ink, np.uint8)
    clear[..., 3] = 0
    clear[2:6, 2:6, 3] = 255
    cv2.imwrite(str(tmp_path / "clear.png"), clear)
    found = _gallery.picture(tmp_path / "clear.png")
    np.testing.assert_allclose(found[0, 0], ground)
    np.testing.assert_allclose(found[4, 4], 1.0 - ground)


FLOATS = cv2.imencode(".tiff", np.full((9, 9, 3), 0.5, np.float32))[1].tobytes()


@pytest.mark.parametrize("content", [b"", b"no picture", FLOATS])
def test_a_file_that_is_no_picture_is_named_and_the_other_logos_are_looked_for(models_dir, data_dir, content, caplog):
    (data_dir / "logos" / "Broken.jpg").write_bytes(content)
    loaded = logos.load(LoadContext(models_dir=models_dir, data_dir=data_dir))
    assert loaded.gallery is not None
    assert loaded.gallery.brands == ("Ringo", "Stripe & Co")
    assert "Broken.jpg" in caplog.text


def test_other_files_and_hidden_ones_are_no_pictures_and_of_too_many_the_first_count(data_dir, monkeypatch, caplog):
    for name in ("notes.txt", ".hidden.png", "Stripe & Co/.DS_Store"):
        (data_dir / "logos" / name).write_bytes(b"x")
    assert [brand for brand, _path in _gallery.files(data_dir)] == ["Ringo", "Stripe & Co"]
    monkeypatch.setattr(_gallery, "PICTURES_MAX", 1)
    assert [brand for brand, _path in _gallery.files(data_dir)] == ["Ringo"]
    assert "holds 2 pictures; only the first 1 by name" in caplog.text


def test_a_logo_and_a_name_of_one_brand_are_one_brand():
    logo = {"brand": "STARBUCKS", "score": 0.81, "z": 7.5, "frames": 2, "first_s": 0.5, "box": [0.1, 0.2, 0.3, 0.2]}
    told = context_of("coffee from Starbucks", ocr=[("STARBUCKS", 1.5, 4.0)])
    named = logo | {"brand": "Starbucks", "score": 0.3, "z": 4.2}
    signals = {"owlv2": {"brands": [named]}, "logos": {"brands": [logo]}}
    context = Context(facts=told.facts, metadata=told.metadata, outputs=told.outputs, signals=signals)
    (brand,) = analyze(NAME, context).summary["brands"]
    assert (brand["name"], brand["sources"]) == ("Starbucks", ["caption", "ocr", "logo"])
    assert (brand["count"], brand["first_s"]) == (4, 0.5)
    assert (brand["logo"]["by"], brand["logo"]["z"]) == ("pictures", 7.5)
