"""Pinning what the code leaves open, against the stand-in for the hub."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from release import pins
from tests.hub import REPO, REVISION
from tests.hub import hub as hub  # noqa: PLC0414  a fixture
from tiktokd import graph
from tiktokd.encoders import nsfw, transnetv2

OPEN = replace(nsfw.ENCODER, weights=replace(nsfw.WEIGHTS, revision=None))
ROOT = Path(pins.__file__).parents[1]


def in_a_copy(tmp_path, hub, *words):
    """Run the command over a copy of the code in which one model alone is open."""
    code = tmp_path / "tree"
    for name in ("tiktokd", "release"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (code / "tiktokd" / "encoders").glob("*.py"):
        file.write_text(file.read_text().replace("revision=None,", f'revision="{"b" * 40}",'))
    file = code / "tiktokd" / "encoders" / "nsfw.py"
    file.write_text(file.read_text().replace(f'revision="{nsfw.WEIGHTS.revision}"', "revision=None"))
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(code),
    }
    command = [sys.executable, "-m", "release.pins", *words]
    done = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, timeout=120)
    return done, file.read_text()


def test_what_is_open_gets_the_newest_revision_and_the_gate_opens(hub, tmp_path):
    refused, code = in_a_copy(tmp_path / "1", hub, "--check")
    assert (refused.returncode, refused.stdout.count("✗")) == (1, 1)
    assert f"{REPO} (encoder nsfw) is open; run: make pins" in refused.stdout
    assert "revision=None," in code
    assert not hub.asked, "a check asks nobody"
    pinned, code = in_a_copy(tmp_path / "2", hub)
    assert pinned.returncode == 0, pinned.stderr
    assert f'    revision="{REVISION}",\n' in code
    assert "revision=None" not in code
    assert [path for path in hub.asked if path.startswith(f"/api/models/{REPO}?")], "the newest"


def test_a_model_without_safetensors_leaves_the_code_as_it_was(hub, tmp_path):
    hub.files.pop("model.safetensors")
    done, code = in_a_copy(tmp_path / "1", hub)
    assert done.returncode == 1
    assert "has no safetensors" in done.stdout
    assert "revision=None," in code


def test_a_model_that_no_hub_has_is_not_open():
    assert pins.unpinned([transnetv2.ENCODER, nsfw.ENCODER, OPEN]) == [OPEN]


def test_every_open_model_of_the_code_can_be_written():
    for encoder in pins.unpinned(graph.load().encoders.values()):
        file = ROOT / "tiktokd" / "encoders" / f"{encoder.name}.py"
        assert len(pins.OPEN.findall(file.read_text())) == 1, encoder.name


def test_a_file_that_does_not_say_it_once_is_left_alone(tmp_path):
    file = tmp_path / "encoder.py"
    file.write_text("    revision=None,\n    revision=None,\n")
    with pytest.raises(ValueError, match="2 times"):
        pins.write(file, REVISION)
    assert file.read_text().count("None") == 2
