"""Fetching and checking hub models, against a stand-in for the hub on loopback, with the real client library."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests import tiny_models
from tests.hub import REPO, REVISION
from tests.hub import hub as hub  # noqa: PLC0414  a fixture
from tiktokd import models, models_pull, weights
from tiktokd.config import Config
from tiktokd.encoders import _hub, e5, nsfw, whisper_cpu
from tiktokd.errors import LocalError, ModelMissing
from tiktokd.models_convert import alone, write_lock
from tiktokd.plugins import LoadContext

DIRECTORY = "Falconsai--nsfw_image_detection"
CTL = Path(sys.executable).parent / "tiktokctl"


def ctl(hub, tmp_path, *words, timeout_s=60):
    environment = os.environ | {
        "TIKTOKD_DAEMON__STATE_DIR": str(tmp_path / "state"),
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}" if hub else "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return subprocess.run([CTL, *words], env=environment, capture_output=True, text=True, timeout=timeout_s)


def test_pull_takes_tensors_and_text_alone_locks_them_and_the_loader_accepts_them(hub, tmp_path):
    done = ctl(hub, tmp_path, "models", "pull", "nsfw")
    assert done.returncode == 0, done.stderr
    assert "Apache-2.0" in done.stderr
    models = tmp_path / "state" / "models"
    names = {p.name for p in (models / "Falconsai--nsfw_image_detection").iterdir() if p.is_file()}
    assert "model.safetensors" in names
    assert not names & {"pytorch_model.bin", "evil.py"}
    assert not [path for path in hub.asked if path.endswith((".bin", ".py"))]
    lock = json.loads((models / "models.lock").read_text())[REPO]
    tensors = (models / "Falconsai--nsfw_image_detection" / "model.safetensors").read_bytes()
    assert lock["revision"] == REVISION
    assert lock["files"]["model.safetensors"]["sha256"] == hashlib.sha256(tensors).hexdigest()
    used = nsfw.load(LoadContext(models_dir=models)).used[0]
    assert (used.revision, used.sha256) == (REVISION, lock["files"]["model.safetensors"]["sha256"])


def test_pull_of_an_analyzer_that_has_no_model_says_so_and_does_not_deny_the_analyzer(tmp_path):
    for words in (("pull", "loudness"), ("verify", "colours")):
        done = ctl(None, tmp_path, "models", *words)
        assert (done.returncode, "works without a model" in done.stderr) == (2, True), done.stderr
    assert "is no model, encoder or analyzer" in ctl(None, tmp_path, "models", "pull", "nosuch").stderr
    reader = ctl(None, tmp_path, "models", "pull", "language_identification").stderr
    assert "works without a model of its own; it reads speech_transcription" in reader, "what it lacks is theirs"


def test_verify_finds_a_changed_byte(hub, tmp_path):
    ctl(hub, tmp_path, "models", "pull", "nsfw")
    good = ctl(hub, tmp_path, "models", "verify", "nsfw")
    assert (good.returncode, good.stdout.split()[:2]) == (0, ["✓", "present"])
    file = tmp_path / "state" / "models" / "Falconsai--nsfw_image_detection" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    bad = ctl(hub, tmp_path, "models", "verify", "nsfw")
    assert bad.returncode == 1
    assert "sha256 differs" in bad.stdout


def test_files_that_are_cut_short_are_damaged_whoever_put_them_there(hub, tmp_path):
    ctl(hub, tmp_path, "models", "pull", "nsfw")
    models = tmp_path / "state" / "models"
    (models / "models.lock").unlink()
    file = models / "Falconsai--nsfw_image_detection" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    bad = ctl(hub, tmp_path, "models", "verify", "nsfw")
    assert (bad.returncode, bad.stdout.split()[:2]) == (1, ["✗", "damaged"])
    assert "1 damaged" in bad.stdout
    listed = ctl(hub, tmp_path, "models", "list", "nsfw").stdout
    assert "its header says" in listed
    assert f"tiktokctl models pull {REPO}" in listed
    (found,) = json.loads(ctl(hub, tmp_path, "models", "list", "nsfw", "--json").stdout)
    assert (found["path"], "is damaged" in found["damaged"]) == (None, True)
    checks = {c["name"]: c["found"] for c in json.loads(ctl(hub, tmp_path, "doctor", "--json").stdout)}
    assert f"(damaged: {REPO})" in checks["models"]
    ctl(hub, tmp_path, "models", "pull", "nsfw")
    assert ctl(hub, tmp_path, "models", "verify", "nsfw").returncode == 0


def test_verify_fails_for_a_model_that_was_named_and_is_missing(tmp_path):
    for names in ([REPO], ["nsfw"], ["visual_moderation"], ["nsfw", "vitpose"]):
        done = ctl(None, tmp_path, "models", "verify", *names)
        assert (done.returncode, "missing" in done.stdout) == (1, True), names
    for names in ([], ["all"]):  # about what lies here, which is nothing
        done = ctl(None, tmp_path, "models", "verify", *names)
        assert done.returncode == 0, names
        assert "0 of 16 are on this machine" in done.stdout


def test_what_was_fetched_once_stays_at_its_revision_whatever_is_published_since(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKD_ANALYSIS__MODELS", f'{{nsfw = "{REPO}"}}')  # without a revision
    first = ctl(hub, tmp_path, "models", "pull", "nsfw")
    assert f"revision {REVISION[:12]}, the newest; models.lock keeps it" in first.stderr
    assert [path for path in hub.asked if path.startswith(f"/api/models/{REPO}?")], "the newest"
    hub.asked.clear()
    again = ctl(hub, tmp_path, "models", "pull", "nsfw")
    assert "newest" not in again.stderr
    assert [path.partition("?")[0] for path in hub.asked if "/api/" in path] == [
        f"/api/models/{REPO}/revision/{REVISION}"
    ]


def test_a_pull_that_breaks_off_says_so_in_one_line_of_its_own(hub, tmp_path):
    hub.breaks_after = 1000
    done = ctl(hub, tmp_path, "models", "pull", "nsfw")
    assert done.returncode == 1
    told = done.stderr.splitlines()
    assert told[-1].startswith(f"✗ {REPO}: the hub cannot be reached (")
    assert told[-1].endswith("run the same command again, what has arrived is kept")
    assert "Trying to resume" not in done.stderr
    assert "http" not in done.stderr


def test_verify_says_that_the_lock_is_damaged(hub, tmp_path):
    ctl(hub, tmp_path, "models", "pull", "nsfw")
    lock = tmp_path / "state" / "models" / "models.lock"
    for entry in ({"revision": REVISION}, {"revision": REVISION, "files": {"config.json": {}}}, ["nonsense"], None):
        lock.write_text(json.dumps({REPO: entry}))
        found = ctl(hub, tmp_path, "models", "verify", "nsfw")
        assert "unlocked" in found.stdout, entry
        assert "Traceback" not in found.stderr


def test_list_says_what_is_here_and_what_for(hub, tmp_path):
    ctl(hub, tmp_path, "models", "pull", "nsfw")
    found = {m["id"]: m for m in json.loads(ctl(hub, tmp_path, "models", "list", "--json").stdout)}
    assert found[REPO]["path"]
    assert "visual_moderation" in found[REPO]["analyzers"]
    assert found["openai/whisper-large-v3-turbo"]["path"] is None


def test_a_model_of_the_users_own_is_not_listed_with_the_size_of_the_one_it_replaces(tmp_path, monkeypatch):
    shipped = models.pick(models.wanted(Config()), ["toxicity"])[0].weights
    assert shipped.size_mib == 1061
    monkeypatch.setenv("TIKTOKD_ANALYSIS__MODELS", '{ toxicity = "my/own" }')
    (listed,) = json.loads(ctl(None, tmp_path, "models", "list", "toxicity", "--json").stdout)
    assert (listed["id"], listed["download_mib"]) == ("my/own", None)
    said = ctl(None, tmp_path, "models", "list", "toxicity").stdout
    assert "(1 of unknown size): tiktokctl models pull toxicity" in said
    assert "MiB" not in said
    with pytest.raises(ModelMissing, match=r"^my/own \(see its card\) is not on this machine; run: "):
        weights.locate(weights.chosen(shipped, {shipped.hub_id: "my/own"}), None)


def test_a_hub_that_cannot_be_reached_is_one_clear_line(tmp_path):
    done = ctl(None, tmp_path, "models", "pull", "nsfw")
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_there_is_no_hub_nothing_else_is_tried_and_the_place_of_a_copy_is_named(tmp_path):
    done = ctl(None, tmp_path, "models", "pull", "all")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path / "state" / "models" / "Davlan--xlm-roberta-base-ner-hrl") in done.stderr


def test_what_was_pulled_is_said_to_scripts_whatever_happened(hub, tmp_path):
    failed = ctl(None, tmp_path, "models", "pull", "nsfw", "--json")
    assert (failed.returncode, json.loads(failed.stdout)) == (1, {"pulled": [], "failed": 1})
    done = ctl(hub, tmp_path, "models", "pull", "nsfw", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"pulled": [REPO], "failed": 0})


def test_models_alone_lists_and_pull_alone_is_wrong_usage(hub, tmp_path):
    assert REPO in ctl(hub, tmp_path, "models").stdout
    done = ctl(hub, tmp_path, "models", "pull")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_a_pull_tells_of_every_piece_that_arrives(hub, tmp_path, monkeypatch):
    hub.files["tokenizer.json"] = b"x" * 12_000_000  # larger than one piece of the hub's library
    told = tmp_path / "told.json"
    code = (
        "import json, sys; from pathlib import Path; from tiktokd import models_pull, weights; "
        "from tiktokd.encoders.nsfw import ENCODER; "
        "order = models_pull.order(ENCODER.weights, Path(sys.argv[1])); told = []; "
        "models_pull.pull(order, told.append); "
        "Path(sys.argv[2]).write_text(json.dumps([order.size_bytes, told]))"
    )
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.server_address[1]}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "models", told], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    size_bytes, seen = json.loads(told.read_text())
    assert seen == sorted(seen)
    assert seen[-1] == size_bytes
    assert len(set(seen)) > len(hub.files) - 2  # some within a file, and none for what is not taken
    assert done.stderr == ""


def test_an_extra_is_never_fetched_along_with_others_and_that_is_said(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKD_ANALYSIS__MODELS", f'{{toxicity = "{REPO}"}}')  # all that this hub has
    done = ctl(hub, tmp_path, "models", "pull", "text_moderation")
    assert done.returncode == 0, done.stderr
    extra = "openai/privacy-filter"
    assert f"left out: {extra} is an extra; run: tiktokctl models pull {extra}" in done.stderr
    assert [path for path in hub.asked if REPO in path]
    assert not [path for path in hub.asked if "privacy-filter" in path]
    ctl(hub, tmp_path, "models", "pull", "openai/privacy-filter")
    assert [path for path in hub.asked if "privacy-filter" in path]


@pytest.fixture
def speech_hub(hub, tmp_path, monkeypatch):
    """The hub with a tiny Whisper in it, which the settings choose for machines without a GPU."""
    monkeypatch.setenv("TIKTOKD_ANALYSIS__MODELS", f'{{whisper_cpu = "{REPO}"}}')
    directory = tiny_models.write("whisper_cpu", tmp_path / "speech")
    hub.files = {p.name: p.read_bytes() for p in directory.iterdir() if p.is_file()} | {"model.bin": b"no one's"}
    return hub


LOADS_TORCH = pytest.mark.timeout(300)
"""For programs that convert: on a busy machine they start slowly."""


@LOADS_TORCH
@pytest.mark.filterwarnings(tiny_models.ODDITIES)
def test_pull_makes_what_the_engine_loads_of_the_safetensors_and_verify_reads_it_too(speech_hub, tmp_path):
    done = ctl(speech_hub, tmp_path, "models", "pull", REPO, timeout_s=120)
    assert done.returncode == 0, done.stderr
    assert not [path for path in speech_hub.asked if path.endswith(".bin")]
    models = tmp_path / "state" / "models"
    lock = json.loads((models / "models.lock").read_text())
    made = lock[f"{REPO}/ctranslate2-int8"]
    file = models / DIRECTORY / "ctranslate2-int8" / "model.bin"
    assert made["files"]["model.bin"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert made["revision"] == lock[REPO]["revision"] == REVISION
    assert made["made_by"].startswith("ctranslate2 ")
    own = {"openai/whisper-base": REPO}
    used = whisper_cpu.load(LoadContext(models_dir=models, models=own)).used[0]
    assert (used.id, used.revision, used.dtype) == (REPO, REVISION, "int8")
    good = ctl(speech_hub, tmp_path, "models", "verify", REPO)
    assert (good.returncode, good.stdout.split()[:2]) == (0, ["✓", "present"])
    file.write_bytes(file.read_bytes()[:-1])
    bad = ctl(speech_hub, tmp_path, "models", "verify", REPO)
    assert (bad.returncode, "damaged" in bad.stdout) == (1, True)


@LOADS_TORCH
@pytest.mark.filterwarnings(tiny_models.ODDITIES)
def test_where_there_is_no_hub_tensors_that_a_person_copied_are_converted(speech_hub, tmp_path):
    directory = tmp_path / "state" / "models" / DIRECTORY
    directory.mkdir(parents=True)
    for name, data in speech_hub.files.items():
        (directory / name).write_bytes(data)
    done = ctl(None, tmp_path, "models", "convert", "whisper_cpu", "--json", timeout_s=120)
    assert json.loads(done.stdout) == {"converted": [REPO], "failed": 0}, done.stderr
    used = whisper_cpu.load(LoadContext(models_dir=directory.parent, models={"openai/whisper-base": REPO})).used[0]
    assert (used.revision, used.device) == (None, "cpu")


def test_convert_says_what_needs_none_and_what_is_not_here(tmp_path):
    done = ctl(None, tmp_path, "models", "convert", "nsfw", "whisper_cpu")
    assert done.returncode == 1
    assert f"{REPO} is loaded as it was fetched" in done.stderr
    assert "openai/whisper-base (277 MiB, Apache-2.0) is not on this machine" in done.stderr
    assert "Traceback" not in done.stderr
    assert ctl(None, tmp_path, "models", "convert").returncode == 2


LARGE, SMALL = "openai/whisper-large-v3-turbo", "openai/whisper-base"


@pytest.mark.parametrize(
    ("devices", "chosen", "encoder", "left_out", "why"),
    [
        ('["cpu"]', "whisper", "whisper_cpu", SMALL, "is an extra"),
        ("[]", "whisper_cpu", "whisper", LARGE, "needs a GPU, and this machine shows none"),
    ],
)
def test_of_a_model_and_its_stand_in_the_one_that_this_machine_uses_is_pulled(
    hub, tmp_path, monkeypatch, devices, chosen, encoder, left_out, why
):
    monkeypatch.setenv("TIKTOKD_GPU__DEVICES", devices)
    monkeypatch.setenv("TIKTOKD_ANALYSIS__MODELS", f'{{{chosen} = "{REPO}"}}')  # all that this hub has
    found = {m["id"]: m for m in json.loads(ctl(hub, tmp_path, "models", "list", "--json").stdout)}
    row = found[left_out]
    assert (row["left_out"], row["encoders"], row["path"]) == (why, [encoder], None)
    idle = {row["id"] for row in found.values() if row["needs_gpu"]}
    assert idle == set() if devices == '["cpu"]' else {LARGE, "ustc-community/dfine-small-obj365"} <= idle
    assert not idle & {"openai/whisper-base", "intfloat/multilingual-e5-small"}
    assert {"speech_transcription", "vocal_delivery"} <= set(row["analyzers"])
    done = ctl(hub, tmp_path, "models", "pull", "speech_transcription")
    assert f"left out: {left_out} {why}; run: tiktokctl models pull {left_out}" in done.stderr
    assert [path for path in hub.asked if REPO in path]
    assert not [path for path in hub.asked if left_out in path]
    ctl(hub, tmp_path, "models", "pull", left_out)
    assert [path for path in hub.asked if left_out in path], "by its own name it is fetched all the same"


def test_where_the_engine_of_the_stand_in_is_not_installed_the_large_one_is_pulled(tmp_path, monkeypatch):
    settings = {"daemon": {"state_dir": str(tmp_path)}, "gpu": {"devices": []}}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    picked = models.pick(models.wanted(Config.model_validate(settings)), ["speech_transcription"], left_out=False)
    assert [model.weights.hub_id for model in picked] == [LARGE]


@pytest.mark.parametrize("named", ["all", "speech_transcription"])
def test_a_model_that_is_one_workers_extra_and_anothers_need_is_pulled_with_what_needs_it(tmp_path, named):
    settings = {"daemon": {"state_dir": str(tmp_path)}, "analysis": {"models": {"whisper": "openai/whisper-base"}}}
    picked = models.pick(models.wanted(Config.model_validate(settings)), [named], left_out=False)
    (model,) = (model for model in picked if "whisper" in model.encoders)
    assert (model.weights.hub_id, model.encoders) == ("openai/whisper-base", ("whisper", "whisper_cpu"))
    assert model.weights.conversion, "and what CPU workers run of it is made then"


class Bomb:
    """What a malicious pickle holds: a call that is made when it is read."""

    def __reduce__(self):
        return (os.mkdir, ("ran",))


@LOADS_TORCH
def test_a_pickled_checkpoint_is_converted_when_a_person_asks_and_gives_the_same_tensors(tmp_path):
    directory = tiny_models.write("nsfw", tmp_path / "state" / "models")
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    half = len(tensors) // 2
    names = list(tensors)
    torch.save({name: tensors[name] for name in names[:half]}, directory / "pytorch_model-00001-of-00002.bin")
    torch.save(
        {name: tensors[name] for name in names[half:]},
        directory / "pytorch_model-00002-of-00002.bin",
        _use_new_zipfile_serialization=False,
    )
    assert ctl(None, tmp_path, "models", "list", "nsfw").stdout.count("yes") == 0, "a pickle is no model"
    done = ctl(None, tmp_path, "models", "convert", "nsfw", timeout_s=120)
    assert (done.returncode, done.stderr) == (0, f"✓ {REPO}\n")
    made = load_file(directory / "model.safetensors")
    assert made.keys() == tensors.keys()
    assert all(torch.equal(made[name], tensors[name]) for name in tensors)
    assert nsfw.load(LoadContext(models_dir=directory.parent)).used[0].id == REPO
    assert "loaded as it was fetched" in ctl(None, tmp_path, "models", "convert", "nsfw", timeout_s=120).stderr


@LOADS_TORCH
@pytest.mark.parametrize("content", ["bomb", "no tensors", "garbage", "nothing", "half"])
def test_a_pickle_that_holds_more_than_tensors_is_refused_and_nothing_of_it_runs(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "state" / "models" / DIRECTORY
    directory.mkdir(parents=True)
    file = directory / "pytorch_model.bin"
    if content in ("garbage", "nothing"):
        file.write_bytes(b"PK\x03\x04 no zip" if content == "garbage" else b"")
    elif content == "half":
        file = directory / "pytorch_model-00001-of-00002.bin"
        torch.save({"weight": torch.zeros(2)}, file)
    else:
        torch.save({"weight": Bomb() if content == "bomb" else "text"}, file)
    done = ctl(None, tmp_path, "models", "convert", "nsfw", timeout_s=120)
    assert done.returncode == 1
    assert str(directory if content == "half" else file) in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ran").exists()
    assert [path.name for path in directory.iterdir()] == [file.name]


def test_a_name_that_fits_nothing_is_refused(hub, tmp_path):
    done = ctl(hub, tmp_path, "models", "pull", "gpt-17")
    assert done.returncode == 2
    assert "tiktokctl models list" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_without_safetensors_is_refused(hub, tmp_path):
    del hub.files["model.safetensors"]
    done = ctl(hub, tmp_path, "models", "pull", "nsfw")
    assert done.returncode == 1
    assert "no safetensors" in done.stderr


def test_a_transfer_that_broke_off_goes_on_where_it_was(hub, tmp_path):
    hub.files["tokenizer.json"] = bytes(range(256)) * 120_000
    hub.breaks_after = 20_000_000
    broken = ctl(hub, tmp_path, "models", "pull", "nsfw", timeout_s=120)
    assert broken.returncode == 1
    assert "what has arrived is kept" in broken.stderr
    hub.breaks_after = 0
    hub.began.clear()
    assert ctl(hub, tmp_path, "models", "pull", "nsfw").returncode == 0
    assert max(hub.began) >= 10_000_000, "the rest alone"
    directory = tmp_path / "state" / "models" / DIRECTORY
    assert (directory / "tokenizer.json").read_bytes() == hub.files["tokenizer.json"]
    assert not list(directory.glob("*.part"))


def test_two_pulls_of_one_model_do_not_write_into_one_file(hub, tmp_path):
    directory = tmp_path / "state" / "models" / DIRECTORY
    directory.mkdir(parents=True)
    first = sorted(name for name in hub.files if name.endswith((".json", ".safetensors")))[0]
    with (directory / f"{first}.{REVISION[:12]}.part").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = ctl(hub, tmp_path, "models", "pull", "nsfw")
    assert done.returncode == 1
    assert "another tiktokctl" in done.stderr


def test_two_models_pulled_at_once_are_both_in_the_lock(tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    writer = threading.Thread(target=write_lock, args=(tmp_path, "second", {}, tmp_path, ["file"]))
    with alone(tmp_path / "models.part") as part:
        writer.start()
        writer.join(0.2)
        assert writer.is_alive(), "it waits for the first one"
        part.write(b'{"first": {}}')
        part.flush()
        (tmp_path / "models.part").replace(tmp_path / "models.lock")
    writer.join(20)
    assert weights.read_lock(tmp_path).keys() == {"first", "second"}
    assert not (tmp_path / "models.part").exists()


def test_tensors_that_are_not_what_the_hub_has_are_not_locked_and_not_kept(hub, tmp_path):
    hub.digest = "0" * 64
    done = ctl(hub, tmp_path, "models", "pull", "nsfw")
    assert done.returncode == 1
    assert "model.safetensors" in done.stderr
    assert "Traceback" not in done.stderr
    models = tmp_path / "state" / "models"
    assert not (models / "models.lock").exists()
    assert not (models / DIRECTORY / "model.safetensors").exists()
    hub.digest = ""
    assert ctl(hub, tmp_path, "models", "pull", "nsfw").returncode == 0


def test_a_disk_without_room_is_told_before_anything_is_fetched(tmp_path):
    huge = models_pull.RemoteFile(name="model.safetensors", size_bytes=2**60)
    wanted = models_pull.Order(weights=nsfw.WEIGHTS, revision=REVISION, files=(huge,), target=tmp_path / "there")
    with pytest.raises(LocalError, match="MiB are needed"):
        models_pull.check_room([wanted], tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "config.json").write_bytes(b"{}")
    small = tuple(models_pull.RemoteFile(name=name, size_bytes=2) for name in ("config.json", "vocab.txt"))
    assert models_pull.check_room([replace(wanted, files=small)], tmp_path) == 2, "what is here already is not fetched"
    (tmp_path / "there" / f"vocab.txt.{REVISION[:12]}.part").write_bytes(b"a")
    assert models_pull.check_room([replace(wanted, files=small)], tmp_path) == 1, "nor the part that has arrived"


HUB_FOLDERS = {"HF_HUB_CACHE": "", "HUGGINGFACE_HUB_CACHE": "", "HF_HOME": "hub", "XDG_CACHE_HOME": "huggingface/hub"}


@pytest.mark.parametrize("variable", HUB_FOLDERS)
def test_what_the_hubs_own_tools_fetched_is_found_where_they_put_it(variable, tmp_path, monkeypatch):
    for other in HUB_FOLDERS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "cache"))
    snapshot = tmp_path / "cache" / HUB_FOLDERS[variable] / f"models--{DIRECTORY}" / "snapshots" / nsfw.WEIGHTS.revision
    with pytest.raises(ModelMissing):
        nsfw.load(LoadContext(models_dir=tmp_path / "models"))
    snapshot.parent.mkdir(parents=True)
    tiny_models.write("nsfw", tmp_path / "upstream").rename(snapshot)
    used = nsfw.load(LoadContext(models_dir=tmp_path / "models")).used[0]
    assert used.revision == nsfw.WEIGHTS.revision


@pytest.mark.parametrize("lock", ["[]", "null", '{"%s": []}', '{"%s": {"revision": "a", "files": ["model"]}}', "{"])
def test_a_lock_that_is_none_costs_the_revision_and_not_the_model(lock, tmp_path):
    tiny_models.write("nsfw", tmp_path)
    (tmp_path / "models.lock").write_text(lock.replace("%s", REPO))
    assert nsfw.load(LoadContext(models_dir=tmp_path)).used[0].revision is None


def test_a_copied_folder_is_known_by_its_digest_and_not_taken_for_the_pinned_revision(tmp_path):
    directory = tiny_models.write("nsfw", tmp_path)
    used = nsfw.load(LoadContext(models_dir=tmp_path)).used[0]
    assert used.revision is None
    assert used.sha256 == hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()


def test_other_weights_in_the_place_of_the_same_name_are_another_space(tmp_path):
    import torch

    directory = tiny_models.write("e5", tmp_path)
    first = e5.load(LoadContext(models_dir=tmp_path))
    torch.manual_seed(1)
    tiny_models.MAKERS["e5"](directory)
    second = e5.load(LoadContext(models_dir=tmp_path))
    assert _hub.space(first.hub) != _hub.space(second.hub)
    assert not np.allclose(first.labels["calls"].vectors, second.labels["calls"].vectors), "not from the cache"
