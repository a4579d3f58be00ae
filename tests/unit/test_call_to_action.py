"""Calls to action, promo codes, QR payloads and notes of advertising."""

import pytest

from tests.tables.calls import CALLS, DISCLOSED, NO_CALLS, NOT_DISCLOSED
from tests.written import analyze, context_of
from tiktokd.analyzers.call_to_action import promo_codes
from tiktokd.encoders._phrases import search
from tiktokd.encoders.call_phrases import load
from tiktokd.errors import ConfigError
from tiktokd.model import Envelope
from tiktokd.plugins import Context, LoadContext
from tiktokd.texts import Passage

NAME = "call_to_action"
MODEL = load(LoadContext())


def kinds(text: str) -> set[str]:
    return {match.type for match in search(MODEL, Passage(kind="caption", text=text))} - {"disclosure"}


def test_the_table_has_200_phrases_in_16_languages():
    assert len(CALLS) + len(NO_CALLS) >= 200
    assert len({language for _, language, _ in CALLS}) == 16


def test_calls_are_found_with_an_f1_of_90_percent_hard_negatives_included(accuracy):
    missed = [(kind, text, kinds(text)) for kind, _, text in CALLS if kind not in kinds(text)]
    wrong = [(text, kinds(text)) for text in NO_CALLS if kinds(text)]
    hits = len(CALLS) - len(missed)
    f1 = 2 * hits / (2 * hits + len(missed) + len(wrong))
    accuracy("calls to action in 16 languages, hard negatives included: F1", f1, mark=0.9, worse="lower")
    assert len(wrong) <= len(NO_CALLS) // 10, wrong


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("comment", "tell me down below which one is your favourite"),
        ("watch_to_end", "stick around until the end"),
        ("share", "schick das jemandem der das hören muss"),
        ("link_in_bio", "den link findet ihr in meiner bio"),
        ("follow", "لا تنسى متابعتي للمزيد من الفيديوهات"),
        ("comment", "tulis pendapat kalian di kolom komentar"),
        ("comment", "댓글로 의견 남겨주세요"),
    ],
)
def test_calls_are_found_in_the_words_of_speech(kind, text):
    assert kind in kinds(text)


def test_the_language_of_the_phrase_is_told():
    found = {
        (language, text): {m.lang for m in search(MODEL, Passage(kind="caption", text=text)) if m.type == kind}
        for kind, language, text in CALLS
    }
    right = sum(language in langs for (language, _), langs in found.items())
    assert right / len(found) >= 0.9


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Save this 🔥", "save"),
        ("★ save it ★", "save"),
        ("Save this #recipe #easy", "save"),
        ("Save this: five minute pasta", "save"),
        ("pls like ❤️❤️", "like"),
        ("check the link ⬇️", "link_in_bio"),
        ("Guárdalo 📌", "save"),
        ("Compártelo 💕", "share"),
        ("commente 👇👇", "comment"),
        ("beğen 👍", "like"),
        ("сохрани 📌", "save"),
        ("Please share\nLink in bio", "share"),
    ],
)
def test_a_call_ends_before_an_emoji_a_hashtag_or_another_line(text, kind):
    assert kind in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "We tried to save it 💔",
        "so much to like 😍",
        "El portero la guarda ⚽",
        "quien comparte #amor",
        "a wall to paint and share ❤️",
        "I save this money for later 💰",
        "things to like\nabout this town",
        "THINGS TO LIKE\nABOUT THIS TOWN",
    ],
)
def test_a_sentence_that_goes_on_is_no_bare_call(text):
    assert not kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "i follow my dreams",
        "I always follow my heart",
        "we'll follow the page as it turns",
        "people who follow me know this",
        "she would share this with anyone",
        "they like and subscribe to everything",
        "I want to follow my dreams",
        "he told me to follow the page",
        "I decided to save this for later",
        "I don't like it when people say like and subscribe",
        "nobody here is going to say follow me",
        "ich folge mir selbst",
        "er teilt das mit uns",
        "il partage avec nous",
        "j'aime cette vidéo",
        "ella comparte este video",
        "ela segue a gente",
        "lui condivide con un amico",
        "ben takip ettim",
        "takip etmeyin",
        "dia follow aku",
        "tôi chia sẻ video này",
        "我分享给大家",
        "千万不要关注我",
        "팔로우하지 마세요",
    ],
)
def test_what_somebody_does_or_what_is_refused_is_no_call(text):
    assert not kinds(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I want you to follow me", {"follow"}),
        ("I hope you enjoyed, follow me", {"follow"}),
        ("if you want more follow me", {"follow"}),
        ("I'm so happy follow me for more", {"follow"}),
        ("that's how we do it and follow me for more", {"follow"}),
        ("make sure to follow", {"follow"}),
        ("we never forget to follow", {"follow"}),
        ("I like this, share this with friends", {"share"}),
        ("关注我转发给朋友", {"follow", "share"}),
        ("takip etmeyi unutma", {"follow"}),
        ("点赞关注", {"like", "follow"}),
        ("点赞收藏关注", {"like", "save", "follow"}),
        ("लाइक और शेयर", {"like", "share"}),
        ("लाइक और सब्सक्राइब", {"like", "follow"}),
        ("いいねとフォロー", {"like", "follow"}),
        ("좋아요와 구독", {"like", "follow"}),
        ("like y comparte", {"like", "share"}),
        ("like e condividi", {"like", "share"}),
    ],
)
def test_a_call_is_one_beside_somebody_who_does_something_and_in_a_row_of_two(text, found):
    assert kinds(text) == found


