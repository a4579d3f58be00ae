"""Tags, links, emoji, keyphrases and brands."""

from dataclasses import replace

import pytest

from tests.tables.brands import SENTENCES
from tests.written import analyze, context_of
from tiktokd.analyzers._parsing import parse
from tiktokd.analyzers.entities_keywords import _names
from tiktokd.encoders.brands import build, load, search
from tiktokd.errors import ConfigError
from tiktokd.keyphrases import keyphrases, unbroken
from tiktokd.plugins import LoadContext
from tiktokd.text_features import NamedEntity, TextEntities
from tiktokd.texts import Passage

NAME = "entities_keywords"
FAMILY, COUPLE = "👩‍👩‍👧‍👦", "🧑🏻‍❤️‍💋‍🧑🏿"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"

PARSED = [
    ("#fyp #foryou", {"hashtags": ["fyp", "foryou"]}),
    (
        "＃東京 #ไทย #हिन्दी #مرحبا #été2024 #fürDich",
        {"hashtags": ["東京", "ไทย", "हिन्दी", "مرحبا", "été2024", "fürDich"]},
    ),
    ("#one#two,#three.", {"hashtags": ["one", "two", "three"]}),
    ("#snake_case #50shades #2024", {"hashtags": ["snake_case", "50shades", "2024"]}),
    ("we are #1 &#39; a/b#c it's#no", {}),
    ("# alone and ## twice", {}),
    ("thanks @user.name_1 and ＠太郎.", {"mentions": ["user.name_1", "太郎"]}),
    ("at@home a @ b @x", {}),
    ("mail jo.e+x@mail.example.co.uk now", {"emails": ["jo.e+x@mail.example.co.uk"]}),
    ("a@b.de,c@d.org", {"emails": ["a@b.de", "c@d.org"]}),
    ("https://a.example/b?c=d#e.", {"urls": ["https://a.example/b?c=d#e"]}),
    ("(see www.example.org/path)", {"urls": ["www.example.org/path"]}),
    ("https://en.example.org/wiki/A_(b) ok", {"urls": ["https://en.example.org/wiki/A_(b)"]}),
    ("linktr.ee/someone! example.com, t.me/group", {"urls": ["linktr.ee/someone", "example.com", "t.me/group"]}),
    ("今すぐexample.jpへ。https://例え.jp/パス。", {"urls": ["example.jp", "https://例え.jp/パス"]}),
    ("tiktok.com/@user/video/1", {"urls": ["tiktok.com/@user/video/1"]}),
    ("I love.it e.g. file.py Mr.Smith v1.2 3.50 end.No", {}),
    ("$TSLA $brk.b", {"cashtags": ["TSLA", "BRK.B"]}),
    ("US$5 $100 $$ $TOOLONG", {}),
    ("no emoji: ★ ✓ © 5 # *", {}),
    ("☕❤❤️©️", {"emojis": ["☕", "❤", "❤️", "©️"]}),
    (f"{FAMILY}{COUPLE}👍🏽", {"emojis": [FAMILY, COUPLE, "👍🏽"]}),
    (f"🇩🇪🇫🇷{ENGLAND}🏳️‍🌈", {"emojis": ["🇩🇪", "🇫🇷", ENGLAND, "🏳️‍🌈"]}),
    ("1️⃣2️⃣#️⃣", {"emojis": ["1️⃣", "2️⃣", "#️⃣"]}),
    ("😂😂 #lol @abc", {"emojis": ["😂", "😂"], "hashtags": ["lol"], "mentions": ["abc"]}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "expected"), PARSED)
def test_tags_names_links_and_emoji_are_parsed_exactly(text, expected):
    parsed = parse(text)
    found = {name: getattr(parsed, name) for name in parsed.__dataclass_fields__ if getattr(parsed, name)}
    assert found == expected


def test_brands_are_found_with_precision_and_recall_of_95_percent(accuracy):
    model = load(LoadContext())
    hits = wrong = missed = 0
    mistakes = []
    for text, kind, expected in SENTENCES:
        found = {match.name for match in search(model, Passage(kind=kind, text=text))}
        hits += len(found & expected)
        wrong += len(found - expected)
        missed += len(expected - found)
        if found != expected:
            mistakes.append((text, found, expected))
    accuracy("brands in sentences: precision", hits / (hits + wrong), mark=0.95, worse="lower")
    accuracy("brands in sentences: recall", hits / (hits + missed), mark=0.95, worse="lower")


def test_letters_that_reading_mixes_up_are_forgiven_only_in_the_picture():
    model = load(LoadContext())
    assert search(model, Passage(kind="caption", text="STARBUCK5")) == []
    assert [m.name for m in search(model, Passage(kind="ocr", text="STARBUCK5"))] == ["Starbucks"]


