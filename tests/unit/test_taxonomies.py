"""A user's own prompt files: another form is refused with its path, a missing taxonomy is a reason and no error."""

import dataclasses
import json
import re
import shutil
from typing import get_args

import numpy as np
import pytest

from tests.contexts import facts
from tests.nobody import owner_of
from tiktokd import datafiles, plugins
from tiktokd.analyzers import call_to_action, hook, scene_recognition
from tiktokd.cli._checks import data_files
from tiktokd.config import Config
from tiktokd.encoders import _data_forms, _prompts, lid, picture_labels, siglip2
from tiktokd.encoders._phrases import search_all
from tiktokd.errors import ConfigError
from tiktokd.footage import Shot, Shots
from tiktokd.pictures import ImageEmbeddings, Label, LabelCosines, Ranked, rank, shares, winner
from tiktokd.plugins import Context, LoadContext
from tiktokd.texts import Passage

LISTS = [
    ("brands", "names = 'Acme'", "names: 'Acme' is no list of texts"),
    ("brands", "names = ['Acme', '']", "names: entry 2 of the list of texts"),
    ("brands", "[aliases]\nAcme = 'akme'", r"\[aliases\] Acme: 'akme' is no list of texts"),
    ("brands", "[aliases]\nAcme = [3]", r"\[aliases\] Acme: entry 1 of the list of texts, 3"),
    ("brands", "[aliases]\nAcme = []", r"\[aliases\] Acme: the list of texts is empty"),
    ("brands", "name = ['Acme']", 'nothing reads the key "name"; did you mean names'),
    ("brands", "names = []", "no brand is in it"),
    ("brands", "", "no brand is in it"),
    ("calls_to_action", "[follow]\nen = 'follow me'", r"\[follow\] en: 'follow me' is no list of texts"),
    ("calls_to_action", "[follow]\nen = [3]", r"\[follow\] en: entry 1"),
    ("calls_to_action", "[follow]\nen = []", r"\[follow\] en: the list of texts is empty"),
    ("calls_to_action", "[follow]\n[like]\nen = ['x']", r"\[follow\] is empty"),
    ("calls_to_action", "[follow]\neng = ['x']", r'\[follow\]: "eng" is the code of no language'),
    ("calls_to_action", "[follow]\npt_BR = ['x']", r'\[follow\]: "pt_BR" is the code of no language; write pt'),
    ("calls_to_action", "[follow]\nqq-BR = ['x']", r'\[follow\]: "qq-BR" is the code of no language'),
    ("calls_to_action", "[negation]\nenglish = 'never'", r'\[negation\]: "english" is the code of no language'),
    ("calls_to_action", "[follow]\nen = ['fine', '(follow']", r"'\(follow' is no regular expression"),
    ("calls_to_action", "[buy_now]\nen = ['buy']", 'nothing reads the table "buy_now"; there are comment'),
    ("calls_to_action", "[folow]\nen = ['x']", 'nothing reads the table "folow"; did you mean follow'),
    ("calls_to_action", "[tags]\ndisclosure = ['ad']", r"\[tags\]"),
    ("calls_to_action", "[tags]\ndisclosures = 'ad'", r'\[tags\]: nothing reads the kind "disclosures"'),
    ("calls_to_action", "[negation]", r'\[negation\] is empty; .* write name = "words'),
    ("calls_to_action", "[reminder]\nen = 'forget'", r"\[reminder\]: nothing reads"),
    ("calls_to_action", "follow = 3", r"\[follow\]"),
    ("calls_to_action", "", "no table is in it"),
    ("hooks", "[weird]\nen = ['wow']", 'nothing reads the table "weird"'),
    ("algospeak", "[words]\n'' = 'x'", r"\[words\]"),
    ("algospeak", "[words]\nunalive = 3", r'\[words\] "unalive"'),
    ("algospeak", "[word]\nunalive = 'kill'", 'nothing reads the key "word"'),
    ("algospeak", "[words]", r"\[words\] has lines"),
    ("stopwords", "en = ['the']", "one text of words"),
    ("stopwords", "en = ''", "one text of words"),
    ("stopwords", "eng = 'the'", '"eng" is the code of no language'),
    ("stopwords", "", "no language is in it"),
    ("sound_categories", "[sounds]", r"\[sounds\] has lines"),
    ("sound_categories", "[sound]\nSpeech = { education = 0.1 }", 'nothing reads the key "sound"'),
    ("sound_categories", "[sounds]\nSpeech = {}", r'\[sounds\] "Speech": lines are'),
    ("sound_categories", "[sounds]\nSpeech = { education = 2 }", r'\[sounds\] "Speech": lines are'),
    (
        "sound_categories",
        "[sounds]\nSpeech = { educaton = 0.1 }",
        r'\[sounds\] "Speech": .*"educaton"; did you mean education',
    ),
]
READERS = {"brands": "brands", "calls_to_action": "call_phrases", "hooks": "hook_phrases"}


