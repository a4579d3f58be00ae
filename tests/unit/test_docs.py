"""The documentation says what the program does."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

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
