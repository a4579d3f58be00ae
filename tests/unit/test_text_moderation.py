"""Private data by shape and checksum, never stored in full; wording of scams; hidden links and spellings."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.written import analyze, context_of
from tiktokd.analyzers._private_data import IBAN_LENGTHS, iban, luhn, private_data, scams, shorteners
from tiktokd.analyzers.text_moderation import _scores
from tiktokd.encoders.algospeak import encode, load
from tiktokd.plugins import LoadContext
from tiktokd.text_features import TextScores

NAME = "text_moderation"
CARDS = ("4111111111111111", "5500005555555559", "378282246310005", "6011000990139424", "30569309025904")
"""Numbers that payment networks publish for tests."""
IBANS = ("DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606", "NL91ABNA0417164300")
"""Examples of the IBAN registry."""


@pytest.mark.parametrize("number", CARDS)
def test_each_wrong_digit_of_a_card_number_fails_the_luhn_check(number):
    assert luhn(number)
    for place, digit in enumerate(number):
        wrong = number[:place] + str((int(digit) + 1) % 10) + number[place + 1 :]
        assert not luhn(wrong)


@pytest.mark.parametrize("text", IBANS)
def test_each_wrong_digit_of_an_iban_fails_its_checksum(text):
    assert iban(text)
    for place in range(4, len(text)):
        if text[place].isdigit():
            wrong = text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
            assert not iban(wrong)
    assert not iban(text[:-1])


@given(st.sampled_from(sorted(IBAN_LENGTHS)), st.integers(min_value=0))
def test_an_iban_made_by_the_rule_passes(country, number):
    body = str(number).zfill(IBAN_LENGTHS[country] - 4)[-(IBAN_LENGTHS[country] - 4) :]
    rest = int("".join(str(int(c, 36)) for c in f"{body}{country}00")) % 97
    assert iban(f"{country}{98 - rest:02d}{body}")


FOUND = [
    ("mail jane.doe@example.org", ["email"]),
    ("card 4111 1111 1111 1111 exp 12/27", ["credit_card"]),
    ("card 4111-1111-1111-1112", []),
    ("DE89 3704 0044 0532 0130 00 danke", ["iban"]),
    ("DE89 3704 0044 0532 0130 01", []),
    ("call me +49 170 1234567", ["phone"]),
    ("whatsapp 0170 1234567", ["phone"]),
    ("(212) 555-0142 for bookings", ["phone"]),
    ("+1 212 555 0142", ["phone"]),
    ("my number is 415-555-2671", ["phone"]),
    ("415.555.2671", ["phone"]),
    ("mein Handy ist 0171 2345678", ["phone"]),
    ("chiamami al 340 123 4567", ["phone"]),
    ("scores of 212 300 4000 in three rounds", []),
    ("isbn 978-3-16-148410-0", []),
    ("ip 192.168.100.200", []),
    ("lat 52.5200 lon 13.4050", []),
    ("電話 03-1234-5678", ["phone"]),
    ("only $1,299.99 today", []),
    ("12.05.2026 at 18:30", []),
    ("1 000 000 views in 24 hours", []),
    ("score 21:19 in 2026", []),
    ("part 1/2 of 10", []),
    ("I live at 221 Baker Street", ["address"]),
    ("Hauptstraße 12, Berlin", ["address"]),
    ("12 rue de Rivoli", ["address"]),
    ("street food tour", []),
    ("jane (at) example [dot] org", ["email"]),
    ("jane (at) example.org", ["email"]),
    ("jane(at)example.org", ["email"]),
    ("mail me: JANE.DOE [AT] example.org", ["email"]),
    ("look (dot) here (at) example (dot) org", ["email"]),
    ("look (at) example (dot) org", ["email"]),
    ("look(at)example.org", ["email"]),
    ("our shop (at) example.org", ["email"]),
    ("order (at) example.org", ["email"]),
    ("look (at) this.com", []),
    ("20% off (at) example.org", []),
    ("Everything is available [at] example.org", []),
    ("LOOK (AT) EXAMPLE.ORG", []),
    ("meet (at) the station", []),
    ("0000 0000 0000 0000", []),
    ("order number 1234567890123", []),
    ("my order number is 4812345678901", []),
    ("number 4812345678901", []),
    ("order no. 0123456789012", []),
    ("tracking number: 415-555-2671", []),
    ("Bestellnummer 1234567890123", []),
    ("Rechnungsnummer 0123456789", []),
    ("pedido número 12345678901", []),
    ("sipariş numarası 12345678901", []),
    ("заказ номер 12345678901", []),
    ("订单号 1234567890123", []),
    ("注文番号 1234567890123", []),
    ("주문번호 12345678901", []),
    ("hotel 12345678 rooms", []),
    ("order by phone 0170 1234567", ["phone"]),
    ("order number +49 170 1234567", ["phone"]),
    ("whatsapp 6281234567890", ["phone"]),
    ("my number is 12345678901", ["phone"]),
    ("Telefonnummer 01701234567", ["phone"]),
    ("Handynummer: 0171 2345678", ["phone"]),
    ("电话号码 13812345678", ["phone"]),
    ("전화번호 010-1234-5678", ["phone"]),
    ("номер 89161234567", ["phone"]),
]


@pytest.mark.parametrize(("text", "types"), FOUND)
def test_private_data_are_told_from_prices_dates_and_counts(text, types):
    assert [found.type for found in private_data(text)] == types


@settings(max_examples=40)  # the first call loads the word lists
@given(
    st.sampled_from(["caption", "ocr", "speech"]),
    st.sampled_from(
        [
            ("write to jane.doe@example.org please", "jane.doe"),
            ("my card is 4111 1111 1111 1111 ok", "4111 1111"),
            ("IBAN DE89370400440532013000 thanks", "37040044"),
            ("call +49 170 7654321 now", "170 7654321"),
            ("visit 221 Baker Street today", "Baker"),
        ]
    ),
    st.text(st.characters(categories=("L", "Zs")), max_size=20),
)
def test_private_data_never_leave_in_full(kind, row, around):
    text, secret = f"{around} {row[0]} {around}", row[1]
    context = {
        "caption": lambda: context_of(text),
        "ocr": lambda: context_of(ocr=[(text, 1.0, 2.0)]),
        "speech": lambda: context_of(speech=[(text, 1.0, 2.0)]),
    }[kind]()
    envelope = analyze(NAME, context)
    assert envelope.status == "ok"
    assert envelope.summary["pii"]
    assert envelope.summary["needs_review"] is True
    assert secret not in json.dumps(envelope.model_dump(mode="json"), ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("earn $500 per day from home", "guaranteed_money"),
        ("Guaranteed profits, DM me", "guaranteed_money"),
        ("verdiene garantierten Gewinn", "guaranteed_money"),
        ("гарантированный доход каждый день", "guaranteed_money"),
        ("send $100 and get $1000", "investment"),
        ("message me on WhatsApp for signals", "move_away"),
        ("claim your prize now", "giveaway"),
        ("verify your account now or lose it", "account_danger"),
        ("buy 10k followers cheap", "followers_for_sale"),
    ],
)
def test_wording_of_scams_is_noticed(text, kind):
    assert kind in scams(text)


@pytest.mark.parametrize(
    "text", ["I earn my living as a baker", "my account of the trip", "free shipping", "investing explained", "I won!"]
)
def test_everyday_wording_is_no_scam(text):
    assert scams(text) == []


def test_shortened_links_are_named_by_host_only():
    assert shorteners("see https://bit.ly/3xyz and example.com/bit.ly and tinyurl.com/abc") == ["bit.ly", "tinyurl.com"]


def test_spellings_that_hide_are_made_plain_and_everyday_words_stay():
    plain = encode(load(LoadContext()), ["They unalived him, f*ck! seggs ed", "corn on the cob, mascara and grapes"])
    assert plain[0] == ("They killed him, fuck! sex ed", ("unalived", "f*ck", "seggs"))
    assert plain[1] == ("corn on the cob, mascara and grapes", ())


def test_a_spelling_alone_is_told_but_asks_for_no_review():
    summary = analyze(NAME, context_of("seggs education matters")).summary
    assert [s["type"] for s in summary["suspicions"]] == ["hidden_spelling"]
    assert summary["needs_review"] is False


def test_without_the_model_there_is_no_score():
    envelope = analyze(NAME, context_of("a harmless caption"))
    assert (envelope.tier, envelope.summary["scores"], envelope.summary["needs_review"]) == ("lite", None, False)


def test_the_highest_score_of_any_stretch_counts():
    found = TextScores(
        labels=("toxicity", "severe_toxicity", "insult", "something_else"),
        scores={"a": np.array([0.2, 0.7, 0.1, 1.0], np.float32), "b": np.array([0.4, 0.1, 0.3, 1.0], np.float32)},
    )
    scores = _scores(found)
    assert scores is not None
    assert (scores.toxicity, scores.insult, scores.threat) == (0.7, 0.3, None)


def test_no_words_are_no_sources():
    envelope = analyze(NAME, context_of(None))
    assert (envelope.status, envelope.reason) == ("skipped", "no_sources")