def test_each_place_that_names_a_brand_counts_once():
    model = load(LoadContext())
    found = search(model, Passage(kind="caption", text="Nike, #nike and @nike: Nikes"))
    assert [m.name for m in found] == ["Nike", "Nike", "Nike"]


def test_the_users_own_list_replaces_the_shipped_one(tmp_path):
    (tmp_path / "brands.toml").write_text('names = ["Zorblax"]\nambiguous = []\n')
    model = load(LoadContext(data_dir=tmp_path))
    assert [m.name for m in search(model, Passage(kind="caption", text="zorblax and nike"))] == ["Zorblax"]


@pytest.mark.parametrize("table", [{"names": [1]}, {"names": ["a"], "aliases": ["b"]}])
def test_a_brand_list_of_another_form_is_refused(table):
    with pytest.raises(ConfigError, match=r"brands\.toml"):
        build(table)


def test_a_list_without_names_finds_nothing():
    assert search(build({}), Passage(kind="ocr", text="Nike at the Apple store")) == []


def test_keyphrases_are_what_stands_between_stop_words():
    found = keyphrases(
        ["The easy banana bread recipe is for beginners", "banana bread is my favourite"],
        frozenset(["the", "is", "for", "my", "favourite"]),
        5,
    )
    assert found[0] == ("easy banana bread recipe", 1.0)
    assert {"banana bread", "beginners"} <= {text for text, _ in found}
    assert all(0 < score <= 1 for _, score in found)


def stacked(*lines, start_s=1.0, end_s=4.0, left=0.05, gap=0.005):
    """Return lines of (text, width) under one another, 0.05 high."""
    return [
        Passage(kind="ocr", text=text, start_s=start_s, end_s=end_s, box=(left, 0.3 + i * (0.05 + gap), width, 0.05))
        for i, (text, width) in enumerate(lines)
    ]


def test_a_phrase_goes_on_in_the_next_line_where_there_was_no_room_left():
    assert unbroken(stacked(("the best banana", 0.8), ("bread recipe", 0.6)), "ocr") == ["the best banana bread recipe"]
    assert unbroken(stacked(("MY 9 FAVOURITE", 0.88), ("PHOTOS", 0.45)), "ocr") == ["MY 9 FAVOURITE PHOTOS"]
    assert unbroken(stacked(("My Best Banana", 0.8), ("Bread Recipe", 0.6)), "ocr") == ["My Best Banana Bread Recipe"]
    assert unbroken(stacked(("東京タワーの夜", 0.95), ("景が綺麗", 0.6)), "ocr") == ["東京タワーの夜景が綺麗"]
    assert unbroken(stacked(("how we bake", 0.9), ("banana bread", 0.9), ("at home today", 0.9)), "ocr") == [
        "how we bake banana bread at home today"
    ]


def at(line, **changes):
    return [replace(line[0], **changes)]


FULL = stacked(("fresh banana bread", 0.9))
UNDER = stacked(("fresh banana bread", 0.9), ("summer holiday", 0.8))[1:]


@pytest.mark.parametrize(
    "lines",
    [
        stacked(("Use code CLIMB20", 0.68), ("paid partnership", 0.48)),
        stacked(("eggs", 0.15), ("flour", 0.2), ("sugar", 0.2)),
        stacked(("New video every Friday", 0.9), ("Giveaway tomorrow", 0.8)),
        FULL + at(UNDER, box=(0.05, 0.7, 0.8, 0.05)),
        FULL + at(UNDER, box=(0.05, 0.355, 0.8, 0.015)),
        at(FULL, box=(0.0, 0.3, 0.6, 0.05)) + at(UNDER, box=(0.55, 0.355, 0.45, 0.05)),
        FULL + at(UNDER, start_s=2.0),
        FULL + at(UNDER, end_s=6.0),
        FULL + at(UNDER, box=None),
    ],
    ids=["room", "list", "capital", "elsewhere", "other size", "beside", "later", "longer", "nowhere"],
)
def test_a_phrase_ends_with_its_line_where_the_next_one_is_another_text(lines):
    assert unbroken(lines, "ocr") == [line.text for line in lines]


def test_a_line_between_two_others_does_not_keep_them_apart():
    first, second = stacked(("the best banana", 0.55), ("bread recipe with walnuts", 0.55))
    wide = [replace(one, box=(0.0, one.box[1], 0.85, 0.05)) for one in (first, second)]
    mark = Passage(kind="ocr", text="@baker", start_s=1.0, end_s=4.0, box=(0.87, 0.34, 0.12, 0.02))
    assert unbroken([wide[0], mark, wide[1]], "ocr") == ["the best banana bread recipe with walnuts", ""]


