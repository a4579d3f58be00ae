"""The layers, the sizes and the rules that no reviewer should have to remember."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tiktokd"

CORE = {
    "errors", "messages", "model", "url", "sampling", "config", "wire", "log", "slots", "plugins", "graph", "runner",
    "weights", "paths", "protocol", "printable", "inputs",
}  # fmt: skip
CHILDREN = {"worker", "turns", "download", "decode", "cpu"}
EDGES = {"api", "client", "cli", "export", "models", "daemon"}

ALLOWED = {
    "core": {"core"},
    "worker": {"core"},
    "turns": {"core", "worker"},
    "download": {"core", "worker", "download", "decode"},
    "decode": {"core", "decode"},
    "cpu": {"core", "worker", "turns", "decode", "encoders", "analyzers"},
    "scheduler": {"core", "scheduler", "worker"},
    "encoders": {"core", "encoders"},
    "analyzers": {"core", "analyzers"},
    "gpu": {"core", "worker", "turns", "encoders", "analyzers", "gpu"},
    "api": {"core", "api", "export"},
    "export": {"core", "export"},
    "models": {"core", "models"},
    "client": {"core", "client"},
    "cli": {"core", "client", "cli", "export", "models"},
    "tui": {"core", "client", "tui"},
    "daemon": {"core", "scheduler", "worker", "api", "daemon"},
}
"""Layer → layers that it may import. `scheduler` takes the worker contract; it never imports a kind of work."""

THIRD_PARTY_OWNERS = {
    "yt_dlp": {"download"},
    "av": {"decode"},
    "sqlalchemy": {"scheduler"},
    "alembic": {"scheduler"},
    "textual": {"tui"},
    "torch": {"encoders", "gpu", "models"},
    "transformers": {"encoders", "models"},
    "onnxruntime": {"encoders"},
    "ctranslate2": {"encoders"},
    "cv2": {"encoders"},
    "rapidocr": {"encoders"},
    "huggingface_hub": {"models"},
    "aiohttp": {"api", "client", "tui"},
}

OVER_300_LINES: dict[str, str] = {}
"""File → why it may be longer than 300 lines."""
OVER_60_LINES: dict[str, str] = {}
"""file:function → why it may be longer than 60 lines."""


def layer(module: str) -> str:
    """Return the layer of a dotted module below tiktokd."""
    head = module.split(".", maxsplit=1)[0]
    if head in ALLOWED:
        return head
    for prefix in ("download", "decode", "api", "export", "models", "client", "daemon"):
        if head.startswith(prefix + "_"):
            return prefix
    return "core"


def sources() -> list[tuple[str, Path]]:
    """Return (dotted module below tiktokd, file) of every source file but the package's own __init__."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if module != "__init__":
            found.append((module, path))
    return found


def imports(path: Path) -> set[str]:
    """Return every absolute dotted name that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def violations(module: str, names: set[str]) -> list[str]:
    """Return what a module imports against the table."""
    mine, found = layer(module), []
    for name in sorted(names):
        parts = name.split(".")
        if parts[0] == "tiktokd" and len(parts) > 1:
            theirs = layer(".".join(parts[1:]))
            if parts[1].startswith("__"):
                continue
            if theirs not in ALLOWED[mine]:
                found.append(f"{module} ({mine}) imports {name} ({theirs})")
        elif mine not in THIRD_PARTY_OWNERS.get(parts[0], {mine}):
            found.append(f"{module} ({mine}) imports {name}")
    return found


def test_every_module_imports_only_what_its_layer_may():
    assert [v for module, path in sources() for v in violations(module, imports(path))] == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("scheduler.store", "tiktokd.download"),
        ("encoders.ocr", "tiktokd.analyzers.motion"),
        ("analyzers.motion", "torch"),
        ("wire", "tiktokd.scheduler.store"),
        ("tui.app", "tiktokd.scheduler.store"),
        ("api", "sqlalchemy"),
        ("cli.main", "tiktokd.daemon"),
    ],
)
def test_planted_violations_are_found(module, name):
    assert violations(module, {name}) != []


@pytest.mark.parametrize("module", ["tiktokd.cli", "tiktokd.daemon"])
def test_daemon_and_cli_load_nothing_heavy(module):
    code = (
        f"import sys, {module}; print([m for m in ('torch','yt_dlp','av','textual','cv2','scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_only_the_store_writes_a_state():
    writer = re.compile(r"state\s*=\s*(?:State\.|['\"])|set\s+state", re.IGNORECASE)
    offenders = []
    for module, path in sources():
        if module.startswith("scheduler.store") or module.startswith("scheduler.schema"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values":
                text = ast.unparse(node)
                if writer.search(text):
                    offenders.append(f"{module}: {text[:80]}")
    assert offenders == []


def swallows(node: ast.AST) -> bool:
    """Return whether a node is an except clause for everything that does not raise it on."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    broad = node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
    last = node.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)


def test_broad_excepts_stand_only_where_they_are_explained():
    allowed = {"worker", "runner", "scheduler.loop", "api", "scheduler.database", "scheduler.corpus"}
    found = {m for m, path in sources() if any(swallows(n) for n in ast.walk(ast.parse(path.read_text())))}
    assert found <= allowed, f"except Exception in {sorted(found - allowed)}"


def sizes() -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return (lines, file) and (lines, file:function), longest first."""
    files, functions = [], []
    for module, path in sources():
        text = path.read_text()
        files.append((len(text.splitlines()), module))
        functions += [
            ((node.end_lineno or 0) - node.lineno + 1, f"{module}:{node.name}")
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
    return sorted(files, reverse=True), sorted(functions, reverse=True)


def test_files_and_functions_stay_small(capsys):
    files, functions = sizes()
    own = [n for n, m in files if layer(m) not in ("encoders", "analyzers")]
    with capsys.disabled():
        print(
            f"\n{len(files)} files, median {median(n for n, _ in files):.0f}, longest {files[0][0]} ({files[0][1]}); "
            f"{len(functions)} functions, median {median(n for n, _ in functions):.0f}, longest {functions[0][0]} "
            f"({functions[0][1]}); {sum(own)} lines without encoders and analyzers"
        )
    assert [f for f in files if f[0] > 300 and f[1] not in OVER_300_LINES] == []
    assert [f for f in functions if f[0] > 60 and f[1] not in OVER_60_LINES] == []


def test_every_module_and_public_function_says_what_it_does():
    silent = []
    for module, path in sources():
        tree = ast.parse(path.read_text())
        if not ast.get_docstring(tree):
            silent.append(module)
        for node in tree.body:
            public = isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            ) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                silent.append(f"{module}:{node.name}")
    assert silent == []


def test_the_project_speaks_of_itself_alone():
    out = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if out.returncode:
        pytest.skip("not a git checkout")
    words = re.compile(r"/(?:work|root|farm)/|py" + r"pi\.org|python" + r"hosted|deb" + r"ian\.org|npm" + r"js\.org")
    found = []
    for name in out.stdout.split():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".service", ""} and path.is_file():
            text = path.read_text(errors="replace")
            found += [f"{name}: {m.group()}" for m in words.finditer(text)]
    assert found == []
