"""What the sounds of a clip say about its category: AudioSet's sounds against a table of weights.

Each category gets 0..1: 1 - (1 - w1 s1)(1 - w2 s2)…, with the scores s of AST and the weights w of
`data/sound_categories.toml` (or the user's own file): hints that add up, none of which rules anything out.

Bad at: speech and music, which are in most posts; sounds laid over pictures that have nothing to do with them.
Source: own estimates, see the file; noisy-or after Pearl 1988, "Probabilistic Reasoning in Intelligent Systems", 4.3.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tiktokd import datafiles
from tiktokd.encoders import _prompts
from tiktokd.encoders._data_forms import known
from tiktokd.errors import ConfigError
from tiktokd.plugins import Context, Encoder, LoadContext

FILE = "sound_categories.toml"
FORM = '"AudioSet sound" = { category = weight }, weights 0 to 1'
CATEGORIES = "content_categories"
"""Taxonomy whose labels are the categories."""
Table = Mapping[str, Mapping[str, float]]
"""Sound → category → weight 0..1."""


def load(context: LoadContext) -> Table:
    """Return the table; raises `ConfigError` where the user's file has another form."""
    table, file = datafiles.read_toml(FILE, context.data_dir), datafiles.find(FILE, context.data_dir)
    known(str(file), table, ("sounds",))
    found = table.get("sounds")
    if not isinstance(found, dict) or not found:
        raise ConfigError(f"{file}: [sounds] has lines {FORM}; without any, remove the file")
    # The shipped weights also serve who has other categories: what they say of those that are gone is passed over.
    is_own = file != datafiles.SHIPPED / FILE
    categories = {label.id for label in _prompts.read(CATEGORIES, context.data_dir).labels} if is_own else set()
    for sound, row in found.items():
        where = f'{file}: [sounds] "{sound}"'
        if not isinstance(row, dict) or not row or not all(_is_weight(weight) for weight in row.values()):
            raise ConfigError(f"{where}: lines are {FORM}")
        known(where, row, categories if is_own else row, what=f"category of prompts/{CATEGORIES}.toml")
    return found


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def items(context: Context) -> list[dict[str, float]]:
    """Return the mean scores of the clip's sounds."""
    labels: dict[str, float] = context.signals.get("ast", {}).get("labels", {})
    return [labels] if labels else []


def weigh(table: Table, heard: Mapping[str, float]) -> dict[str, float]:
    """Return category → 0..1 for the categories that a heard sound speaks for."""
    against: dict[str, float] = {}
    for sound, score in heard.items():
        for category, weight in table.get(sound, {}).items():
            against[category] = against.get(category, 1.0) * (1.0 - weight * min(max(score, 0.0), 1.0))
    return {category: 1.0 - left for category, left in against.items()}


def encode(model: Table, batch: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Return what each clip's sounds say."""
    return [weigh(model, heard) for heard in batch]


ENCODER = Encoder(
    name="sound_categories",
    title="What the sounds say about the category (a table of weights)",
    input="text",
    place="cpu",
    load=load,
    items=items,
    nothing="no_audio",
    nothing_said="no sound was recognised",
    encode=encode,
    gflop_per_item=0.0,
)