def test_phrases_of_a_caption_end_with_its_lines():
    phrases = keyphrases(unbroken([Passage(kind="caption", text="Fresh eggs\nBrown sugar #yum")], "caption"), set(), 5)
    assert {text for text, _ in phrases} == {"fresh eggs", "brown sugar"}
    spaced = unbroken([Passage(kind="caption", text="東京 夜景")], "caption")
    assert {text for text, _ in keyphrases(spaced, set(), 5)} == {"東京", "夜景"}


def test_separate_lines_in_the_picture_make_separate_phrases():
    found = analyze(NAME, context_of(ocr=[("Use code CLIMB20", 0.0, 8.0), ("paid partnership", 0.0, 8.0)]))
    phrases = {one["text"] for one in found.summary["keyphrases"]}
    assert phrases == {"code climb20", "paid partnership"}


def test_keyphrases_of_spaceless_writing_are_runs_of_signs():
    found = dict(keyphrases(["東京タワーの夜景が綺麗です"], frozenset(["の", "が", "です"]), 5))
    assert {"東京", "タワー", "夜景", "綺麗"} <= found.keys()


def test_everything_that_is_named_is_listed_with_its_source_and_time():
    context = context_of(
        "Banana bread recipe 😋 #Baking #baking @bakery ask me: jane@example.org $KO https://example.org/x",
        ocr=[("STARBUCKS HACK", 1.5, 4.0)],
        speech=[("today I try starbucks and nutella", 5.0, 8.0)],
    )
    summary = analyze(NAME, context).summary
    assert summary["hashtags"] == ["baking"]
    assert summary["mentions"] == ["bakery"]
    assert summary["urls"] == ["https://example.org/x"]
    assert summary["emojis"] == ["😋"]
    assert summary["entities"] == [
        {"text": "j***@example.org", "type": "email", "source": "caption", "t_s": None},
        {"text": "KO", "type": "cashtag", "source": "caption", "t_s": None},
    ]
    assert summary["brands"] == [
        {"name": "Starbucks", "sources": ["ocr", "speech"], "count": 2, "first_s": 1.5, "logo": None},
        {"name": "Nutella", "sources": ["speech"], "count": 1, "first_s": 5.0, "logo": None},
    ]
    assert any(p["text"] == "banana bread recipe" and p["source"] == "caption" for p in summary["keyphrases"])


def test_names_of_the_full_tier_are_listed_once_per_source_where_they_are_sure():
    caption, line = (
        Passage(kind="caption", text="Jane met jane in Paris"),
        Passage(kind="ocr", text="PARIS", start_s=2.0),
    )
    named = TextEntities(
        entities={
            "Jane met jane in Paris": (
                NamedEntity(text="Jane", type="PER", score=0.99),
                NamedEntity(text="jane", type="PER", score=0.95),
                NamedEntity(text="Paris", type="LOC", score=0.6),
                NamedEntity(text="met", type="MISC", score=0.99),
            ),
            "PARIS": (NamedEntity(text="PARIS", type="LOC", score=0.9),),
        }
    )
    assert [(e.text, e.type, e.source, e.t_s) for e in _names([caption, line], named)] == [
        ("Jane", "PER", "caption", None),
        ("PARIS", "LOC", "ocr", 2.0),
    ]
    assert _names([caption], None) == []


def test_a_video_without_words_is_no_sources():
    envelope = analyze(NAME, context_of(None))
    assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "no_sources", {})


def test_a_scream_is_no_topic():
    found = analyze(NAME, context_of("a" * 3000 + " homemade sourdough bread")).summary["keyphrases"]
    assert [one["text"] for one in found] == ["homemade sourdough bread"]


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("Mail john.doe@example.org about the ramen recipe", ("john", "doe", "example")),
        ("My ramen shop, call us on 415-555-2671 tonight", ("555", "2671")),
        ("mein Konto für Ramen DE89370400440532013000 bitte", ("de89",)),
        ("the card 4111-1111-1111-1111 paid the ramen", ("1111",)),
    ],
)
def test_what_is_masked_elsewhere_is_no_keyphrase(text, private):
    phrases = " ".join(one["text"] for one in analyze(NAME, context_of(text)).summary["keyphrases"])
    assert "ramen" in phrases
    assert not [part for part in private if part in phrases]


def test_years_and_models_stay_in_keyphrases():
    phrases = [
        text for text, _ in keyphrases(["the iPhone17 of 2026, covid-19 and ps5 games"], {"the", "of", "and"}, 9)
    ]
    assert {"iphone17", "covid-19", "ps5 games"} <= set(phrases)