@pytest.mark.parametrize(("name", "text", "told"), LISTS)
def test_a_word_list_of_another_form_is_refused_with_its_path_and_what_is_wrong(tmp_path, name, text, told):
    """Letters of a text taken for a list, an empty spelling or an unknown kind would go on as if nothing was wrong."""
    file = tmp_path / f"{name}.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"{re.escape(str(file))}: .*{told}"):
        plugins.encoder(READERS.get(name, name)).load(LoadContext(data_dir=tmp_path))


def test_a_list_of_openings_may_name_number_lists_which_the_shipped_one_leaves_to_a_rule(tmp_path):
    (tmp_path / "hooks.toml").write_text("[number_list]\nen = ['a~handful~of']\n")
    plugins.encoder("hook_phrases").load(LoadContext(data_dir=tmp_path))


TAXONOMIES = [
    ("scenes", "", ": no label is in it"),
    ("scenes", "labels = []", ": no label is in it"),
    ("scenes", "labels = 'x'", ": no label is in it"),
    ("scenes", "[labels]\nid = 'x'", ": no label is in it"),
    ("scenes", "label = []", ': nothing reads the key "label"; did you mean labels'),
    ("scenes", "[[labels]]\nname = 'x'", r":1: \[\[labels\]\] number 1 needs an id"),
    ("scenes", "[[labels]]\nid = 3", ":1: .* number 1: id = 3 is no text"),
    ("scenes", "[[labels]]\nid = 'a'\n\n[[labels]]\nid = ''", ":4: .* number 2: id = '' is no text"),
    ("scenes", "labels = [{ id = 'a' }, { id = '' }]", r": \[\[labels\]\] number 2: id = '' is no text"),
    ("scenes", "[[labels]]\nid = 'a'\n[[labels]]\nid = 'a'", ':3: .* number 2 has the id "a", as has number 1'),
    ("scenes", "[[labels]]\nid = 'a'\npromts = ['x']", ':1: .*nothing reads the key "promts"; did you mean prompts'),
    ("scenes", "[[labels]]\nid = 'a'\nprompts = 'a kitchen'", r':1: .* \("a"\): prompts: .* is no list of texts'),
    ("scenes", "[[labels]]\nid = 'a'\nprompts = []", r':1: .* \("a"\): prompts: the list of texts is empty'),
    ("scenes", "[[labels]]\nid = 'a'\ngroup = 'inside'", ':1: .*nothing reads the group "inside"; there are indoor'),
    ("scenes", "background = 5\n[[labels]]\nid = 'a'", ": background: 5 is no list of texts"),
    ("scenes", "background = 'a photo'\n[[labels]]\nid = 'a'", ": background: .* is no list of texts"),
    ("scenes", "template = '{x}'\n[[labels]]\nid = 'a'", ": template"),
    ("scenes", "template = '{} {x}'\n[[labels]]\nid = 'a'", ": template"),
    ("scenes", "template = 'a photo'\n[[labels]]\nid = 'a'", ": template"),
    ("aesthetics", "[[labels]]\nid = 'good'", ': no label has the id "bad"'),
    ("aesthetics", "[[labels]]\nid = 'goood'", ':1: .*nothing reads the id "goood"; did you mean good'),
]


