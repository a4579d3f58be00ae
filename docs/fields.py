"""What the files of analyzers say below each field of their outputs, and the ranges in it. Knows no page."""

import ast
import importlib
import inspect
import re
from typing import Any, TypeGuard

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_RANGE = re.compile(rf"(?:^|[Ss]hares? |, |F1 |→ |within ){_NUMBER}\.\.{_NUMBER}")
"""A range that holds, not one that is usual ("about 3..7") or that of something else ("gaps of 0.25..5 s")."""
_FROM_ZERO = re.compile(r"\b0 or more\b")


def classes(module: str) -> dict[str, list[tuple[str, str, str]]]:
    """Return class → (field, type, meaning) of each field, for the public classes of a file that have some."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    return {n.name: rows for n in tree.body if _is_told(n) and (rows := _fields(n))}


def bounds(meaning: str) -> dict[str, float]:
    """Return the limits that a field's meaning names, as JSON Schema calls them."""
    if found := _RANGE.search(meaning):
        low, high = (float(number) for number in found.groups())
        return {"minimum": low, "maximum": high}
    return {"minimum": 0} if _FROM_ZERO.search(meaning) else {}


def describe(schemas: dict[str, dict[str, Any]], module: str) -> None:
    """Write the meaning and the limits of each field into the schemas, by class, of a file's classes."""
    told = classes(module)
    for kind, schema in schemas.items():
        for name, _type, meaning in told.get(kind, []):
            part = schema["properties"][name]
            part["description"] = meaning
            _limit(part, bounds(meaning))


def _limit(part: Any, limits: dict[str, float]) -> None:
    """Write limits to every number in a field: its own, or those of its lists, tables and alternatives."""
    if not isinstance(part, dict):
        return
    if part.get("type") in ("number", "integer"):
        part |= limits
    for inner in (
        *part.get("anyOf", ()),
        *part.get("prefixItems", ()),
        part.get("items"),
        part.get("additionalProperties"),
    ):
        _limit(inner, limits)


def _is_told(node: ast.stmt) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef) and not node.name.startswith("_")


def _fields(node: ast.ClassDef) -> list[tuple[str, str, str]]:
    rows = []
    for here, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name):
            told = following.value if isinstance(following, ast.Expr) else None
            text = str(told.value) if isinstance(told, ast.Constant) else ""
            rows.append((here.target.id, ast.unparse(here.annotation), " ".join(text.split())))
    return rows
