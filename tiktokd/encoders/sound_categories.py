"""What the sounds of a clip say about its category: AudioSet's sounds against a table of weights.

Each category gets 0..1: 1 - (1 - w1 s1)(1 - w2 s2)…, with the scores s of AST and the weights w of
`data/sound_categories.toml` (or the user's own file): hints that add up, none of which rules anything out.

Bad at: speech and music, which are in most posts; sounds laid over pictures that have nothing to do with them.
Source: own estimates, see the file; noisy-or after Pearl 1988, "Probabilistic Reasoning in Intelligent Systems", 4.3.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tiktokd import datafiles
from tiktokd.errors import ConfigError
from tiktokd.plugins import Context, Encoder, LoadContext

FILE = "sound_categories.toml"
Table = Mapping[str, Mapping[str, float]]
"""Sound → category → weight 0..1."""


def load(context: LoadContext) -> Table:
    """Return the table; raises `ConfigError` where the user's file has another form."""
    found = datafiles.read_toml(FILE, context.data_dir).get("sounds")
    if not isinstance(found, dict) or not all(_is_row(row) for row in found.values()):
        path = datafiles.find(FILE, context.data_dir)
        raise ConfigError(f'{path}: [sounds] has lines "AudioSet sound" = {{ category = weight }}, weights 0 to 1')
    return found


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(w, int | float) and 0 <= w <= 1 for w in row.values())


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