@pytest.mark.parametrize(("name", "text", "told"), TAXONOMIES)
def test_a_prompt_file_of_another_form_is_refused_with_its_path_and_the_place(tmp_path, name, text, told):
    file = tmp_path / "prompts" / f"{name}.toml"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"^{re.escape(str(file))}{told}"):
        _prompts.read(name, tmp_path)


def test_a_kind_of_prototype_that_no_analyzer_has_is_refused(tmp_path):
    (tmp_path / "prototypes").mkdir()
    (tmp_path / "prototypes" / "calls.toml").write_text("[[labels]]\nid = 'subscribe'\nprompts = ['x']")
    with pytest.raises(ConfigError, match=r'calls\.toml:1: .*nothing reads the id "subscribe"; there are comment'):
        _prompts.read("calls", tmp_path, "prototypes")


def test_the_closed_lists_of_ids_are_those_of_their_readers():
    assert set(_prompts.IDS["calls"]) == set(get_args(call_to_action.CallType))
    assert set(_prompts.IDS["openings"]) == set(get_args(hook.HookType)) - {"visual_surprise"}, "seen, not said"


def test_a_broken_taxonomy_that_two_files_read_is_told_once(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "content_categories.toml").write_text("[[labels]]\nidd = 'x'")
    (tmp_path / "sound_categories.toml").write_text("[sounds]\nSpeech = { education = 0.5 }")
    (told,) = datafiles.problems(tmp_path)
    assert 'nothing reads the key "idd"; did you mean id?' in told


def test_every_label_that_is_wrong_is_told_at_once(tmp_path):
    (tmp_path / "prompts").mkdir()
    text = "[[labels]]\nid = 'a'\npromts = ['x']\n[[labels]]\nid = 'b'\n[[labels]]\nnames = 'c'\n"
    (tmp_path / "prompts" / "scenes.toml").write_text(text)
    told = datafiles.problems(tmp_path)
    assert [line.partition(".toml:")[2].partition(":")[0] for line in told] == ["1", "6"]


def test_the_shipped_weights_of_sounds_serve_who_has_other_categories(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "content_categories.toml").write_text(
        "[[labels]]\nid = 'education'\n[[labels]]\nid = 'mine'"
    )
    assert plugins.encoder("sound_categories").load(LoadContext(data_dir=tmp_path))
    assert datafiles.problems(tmp_path) == []


def test_an_empty_background_is_a_choice(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "scenes.toml").write_text("background = []\n[[labels]]\nid = 'a'")
    assert _prompts.read("scenes", tmp_path).background == ()


def test_the_known_languages_are_those_that_are_recognised():
    found = {one["lang"] for one in lid.load(LoadContext()).detect("a", model="lite", k=400, threshold=-1.0)}
    assert len(found) == 176
    assert found <= _data_forms.LANGUAGES


def test_a_list_in_a_script_that_no_shipped_list_has_is_searched_for(tmp_path):
    (tmp_path / "calls_to_action.toml").write_text("[follow]\nel = ['ακολουθήστε']\n")
    model = plugins.encoder("call_phrases").load(LoadContext(data_dir=tmp_path))
    found = search_all(model, Passage(kind="caption", text="Ακολουθήστε μας"))
    assert [(one.type, one.lang) for one in found] == [("follow", "el")]


@pytest.mark.parametrize("name", _prompts.names(None))
def test_every_shipped_taxonomy_can_be_read(name):
    assert _prompts.read(name, None).labels


