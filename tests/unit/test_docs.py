"""The documentation says what the program does."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from docs import fields
from tiktokd import graph
from tiktokd.cli._parser import build, verbs
from tiktokd.model import Envelope

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_the_analyzers_is_not_stale():
    done = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], check=False)
    assert done.returncode == 0, "run: make docs"


def test_the_schema_of_the_export_holds_a_result_to_its_status():
    schema = json.loads((ROOT / "tiktokd" / "data" / "export.schema.json").read_text())
    envelopes = schema["$defs"]["Video"]["properties"]["analysis"]["properties"]
    for name, part in envelopes.items():
        judge = jsonschema.Draft202012Validator({**part, "$defs": schema["$defs"]})
        skipped = Envelope(analyzer=name, version="1", status="skipped", reason="no_audio", tier="full")
        told = skipped.model_dump(mode="json")
        assert judge.is_valid(told), name
        assert not judge.is_valid(told | {"status": "ok", "reason": None}), f"{name}: complete, and empty"
        assert not judge.is_valid(told | {"summary": {"x": 1}}), f"{name}: skipped, and full"


@pytest.mark.parametrize(
    ("meaning", "limits"),
    [
        ("0..1, mean CIE lightness.", (0, 1)),
        ("Share 0..0.2 of the picture's height.", (0, 0.2)),
        ("x, y, w, h, shares 0..1 of the picture.", (0, 1)),
        ("Cosine to the whole text, -1..1, unrelated phrases around 0.75.", (-1, 1)),
        ("Group → 0..1 of the time.", (0, 1)),
        ("Mean speed, short sides per second, 0 or more.", (0, None)),
        ("Gated loudness, about -70..0.", None),
        ("Spatial information, 0..about 250.", None),
        ("Gaps of 0.25..5 s between stretches of speech.", None),
        ("0: the likeliest words; 0.2..1: drawn with this much chance.", None),
    ],
)
def test_a_range_that_holds_is_told_from_one_that_is_usual(meaning, limits):
    found = fields.bounds(meaning)
    assert (found.get("minimum"), found.get("maximum")) == (limits or (None, None))


def test_the_schema_says_what_each_field_means_and_refuses_what_lies_outside_its_range():
    schema = json.loads((ROOT / "tiktokd" / "data" / "export.schema.json").read_text())
    for spec in graph.load().analyzers.values():
        kinds = [schema["$defs"]["Video"]["properties"]["analysis"]["properties"][spec.name]["properties"]["summary"]]
        kinds = [
            kinds[0]["anyOf"][1],
            *(part for name, part in schema["$defs"].items() if name.startswith(f"{spec.name}.")),
        ]
        silent = [f for kind in kinds for f, part in kind.get("properties", {}).items() if "description" not in part]
        assert silent == [], spec.name
    share = schema["$defs"]["color_palette.PaletteColour"]["properties"]["share"]
    judge = jsonschema.Draft202012Validator(share)
    assert (judge.is_valid(1.0), judge.is_valid(1.001)) == (True, False)


def test_the_readme_names_only_targets_that_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert named <= targets


def test_links_between_documents_lead_somewhere():
    broken = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        broken += [f"{page.name}: {link}" for link in links if not (page.parent / link).exists()]
    assert broken == []


COMMANDS = [
    (page.name, line.strip())
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S)
    for line in block.splitlines()
    if line.startswith("tiktokctl ")
]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_every_command_of_the_pages_is_understood(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    assert build(verbs()).parse_args(words[1:]).verb is not None


def test_the_installation_makes_everything_that_the_unit_file_names() -> None:
    unit = (ROOT / "tiktokd.service").read_text()
    program, option, settings = re.findall(r"^ExecStart=(\S+) (\S+) (\S+)", unit, re.M)[0]
    user = re.findall(r"^User=(\S+)", unit, re.M)[0]
    install = (ROOT / "README.md").read_text().partition("## Install")[2].partition("##")[0]
    assert option == "--config"
    assert f"venv {Path(program).parents[1]}" in install
    assert f"config.toml {settings}" in install
    assert re.search(rf"useradd .* {user}\n", install)
