"""Which analyzers a video is queued for: names, groups and all, as in the configuration."""

import pytest

from tiktokd import graph
from tiktokd.plugins import LoadContext
from tiktokd.scheduler.control import BadRequest, _analyzer_names

CATALOGUE = graph.load()
FACTS = [graph.facts(a, CATALOGUE, LoadContext()) for a in CATALOGUE.analyzers.values()]


@pytest.mark.parametrize("words", [["loudness", "hook"], ["text"], ["audio", "loudness", "metadata"], ["all"], []])
def test_names_and_groups_mean_what_they_mean_in_the_configuration(words):
    assert sorted(_analyzer_names(words, FACTS)) == list(graph.select(words, CATALOGUE))


def test_nothing_chosen_is_the_configuration_itself():
    assert _analyzer_names(None, FACTS) is None


def test_a_word_that_is_neither_is_refused_with_those_that_are():
    with pytest.raises(BadRequest, match=r"there is no texts; there are all, audio, fusion, .* loudness, "):
        _analyzer_names(["texts"], FACTS)
    assert _analyzer_names(["hook", "all"], [])[0] == "hook", "also before a worker has told the groups"
