"""Completion as the shells themselves do it: the scripts are loaded and asked, not only parsed."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time

import pytest

from tiktokd.cli._completion import script
from tiktokd.cli._parser import build, verbs

ANSWER_S = 20.0


def written(tmp_path, shell):
    """Write the script of a shell into a file and return its path; skip where the shell is not installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    found = verbs()
    file = tmp_path / f"completion.{shell}"
    file.write_text(script(shell, build(found), found))
    return file


@pytest.fixture
def bash(tmp_path):
    file = written(tmp_path, "bash")

    def complete(*words):
        """Return what bash offers for a command line whose last word is unfinished."""
        code = (
            f"source {file}; COMP_WORDS=({shlex.join(['tiktokctl', *words])}); COMP_CWORD={len(words)}; _tiktokctl; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.split()

    return complete


@pytest.fixture
def fish(tmp_path):
    file = written(tmp_path, "fish")

    def complete(line):
        """Return what fish offers for an unfinished command line, without the descriptions."""
        code = f"source {file}; complete -C {shlex.quote(line)}"
        environment = os.environ | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "TERM": "dumb"}
        done = subprocess.run(
            ["fish", "--no-config", "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [offer.partition("\t")[0] for offer in done.stdout.splitlines()]

    return complete


class Zsh:
    """An interactive zsh on a terminal: its completion exists nowhere else."""

    def __init__(self, file, home):
        self._terminal, theirs = pty.openpty()
        environment = os.environ | {"HOME": str(home), "TERM": "dumb", "COLUMNS": "200", "LINES": "100"}
        self._process = subprocess.Popen(
            ["zsh", "-f", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=home, close_fds=True,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        for line in (
            "unsetopt zle_bracketed_paste beep; PS1='' PS2=''",
            f"autoload -U compinit; compinit -u -D; source {file}",
            "zstyle ':completion:*' list-prompt ''; LISTMAX=0",
            """report() { print -r -- "=[$BUFFER]=" }; zle -N report; bindkey '^T' report""",
            "print loaded-$((1 + 1))",
        ):
            self._type(line + "\n")
        self._until(r"loaded-2")

    def complete(self, line):
        """Return the command line after a Tab, and what was shown meanwhile."""
        self._type("\x15" + line + "\t\x14")
        found = self._until(r"=\[(.*?)\]=")
        return found[1], found.string[: found.start()]

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def _type(self, text):
        os.write(self._terminal, text.encode())

    def _until(self, pattern):
        shown, end = "", time.monotonic() + ANSWER_S
        while (found := re.search(pattern, shown)) is None:
            left = max(end - time.monotonic(), 0)
            assert select.select([self._terminal], [], [], left)[0], f"no {pattern} in {shown!r}"
            shown += os.read(self._terminal, 65536).decode(errors="replace")
        return found


@pytest.fixture
def zsh(tmp_path):
    shell = Zsh(written(tmp_path, "zsh"), tmp_path)
    yield shell
    shell.close()


def test_bash_completes_verbs_options_and_values(bash):
    assert bash("req") == ["requeue"]
    assert "--failed" in bash("requeue", "--")
    assert bash("list", "--state", "comp") == ["completed"]
    assert bash("--socket", "/x", "pa") == ["pause"]
    assert bash("pause", "d") == ["download"]
    assert "process-now" in bash("")
    assert "--column" in bash("add", "--c")
    assert bash("pause", "") == ["download", "processing", "all"]
    assert bash("show", "") == []  # ids, which nobody knows here: the shell's own files come instead


def test_fish_completes_verbs_options_and_values(fish, tmp_path):
    (tmp_path / "urls.txt").touch()
    assert fish("tiktokctl req") == ["requeue"]
    assert fish("tiktokctl requeue --f") == ["--failed"]
    assert fish("tiktokctl list --state comp") == ["completed"]
    assert set(fish("tiktokctl pause ")) == {"download", "processing", "all"}
    assert fish("tiktokctl add-urls -f url") == ["urls.txt"]
    assert fish("tiktokctl show ") == []
    assert set(fish("tiktokctl --")) == {"--config", "--socket", "--help", "--version"}


def test_fish_passes_over_the_options_before_the_verb(fish):
    assert fish("tiktokctl --socket /x pa") == ["pause"]
    assert fish("tiktokctl --socket=/x --config y requeue --f") == ["--failed"]
    assert fish("tiktokctl export list --st") == ["--state"]  # the second word is no verb: `list` has more options


def test_zsh_completes_verbs_options_and_values(zsh, tmp_path):
    (tmp_path / "urls.txt").touch()
    for begun, ended in (
        ("tiktokctl req", "tiktokctl requeue "),
        ("tiktokctl requeue --f", "tiktokctl requeue --failed "),
        ("tiktokctl list --state comp", "tiktokctl list --state completed "),
        ("tiktokctl --socket /x pa", "tiktokctl --socket /x pause "),
        ("tiktokctl add-urls -f url", "tiktokctl add-urls -f urls.txt "),
        ("tiktokctl --vers", "tiktokctl --version "),
        ("tiktokctl models ver", "tiktokctl models verify "),
    ):
        assert zsh.complete(begun)[0].rstrip() == ended.rstrip()


def test_zsh_takes_every_verb_without_a_complaint(zsh):
    for verb in verbs():
        for words in ("", "x ", "x y "):  # a verb may have several places, of which only the last repeats
            assert "_arguments" not in zsh.complete(f"tiktokctl {verb.name} {words}")[1]