def scenes(names, cosine=(0.0, 0.3), groups=("indoor", "outdoor")):
    """Return the result where SigLIP2 knows taxonomies of these names, each with two labels at these cosines."""
    place = LabelCosines(
        labels=(Label(id="kitchen", name="Kitchen", group=groups[0]), Label(id="beach", name="Beach", group=groups[1])),
        cosine=np.tile(np.array([cosine], np.float32), (4, 1)),
        background=np.zeros((4, 1), np.float32),
        scale=100.0,
        bias=0.0,
    )
    images = ImageEmbeddings(
        vectors=np.ones((4, 2), np.float32), pts_s=np.arange(4.0), space="t", taxonomies=dict.fromkeys(names, place)
    )
    shot = Shot(first=0, last=3, start_s=0.0, end_s=4.0, keyframe_s=2.0, black=False)
    shots = Shots(transitions=(), shots=(shot,), change=np.zeros(4, np.float32), pts=np.arange(4.0))
    media = facts(duration_s=4, frames=120, audio=False)
    return scene_recognition.analyze(Context(facts=media, features={"siglip2": images, "shots": shots}))


def test_without_a_taxonomy_of_places_nothing_is_named():
    found = scenes(["weather"])
    assert (found.status, found.reason) == ("skipped", "no_sources")
    assert "scenes.toml" in found.message


def test_without_weather_the_places_are_still_named():
    found = scenes(["scenes", "time_of_day"])
    assert (found.status, found.reason) == ("partial", "no_sources")
    assert "weather.toml" in found.message
    assert (found.output.indoor_ratio, found.output.weather, found.output.time_of_day) == (0.0, None, "beach")
    assert found.output.unknown == {"weather": "no_sources"}
    both = scenes(["scenes"])
    assert "time_of_day.toml and prompts/weather.toml" in both.message
    assert both.output.unknown == {"time_of_day": "no_sources", "weather": "no_sources"}


ALL = ("scenes", "time_of_day", "weather")


@pytest.mark.parametrize(
    ("cosine", "groups", "unknown"),
    [
        ((0.0, 0.3), ("indoor", "outdoor"), {}),
        ((0.3, 0.0), ("indoor", "outdoor"), {"time_of_day": "indoors", "weather": "indoors"}),
        ((-0.1, 0.0), ("indoor", "outdoor"), {"time_of_day": "unclear", "weather": "unclear"}),
        ((0.0, 0.3), (None, "outdoor"), {"indoor_ratio": "no_sources"}),
    ],
)
def test_every_null_of_a_scene_says_why_and_nothing_else_does(cosine, groups, unknown):
    found = scenes(ALL, cosine, groups)
    assert (found.status, found.output.unknown) == ("ok", unknown)
    fields = ("indoor_ratio", "time_of_day", "weather")
    assert {name for name in fields if getattr(found.output, name) is None} == unknown.keys()


def test_what_pictures_say_of_both_taxonomies_fits_into_the_signals():
    def longest(name):
        known = _prompts.read(name, None).labels
        found = Ranked(label=max(known, key=lambda label: len(label.id + label.name)), score=0.12345, z=12.345)
        shots = tuple((1234.567, 1235.678, found) for _ in range(picture_labels.SHOTS_MAX))
        return picture_labels.PictureLabels(clip=(found,) * 5, shots=shots, known=known)

    told = picture_labels.signals({name: longest(name) for name in picture_labels.TAXONOMIES})
    assert len(json.dumps(told)) <= 16 * 1024


def test_indoors_is_a_share_of_the_time_and_not_of_the_frames():
    labels = (Label(id="kitchen", name="Kitchen", group="indoor"), Label(id="beach", name="Beach", group="outdoor"))
    inside, outside = (0.3, 0.0), (0.0, 0.3)
    place = LabelCosines(
        labels=labels,
        cosine=np.array([inside, inside, inside, outside, outside], np.float32),
        background=np.zeros((5, 1), np.float32),
        scale=100.0,
        bias=0.0,
    )
    times = np.array([0.0, 1.0, 2.0, 3.0, 16.0])
    images = ImageEmbeddings(vectors=np.ones((5, 2), np.float32), pts_s=times, space="t", taxonomies={"scenes": place})
    shots = Shots(transitions=(), shots=(), change=np.zeros(5, np.float32), pts=times)
    media = facts(duration_s=30.0, frames=900, audio=False)
    found = scene_recognition.analyze(Context(facts=media, features={"siglip2": images, "shots": shots})).output
    assert found.indoor_ratio == 0.1


