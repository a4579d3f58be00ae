"""JSON columns on their way in and out of the database. A damaged one is a value, never an exception. Knows no table.

A row that raised while it is read would stop everything behind it: the lane whose first video it is, the page of a
list, an export. So a text that is no JSON is read as `Damaged`, and who needs the value decides what that means.
"""

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class Damaged:
    """What is read of a text that is no JSON."""

    text: str
    """Its beginning, for people."""


class DamagedColumn(ValueError):
    """A stored value that a video cannot do without cannot be read."""

    def __init__(self, column: str, value: Any) -> None:
        found = value.text if isinstance(value, Damaged) else str(value)[:SHOWN_CHARS]
        super().__init__(f"its stored {column} cannot be read ({found!r})")
        self.column = column


def dump(value: Any) -> str:
    """Return JSON of plain values, dataclasses and pydantic models; NaN becomes null, which JSON can say."""
    return to_json(value, inf_nan_mode="null").decode()


def load(text: str | bytes) -> Any:
    """Return the value of a JSON text, or `Damaged`."""
    try:
        return from_json(text)
    except ValueError:
        shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
        return Damaged(shown[:SHOWN_CHARS])