@pytest.mark.parametrize("text", ["Please Don't\nShare This Video", "You Should Never\nSave This", "NEVER\nFOLLOW ME"])
def test_a_negation_at_the_end_of_a_line_is_about_the_next(text):
    assert not kinds(text)


def test_a_negation_within_a_line_is_not_about_the_next():
    assert kinds("I can't wait\nFollow me") == {"follow"}
    assert kinds("Don't Forget To\nFollow Me") == {"follow"}


def test_calls_on_lines_of_one_card_are_told_apart():
    card = [("Curte e compartilha", 4.0, 8.0), ("Link na bio", 4.0, 8.0)]
    found = analyze(NAME, context_of(ocr=card)).summary["ctas"]
    assert {call["type"] for call in found} == {"like", "share", "link_in_bio"}


@pytest.mark.parametrize("text", DISCLOSED)
def test_notes_of_advertising_are_evidence(text):
    disclosure = analyze(NAME, context_of(text)).summary["disclosure"]
    assert disclosure["present"] is True
    assert disclosure["evidence"]


@pytest.mark.parametrize("text", NOT_DISCLOSED)
def test_words_that_look_like_advertising_notes_are_none(text):
    assert analyze(NAME, context_of(text)).summary["disclosure"] == {
        "present": False,
        "evidence": [],
        "platform_flag": None,
    }


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Use code CLIMB20", ["CLIMB20"]),
        ("USE CODE SAVE10 FOR 10% OFF", ["SAVE10"]),
        ("with my promo code: WELCOME-5", ["WELCOME-5"]),
        ("Rabattcode SOMMER20 und Gutscheincode 5EURO", ["SOMMER20", "5EURO"]),
        ("código de descuento AHORRA10", ["AHORRA10"]),
        ("промокод SKIDKA5", ["SKIDKA5"]),
        ("クーポンコードはABC123で", ["ABC123"]),
        ("优惠码：XYZ88", ["XYZ88"]),
        ("SCAN THE QR CODE BELOW", []),
        ("use code for your homework", []),
        ("area code 030", []),
        ("DRESS CODE BLACK TIE", []),
        ("code", []),
    ],
)
def test_promo_codes_are_read_behind_words_for_code(text, codes):
    assert promo_codes(text) == codes


def test_calls_have_sources_and_times_and_the_last_quarter_is_told():
    context = context_of(
        "Link in bio and https://example.org/x",
        ocr=[("Use code CLIMB20", 2.0, 6.0), ("FOLLOW FOR", 16.0, 20.0), ("PART 2", 16.0, 20.0)],
        speech=[("don't forget to like this video", 8.0, 10.0)],
        duration_s=20.0,
    )
    envelope = analyze(NAME, context)
    summary = envelope.summary
    assert [(c["type"], c["source"], c["t_s"]) for c in summary["ctas"]] == [
        ("promo_code", "ocr", 2.0),
        ("like", "speech", 8.0),
        ("follow", "ocr", 16.0),
        ("part_2", "ocr", 16.0),
        ("link_in_bio", "caption", None),
        ("visit_url", "caption", None),
    ]
    assert summary["promo_codes"] == ["CLIMB20"]
    assert (summary["first_cta_s"], summary["last_quarter_cta"]) == (2.0, True)
    assert [(s["start_s"], s["end_s"], s["type"]) for s in envelope.segments][:2] == [
        (2.0, 6.0, "promo_code"),
        (8.0, 10.0, "like"),
    ]


def test_a_qr_payload_is_data_and_a_link_in_it_a_call():
    bare = context_of(None)
    codes = [
        {"payload": "https://example.org/shop", "first_s": 3.0, "last_s": 8.0},
        {"payload": "WIFI:T:WPA;S:x;P:\u001b[31mred;;", "first_s": 4.0, "last_s": 5.0},
    ]
    context = Context(facts=bare.facts, metadata=bare.metadata, signals={"qr": {"codes": codes}})
    summary = analyze(NAME, context).summary
    assert summary["qr_payloads"] == [code["payload"] for code in codes]
    assert [(c["type"], c["source"], c["t_s"], c["score"]) for c in summary["ctas"]] == [("visit_url", "qr", 3.0, 1.0)]


def test_a_long_sentence_with_a_call_scores_lower():
    long = "and then my uncle looked at me and said follow me " + "through the old town " * 6
    (call,) = [c for c in analyze(NAME, context_of(long)).summary["ctas"] if c["type"] == "follow"]
    assert call["score"] == 0.7


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Linkin bio", "link_in_bio"),
        ("Followfor more", "follow"),
        ("Savethis for later", "save"),
        ("commentPASTA for the recipe", "comment"),
    ],
)
def test_a_space_that_the_reader_lost_hides_no_call_in_the_picture(text, kind):
    assert kind in {match.type for match in search(MODEL, Passage(kind="ocr", text=text))}
    assert search(MODEL, Passage(kind="caption", text=text)) == []


