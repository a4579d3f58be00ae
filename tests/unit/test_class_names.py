"""Names of classes in the code are those that the checkpoints use: a wrong one would never match anything."""

import re
from pathlib import Path

import numpy as np
import pytest

from tiktokd.analyzers import _products, _sound_sources, audio_events, music_analysis, visual_moderation
from tiktokd.encoders import ast, dfine

TABLES = Path(__file__).resolve().parents[1] / "tables"


def lines(name):
    """Return the names of one table, in order."""
    text = (TABLES / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


THINGS = frozenset(name.lower() for name in lines("objects365.txt")) - {dfine.NO_OBJECT}
SOUNDS = frozenset(lines("audioset.txt"))


def test_the_tables_are_whole():
    assert (len(lines("objects365.txt")), len(THINGS), len(SOUNDS)) == (366, 365, 527)


@pytest.mark.parametrize(
    ("used", "known"),
    [
        (_products.PRODUCTS, THINGS),
        (set(visual_moderation.OBJECT_CATEGORIES), THINGS),
        (set().union(*_sound_sources.SOURCES.values()), THINGS),
        (set(_sound_sources.SOURCES), SOUNDS),
        (set().union(*audio_events.GROUPS.values()), SOUNDS),
        (set(ast.VOICES), SOUNDS),
        (set(music_analysis.GENRES), SOUNDS),
        (set(music_analysis.MOODS), SOUNDS),
    ],
)
def test_every_class_that_the_code_names_exists(used, known):
    assert used
    assert used - known == set()


def test_the_class_that_is_no_object_is_never_an_object():
    labels = {i: name.lower() for i, name in enumerate(lines("objects365.txt"))}
    boxes = np.tile(np.array([[0.5, 0.5, 0.2, 0.2]], np.float32), (3, 1))
    found = dfine.decode(labels, np.array([0.9, 0.8, 0.7]), np.array([0, 1, 30]), boxes)
    assert [d.label for d in found] == ["person", "boots"]


def test_every_class_that_judges_who_speaks_or_sings_counts_as_a_voice():
    voices = {name for name in SOUNDS if re.search("(?i)male|female|child", name) and re.search("(?i)spe|sing", name)}
    assert voices == set(ast.VOICES)
