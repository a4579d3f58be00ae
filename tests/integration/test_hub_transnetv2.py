"""TransNet V2 through the real loader: sizes, the numbers of the authors' port, planted weights, bad files."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny_models
from tests.analysis import decode_file, media
from tests.contexts import clip_of, facts
from tests.integration.test_models import ctl
from tests.unit.test_shots import scene
from tiktokd.encoders import _transnetv2, transnetv2
from tiktokd.errors import ModelMissing
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

ROOT = Path(__file__).resolve().parents[2]
FPS = 30.0
GOLDEN = {
    0: (-40.9131, 3.6326), 25: (-69.5956, 7.4599), 39: (-69.1879, 5.7744),
    40: (-68.9257, 6.578), 60: (-68.455, 8.6647), 99: (-54.8237, -0.6715),
}  # fmt: skip
"""Frame → logits that the authors' PyTorch port gives with `scrambled` weights on `noise` frames (its commit 85cef72,
torch 2.13.0, CPU)."""


def scrambled(count, salt):
    """Return `count` numbers in -0.5..0.5 that look like chance and are the same on every machine."""
    x = (np.arange(count, dtype=np.uint64) * 2654435761 + salt * 40503) % 2**32
    for shift, factor in ((16, 2246822519), (13, 3266489917)):
        x ^= x >> np.uint64(shift)
        x = x * np.uint64(factor) % 2**32
    return (x / 2**32 - 0.5).astype(np.float32)


def scrambled_weights():
    """Return tensors for every name of the network, of a size that lets each part be felt in the result."""
    tensors = {}
    for salt, (name, old) in enumerate(sorted(_transnetv2.TransNetV2().state_dict().items())):
        values = torch.from_numpy(scrambled(old.numel(), salt)).reshape(old.shape)
        if name.endswith("num_batches_tracked"):
            tensors[name] = old
        elif name.endswith(("running_var", "bn.weight")):
            tensors[name] = 1.0 + values
        else:
            tensors[name] = values * (5.0 / old[0].numel() ** 0.5 if old.ndim > 1 else 0.5)
    return tensors


def noise(frames):
    """Return (frames, 27, 48, 3): a still picture for 40 frames, then one that changes each time."""
    made = ((scrambled(frames * 27 * 48 * 3, 7) + 0.5) * 255.99).astype(np.uint8).reshape(frames, 27, 48, 3)
    made[:40] = made[0]
    return made


def directory_in(models):
    """Return the model's directory, made."""
    made = models / "soCzech--TransNetV2"
    made.mkdir(parents=True, exist_ok=True)
    return made


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Return the network with scrambled weights."""
    models = tmp_path_factory.mktemp("models")
    save_file(scrambled_weights(), directory_in(models) / "model.safetensors")
    return transnetv2.load(LoadContext(models_dir=models, threads=1))


def video(*shots):
    """Return a context over these shots, as the runner makes it."""
    thumbs = np.concatenate(shots)
    arrays = {"thumbs": thumbs, "thumbs_pts": np.arange(len(thumbs)) / FPS}
    clip, held = clip_of(facts(duration_s=len(thumbs) / FPS, frames=len(thumbs), audio=False), arrays)
    return Context(facts=clip.facts, arrays=held)


def tinted(seed, frames):
    """Return a shot whose colours no shot of another seed has, for eight seeds."""
    return scene(seed, frames) // 2 + np.array([120 * (seed >> bit & 1) for bit in range(3)], np.uint8)


def analyzed(context, models_dir=None, group="gpu"):
    runner = Runner(LoadContext(models_dir=models_dir, threads=1))
    return runner.level1(("shot_boundaries",), group, context, lambda _name: None).outputs["shot_boundaries"]


def test_the_network_has_the_published_size():
    network = _transnetv2.TransNetV2()
    state = network.state_dict()
    # As reported by people who loaded the published file: 90 tensors, 7,616,258 parameters, 7,618,056 numbers in all.
    assert sum(p.numel() for p in network.parameters()) == 7_616_258
    assert (len(state), sum(t.numel() for t in state.values())) == (90, 7_618_056)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert shapes["SDDCNN.0.DDCNN.0.Conv3D_1.layers.0.weight"] == (32, 3, 1, 3, 3)
    assert shapes["SDDCNN.0.DDCNN.1.Conv3D_8.layers.1.weight"] == (16, 32, 3, 1, 1)
    assert shapes["SDDCNN.2.DDCNN.1.bn.running_var"] == (256,)
    assert shapes["frame_sim_layer.projection.weight"] == (128, 448)
    assert shapes["frame_sim_layer.fc.weight"] == shapes["color_hist_layer.fc.weight"] == (128, 101)
    assert shapes["fc1.weight"] == (1024, 4864)
    assert shapes["cls_layer1.weight"] == shapes["cls_layer2.weight"] == (1, 1024)


def test_the_same_weights_give_the_numbers_of_the_authors_port(loaded):
    with torch.inference_mode():
        logits = loaded.hub.model(torch.from_numpy(noise(100))[None])[0].numpy()
    for frame, expected in GOLDEN.items():
        np.testing.assert_allclose(logits[frame], expected, atol=2e-3)


def test_a_window_gives_the_same_alone_in_a_batch_and_again(tmp_path):
    tiny_models.write("transnetv2", tmp_path)
    loaded = transnetv2.load(LoadContext(models_dir=tmp_path, threads=1))
    items = [*transnetv2.windows(noise(137)), *transnetv2.windows(scene(1, 30))]
    together = transnetv2.encode(loaded, items)
    assert [(w.shape, w.dtype) for w in together] == [((50, 2), np.float32)] * len(items)
    assert all(((w >= 0) & (w <= 1)).all() for w in together)
    for item, one in zip(items, together, strict=True):
        np.testing.assert_allclose(transnetv2.encode(loaded, [item])[0], one, atol=1e-5)


# Weights made by hand: one unit of the colour branch answers to "the next frame has other colours than this one".


def planted(models):
    """Write a narrow network that says 1 - cosine(colours of this frame, of the next) > 0.25 with both heads."""
    network = _transnetv2.TransNetV2(filters=2, hidden=16)
    tensors = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    for name in tensors:
        if name.endswith("running_var"):
            tensors[name] += 1.0
    here = _transnetv2.AROUND
    tensors["color_hist_layer.fc.weight"][0, here] = 1.0
    tensors["color_hist_layer.fc.weight"][0, here + 1] = -1.0
    tensors["fc1.weight"][0, 0] = 1.0
    for head in ("cls_layer1", "cls_layer2"):
        tensors[f"{head}.weight"][0, 0] = 40.0
        tensors[f"{head}.bias"][0] = -10.0
    save_file(tensors, directory_in(models) / "model.safetensors")
    return models


@pytest.fixture(scope="module")
def planted_models(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("planted"))


def test_cuts_are_found_on_their_frames_wherever_the_windows_lie(planted_models):
    lengths = (24, 25, 2, 23, 2, 23, 30)  # beside the borders of the windows, and two frames apart
    envelope = analyzed(video(*(tinted(seed, n) for seed, n in enumerate(lengths))), planted_models)
    assert (envelope.status, envelope.tier) == ("ok", "full")
    found = [round(t * FPS) for t in envelope.summary["cut_times_s"]]
    assert found == list(np.cumsum(lengths)[:-1])
    assert envelope.summary["shot_count"] == len(lengths)
    assert all(s["start_s"] <= s["keyframe_s"] < s["end_s"] for s in envelope.segments)


def test_a_flash_that_the_network_sees_twice_is_no_cut(planted_models):
    shot = tinted(3, 30)
    shot[15:18] = 255
    envelope = analyzed(video(shot, tinted(4, 20)), planted_models)
    assert [round(t * FPS) for t in envelope.summary["cut_times_s"]] == [30]


@pytest.mark.parametrize(
    ("folder", "name", "cuts"),
    [
        ("clips", "c02_hardcuts_music.mp4", 6),
        ("clips", "c04_photo_slideshow.mp4", 8),
        ("composites", "cuts_music.mp4", 5),
    ],
)
def test_cuts_of_a_real_file_are_found_on_their_frames_and_nothing_else(folder, name, cuts, planted_models):
    clip, arrays = decode_file(media(folder, name))
    envelope = analyzed(Context(facts=clip.facts, arrays=arrays), planted_models)
    known = json.loads(media(folder, "ground_truth.json").read_text())[name]["cuts_s"]
    assert (envelope.tier, len(known)) == ("full", cuts)
    assert envelope.summary["cut_times_s"] == pytest.approx(known, abs=1 / FPS + 1e-3)


def test_a_result_names_the_weights_and_their_digest(planted_models):
    envelope = analyzed(video(scene(5, 31)), planted_models)
    assert [m.id for m in envelope.models] == ["soCzech/TransNetV2"]
    assert re.fullmatch("[0-9a-f]{64}", envelope.models[0].sha256)
    assert envelope.models[0].dtype == "float32"
    assert envelope.calibrated is False


@pytest.mark.parametrize("group", ["gpu", "fallback", "all"])
def test_without_weights_the_lite_tier_is_whole(group, tmp_path):
    envelope = analyzed(video(scene(6, 40), scene(7, 40)), tmp_path, group)
    assert (envelope.status, envelope.tier, envelope.reason, envelope.models) == ("ok", "lite", None, [])
    assert [round(t * FPS) for t in envelope.summary["cut_times_s"]] == [40]


def test_a_cpu_worker_does_not_run_the_network(planted_models):
    assert analyzed(video(scene(6, 40), scene(7, 40)), planted_models, "fallback").tier == "lite"


def test_too_few_pictures_per_second_are_left_to_the_lite_tier(planted_models):
    thumbs = np.concatenate([scene(8, 40), scene(9, 40)])
    arrays = {"thumbs": thumbs, "thumbs_pts": np.arange(80) / 10.0}
    clip, held = clip_of(facts(duration_s=8.0, frames=240, audio=False), arrays)
    envelope = analyzed(Context(facts=clip.facts, arrays=held), planted_models)
    assert (envelope.status, envelope.reason, envelope.tier) == ("partial", "truncated", "lite")
    assert "every 0.10 s" in envelope.message


def test_missing_weights_name_the_file_and_where_it_goes(tmp_path):
    with pytest.raises(ModelMissing, match=r"soCzech--TransNetV2/model.safetensors.*docs/operations.md") as caught:
        transnetv2.load(LoadContext(models_dir=tmp_path))
    assert "models pull" not in str(caught.value)


def test_a_repository_of_the_users_own_is_pulled_and_needs_no_settings_file(tmp_path):
    own = LoadContext(models_dir=tmp_path, models={"soCzech/TransNetV2": "me/cuts"})
    with pytest.raises(ModelMissing, match="run: tiktokctl models pull me/cuts"):
        transnetv2.load(own)
    tiny_models.write("transnetv2", tmp_path).rename(tmp_path / "me--cuts")
    assert transnetv2.load(own).used[0].id == "me/cuts"


def test_a_pickle_is_never_loaded(tmp_path):
    torch.save(scrambled_weights(), directory_in(tmp_path) / "transnetv2-pytorch-weights.pth")
    with pytest.raises(ModelMissing, match="is not on this machine"):
        transnetv2.load(LoadContext(models_dir=tmp_path))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: [t.pop(n) for n in list(t) if n.startswith("cls_")], "lacks 4 tensors"),
        (lambda t: t.update({"fc1.weight": t["fc1.weight"][:, :4608].clone()}), r"lacks 1 tensors \(fc1.weight"),
        (lambda t: t.update({"linear.weight": torch.zeros(3)}), "another network"),
        (lambda t: [t.update({f"module.{n}": t.pop(n)}) for n in list(t)], "lacks 84 tensors"),
    ],
    ids=["no heads", "other shape", "more than the network has", "other names"],
)
def test_weights_of_half_a_network_or_another_are_refused(change, told, tmp_path):
    tensors = scrambled_weights()
    change(tensors)
    save_file(tensors, directory_in(tmp_path) / "model.safetensors")
    with pytest.raises(ModelMissing, match=told):
        transnetv2.load(LoadContext(models_dir=tmp_path))


def test_a_damaged_file_is_refused_and_the_result_is_lite(tmp_path):
    (directory_in(tmp_path) / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelMissing, match="is damaged"):
        transnetv2.load(LoadContext(models_dir=tmp_path))
    assert analyzed(video(scene(6, 40), scene(7, 40)), tmp_path).tier == "lite"


def test_half_precision_and_absent_batch_counts_load(tmp_path):
    kept = {n: t.half() for n, t in scrambled_weights().items() if not n.endswith("num_batches_tracked")}
    save_file(kept, directory_in(tmp_path) / "model.safetensors")
    network = transnetv2.load(LoadContext(models_dir=tmp_path)).hub.model
    assert network.fc1.weight.dtype == torch.float32
    torch.testing.assert_close(network.fc1.weight, kept["fc1.weight"].float())


def test_the_conversion_in_the_docs_makes_a_file_that_loads(tmp_path):
    text = (ROOT / "docs" / "operations.md").read_text().partition("## Weights that no hub has")[2]
    recipe = textwrap.dedent(re.search(r"```python\n(.*?)```", text, re.S)[1])
    tensors = scrambled_weights()
    for name in tensors:
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(1.0)  # as the authors' converter makes them
    torch.save(tensors, tmp_path / "transnetv2-pytorch-weights.pth")
    models = tmp_path / "models"
    directory_in(models)
    subprocess.run([sys.executable, "-c", recipe], cwd=tmp_path, check=True, timeout=120)
    shutil.copy(tmp_path / "model.safetensors", directory_in(models))
    network = transnetv2.load(LoadContext(models_dir=models)).hub.model
    torch.testing.assert_close(network.fc1.weight, tensors["fc1.weight"])


def test_the_verbs_say_what_to_do_by_hand(tmp_path):
    listed = ctl(None, tmp_path, "models", "list")
    assert "soCzech/TransNetV2 cannot be pulled" in listed.stdout
    found = {m["id"]: m for m in json.loads(ctl(None, tmp_path, "models", "list", "--json").stdout)}
    assert (found["soCzech/TransNetV2"]["licence"], found["soCzech/TransNetV2"]["path"]) == ("MIT", None)
    pulled = ctl(None, tmp_path, "models", "pull", "transnetv2")
    assert pulled.returncode == 1
    assert "soCzech--TransNetV2/model.safetensors" in pulled.stderr
    assert "Traceback" not in pulled.stderr
    tiny_models.write("transnetv2", tmp_path / "state" / "models")
    assert ctl(None, tmp_path, "models", "pull", "transnetv2").returncode == 0
    verified = ctl(None, tmp_path, "models", "verify", "transnetv2")
    assert verified.stdout.split()[:2] == ["?", "unlocked"]


def test_tensors_of_a_checkpoint_are_not_changed_by_loading(loaded):
    stored = load_file(loaded.hub.path / "model.safetensors")
    for name, tensor in loaded.hub.model.state_dict().items():
        torch.testing.assert_close(tensor, stored[name], rtol=0, atol=0)
