"""Names of classes in the code are those that the checkpoints use: a wrong one would never match anything."""

import re
from pathlib import Path

import numpy as np
import pytest

from tiktokd.analyzers import _products, _sound_sources, audio_events, music_analysis, visual_moderation
from tiktokd.encoders import _prompts, ast, dfine

TABLES = Path(__file__).resolve().parents[1] / "tables"


def lines(name):
    """Return the names of one table, in order."""
    text = (TABLES / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


THINGS = frozenset(name.lower() for name in lines("objects365.txt")) - {dfine.NO_OBJECT}
SOUNDS = frozenset(lines("audioset.txt"))
PLAINER = {
    "archaelogical_excavation": "archaeological_excavation", "balcony/exterior": "balcony",
    "beauty_salon": "hair_salon", "carrousel": "carousel", "church/indoor": "church_interior",
    "desert/sand": "desert", "discotheque": "nightclub", "field/wild": "field", "forest/broadleaf": "forest",
    "garage/indoor": "garage", "gymnasium/indoor": "gym", "kindergarden_classroom": "kindergarten_classroom",
    "lake/natural": "lake", "library/indoor": "library", "market/outdoor": "market_outdoors",
    "museum/indoor": "museum", "music_studio": "recording_studio", "raceway": "racetrack",
    "shopping_mall/indoor": "shopping_mall", "stage/indoor": "concert_stage",
    "subway_station/platform": "subway_station", "temple/asia": "temple",
    "train_station/platform": "train_station_platform",
}  # fmt: skip
"""Category of Places365 → id of ours, where it is not the same words."""
UNDER_THE_SKY = {"archaelogical_excavation", "swimming_hole", "train_station/platform"}
"""Places that its authors call indoors, and we do not."""


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


def test_every_place_of_places365_is_among_the_scenes_and_on_its_side_of_the_wall():
    groups = {label.id: label.group for label in _prompts.read("scenes", None).labels}
    places = dict(line.rsplit(" ", 1) for line in lines("places365.txt"))
    assert len(places) == 365
    sides = {name: "outdoor" if side == "2" or name in UNDER_THE_SKY else "indoor" for name, side in places.items()}
    assert {name: groups.get(PLAINER.get(name, name.replace("/", "_"))) for name in places} == sides
    assert set(groups.values()) == {"indoor", "outdoor"}, "every place tells whether one is inside"
