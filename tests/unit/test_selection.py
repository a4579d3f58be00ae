"""Which analyzers words mean."""

import pytest

from tiktokd import plugins, selection
from tiktokd.errors import ConfigError

GROUPS = {"motion": "video", "loudness": "audio", "shots": "video"}


def test_names_groups_and_all_are_understood():
    assert selection.select(["all"], GROUPS) == ("loudness", "motion", "shots")
    assert selection.select(["audio", "motion"], GROUPS) == ("loudness", "motion")
    assert selection.select([], GROUPS) == ()


def test_words_become_the_names_of_this_programs_analyzers_each_once():
    assert selection.expand(["loudness", "hook", "loudness"]) == ("loudness", "hook")
    assert selection.expand(["all"]) == tuple(plugins.names("tiktokd.analyzers"))
    sound = selection.expand(["audio", "hook"])
    assert {"loudness", "music_analysis", "hook"} <= set(sound)
    assert {plugins.analyzer(name).group for name in sound} == {"audio", "fusion"}


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("hooks", '"hooks" is no analyzer; did you mean hook?'),
        ("vidoe", '"vidoe" is no analyzer; did you mean video?'),
        ("palmistry", '"palmistry" is no analyzer; there are all, video, audio, text, fusion, metadata, activity_'),
    ],
)
def test_a_word_that_means_nothing_is_answered_with_what_was_meant(word, answer):
    with pytest.raises(ConfigError) as caught:
        selection.expand(["loudness", word])
    assert str(caught.value).startswith(answer)