def test_lost_spaces_make_no_calls_of_other_words():
    found = {text: search(MODEL, Passage(kind="ocr", text=text)) for text in (*NO_CALLS, *NOT_DISCLOSED)}
    assert {text: matches for text, matches in found.items() if matches} == {}


@pytest.mark.parametrize(("marked", "present"), [(True, True), (False, False), (None, False)])
def test_the_sites_own_mark_of_an_advertisement_is_a_disclosure(marked, present):
    disclosure = analyze(NAME, context_of("a quiet morning", is_ad=marked)).summary["disclosure"]
    assert disclosure == {"present": present, "evidence": [], "platform_flag": marked}


def test_a_marked_advertisement_without_words_is_told_all_the_same():
    assert analyze(NAME, context_of(None, is_ad=True)).summary["disclosure"]["present"] is True
    assert analyze(NAME, context_of(None, is_ad=False)).status == "skipped"


def skipped(analyzer, reason, segments=()):
    status = "skipped" if not segments else "ok"
    return Envelope(
        analyzer=analyzer, version="1", status=status, tier="lite", reason=reason, segments=list(segments)
    )  # fmt: skip


def voice(*spans):
    return skipped("vocal_delivery", None, [{"start_s": a, "end_s": b, "probability": 0.9} for a, b in spans])


MUTE, BLANK = skipped("speech_transcription", "no_speech"), skipped("on_screen_text", "no_text")
UNHEARD = skipped("speech_transcription", "model_missing")


def test_words_without_a_call_give_an_empty_result():
    envelope = analyze(NAME, context_of("a quiet morning by the lake", outputs=[MUTE, BLANK]))
    assert envelope.status == "ok"
    assert envelope.summary["ctas"] == []
    assert (envelope.summary["first_cta_s"], envelope.summary["last_quarter_cta"]) == (None, False)
    assert envelope.summary["unknown"] == {}


@pytest.mark.parametrize(
    ("outputs", "first", "late"),
    [
        ([UNHEARD, voice((3.0, 18.0)), BLANK], "model_missing", "model_missing"),
        ([UNHEARD, voice((3.0, 9.0)), BLANK], "model_missing", None),
        ([UNHEARD, BLANK], "model_missing", "model_missing"),
        ([BLANK], "no_sources", "no_sources"),
        ([MUTE], "no_sources", "no_sources"),
        ([MUTE, skipped("on_screen_text", "unsupported_script")], "unsupported_script", "unsupported_script"),
    ],
    ids=["voice", "voice before", "no voice known", "not transcribed", "not read", "other script"],
)
def test_that_nobody_calls_is_not_said_where_it_is_not_known(outputs, first, late):
    summary = analyze(NAME, context_of("a quiet morning", outputs=outputs, duration_s=20.0)).summary
    unknown = {"first_cta_s": first, "last_quarter_cta": late}
    assert summary["unknown"] == {name: why for name, why in unknown.items() if why}
    assert summary["first_cta_s"] is None
    assert summary["last_quarter_cta"] is (None if late else False)


def test_a_call_that_is_shown_at_the_end_is_one_whatever_is_said():
    context = context_of(ocr=[("LINK IN BIO", 17.0, 20.0)], outputs=[UNHEARD, voice((3.0, 18.0))], duration_s=20.0)
    summary = analyze(NAME, context).summary
    assert (summary["first_cta_s"], summary["last_quarter_cta"], summary["unknown"]) == (17.0, True, {})


def test_no_words_and_no_code_are_no_sources():
    envelope = analyze(NAME, context_of(None))
    assert (envelope.status, envelope.reason) == ("skipped", "no_sources")


def test_the_users_own_phrases_replace_the_shipped_ones_and_broken_ones_are_refused(tmp_path):
    own = tmp_path / "calls_to_action.toml"
    own.write_text("[follow]\nen = ['zorblax~me']\n")
    model = load(LoadContext(data_dir=tmp_path))
    assert [m.type for m in search(model, Passage(kind="caption", text="Zorblax me, follow me"))] == ["follow"]
    own.write_text("[follow]\nen = ['(unclosed']\n")
    with pytest.raises(ConfigError, match=r"calls_to_action\.toml"):
        load(LoadContext(data_dir=tmp_path))


def test_the_users_phrases_of_a_region_are_searched_like_those_of_its_language(tmp_path):
    """A region has the script of its language, and its negations where it names none."""
    (tmp_path / "calls_to_action.toml").write_text(
        "[follow]\nzh-Hant = ['追蹤我']\npt-BR = ['segue~a~gente']\n[negation]\npt = 'nunca'\n"
    )
    own = load(LoadContext(data_dir=tmp_path))
    told = [
        search(own, Passage(kind="caption", text=text)) for text in ("請追蹤我", "segue a gente", "nunca segue a gente")
    ]
    assert [[match.lang for match in found] for found in told] == [["zh-Hant"], ["pt-BR"], []]