def test_what_a_clip_shows_is_weighed_by_time_and_not_by_frames():
    labels = tuple(Label(id=name, name=name) for name in ("kitchen", "beach", *(f"other{i}" for i in range(8))))
    other = [0.01 * i for i in range(8)]
    cosine = np.array([[0.4, 0.0, *other]] * 3 + [[0.0, 0.4, *other]] * 2, np.float32)
    times, none = np.array([0.0, 1.0, 2.0, 3.0, 16.0]), np.zeros((5, 0), np.float32)
    even = LabelCosines(labels=labels, cosine=cosine, background=none, scale=10.0, bias=0.0)
    weighed = dataclasses.replace(even, weight=np.array(shares(times.tolist(), 30.0), np.float32))
    assert rank(even, limit=1)[0].label.id == winner(even).label.id == "kitchen"
    assert rank(weighed, limit=1)[0].label.id == winner(weighed).label.id == "beach"
    early = times < 3.0
    alike = [[(found.label, round(found.score, 4)) for found in rank(each, early)] for each in (weighed, even)]
    assert alike[0] == alike[1], "within a shot that is sampled evenly nothing changes"
    images = ImageEmbeddings(vectors=np.ones((5, 2), np.float32), pts_s=times, space="t", taxonomies={"moods": weighed})
    told = siglip2.signals(images)["labels"]["moods"]["cosine"]
    assert told["beach"] == pytest.approx(0.36)
    assert told["kitchen"] == pytest.approx(0.04)


def test_every_shipped_file_is_one_that_the_check_knows_and_finds_nothing_wrong_with(tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(datafiles.SHIPPED, copy)
    assert datafiles.problems(copy) == []
    assert datafiles.unread(copy) == []
    assert datafiles.problems(tmp_path / "none") == datafiles.unread(tmp_path / "none") == []


@pytest.mark.parametrize("closed", [".", "data", "data/prompts"])
def test_a_directory_that_cannot_be_read_is_told_and_not_taken_for_one_without_files(tmp_path, closed):
    (tmp_path / "place" / "data" / "prompts").mkdir(parents=True)
    data, shut = tmp_path / "place" / "data", tmp_path / "place" / closed
    shut.chmod(0)
    with owner_of(tmp_path):
        told, strange = datafiles.problems(data), datafiles.unread(data)
        checks = list(data_files(Config.model_validate({"analysis": {"data_dir": str(data)}})))
    shut.chmod(0o700)
    place = data if closed == "." else shut
    assert (told, strange) == ([f"{place}: no permission to read it"], [])
    assert [(check.level, str(place) in check.found) for check in checks] == [("warn", True)]


def test_broken_files_are_told_with_their_paths_and_misnamed_ones_with_the_names_that_are_read(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "brands.toml").write_text("names = 'Acme'")
    (tmp_path / "hooks.toml").write_text("not TOML")
    (tmp_path / "prompts" / "scenes.toml").write_text("[[labels]]\nname = 'x'")
    (tmp_path / "prompts" / "mine.toml").write_text("[[labels]]\nid = 'x'")
    (tmp_path / "brand.toml").write_text("names = ['Acme']")
    told = datafiles.problems(tmp_path)
    assert [text.partition(": ")[0] for text in told] == [
        str(tmp_path / name) for name in ("brands.toml", "hooks.toml", "prompts/scenes.toml:1")
    ]
    (strange,) = datafiles.unread(tmp_path)
    assert strange.startswith(
        f"{tmp_path / 'brand.toml'}: nothing reads a file of this name; there are algospeak.toml, "
    )
