"""Finds what could identify or reach a person, and what swindlers write. Pure; the finds leave this file masked only.

Checksums: Luhn (ISO/IEC 7812-1 annex B), IBAN (ISO 13616, ISO 7064 mod 97-10); phone numbers by the shape of ITU-T
E.164.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tiktokd.analyzers._parsing import EMAIL, URL, masked_email, trimmed
from tiktokd.text_features import PrivateSpan

PiiType = Literal[
    "email", "phone", "credit_card", "iban", "address", "person", "date", "url", "account", "secret", "other"
]
"""Those from `person` on are found by a model alone."""
KINDS: Mapping[str, PiiType] = {
    "private_person": "person", "private_email": "email", "private_phone": "phone", "private_address": "address",
    "private_date": "date", "private_url": "url", "account_number": "account", "secret": "secret",
}  # fmt: skip
"""Name in a checkpoint → our name."""
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24,
    "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "XK": 20,
}  # fmt: skip
"""Country → characters (SWIFT IBAN registry)."""
CARD_LENGTHS = range(13, 20)
"""Digits of a payment card number (ISO/IEC 7812-1)."""
PHONE_DIGITS = range(8, 16)
"""E.164 allows up to 15 digits; shorter ones are prices, years and counts."""
SHORTENERS = frozenset({
    "bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "buff.ly", "cutt.ly", "rb.gy", "rebrand.ly",
    "shorturl.at", "t.ly", "tiny.cc", "v.gd", "bl.ink", "s.id", "lnkd.in", "adf.ly", "shorte.st", "soo.gd", "clck.ru",
    "u.to", "qr.ae", "urlz.fr", "b.link", "kutt.it", "t.cn", "dwz.cn", "url.cn", "me2.do", "han.gl", "bityl.co",
})  # fmt: skip
"""They hide where a link leads; linktr.ee and the like show a page first and are not here."""

_CARD = re.compile(r"(?<![\w.+-])\d(?:[ -]?\d){12,18}(?![\w-])")
_IBAN = re.compile(
    "|".join(rf"(?<!\w){code}\d\d(?: ?[A-Z0-9]){{{length - 4}}}(?!\w)" for code, length in IBAN_LENGTHS.items()),
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![\w.,$€£+-])(?:(?:\+|00)\d{1,3}[\s./-]?)?(?:\(\d{1,5}\)[\s./-]?)?\d{1,5}(?:[\s./-]?\d{2,5}){1,5}(?![\w,$€£%])"
)
_NUMBER = (
    "(?:(?:telefon|handy|mobil|ruf)?nummer|number|numéro|número|numero|numara(?:m|sı)?|numer|номер|रقم|nomor|नंबर|رقم|"
    "番号|번호|号码|號碼|号|號)"
)
"""Words for any number: what stands before them says of what."""
_CALL = (
    "(?:call|text|phone|whats\\s?app|tel|mobile|cell|telegram|signal|viber|anruf|ruf|handy|appelle|llama|teléfono|ligue|"
    "telefone|telefon|chiama|ara|zadzwoń|звони|тел|اتصل|واتس|कॉल|hubungi|wa|gọi|số|電話|전화|电话|微信|加我)"
)
"""Words that only a number to call follows."""
_COPULA = r"(?:\s+(?:is|ist|est|es|é|è|to|at|me|us|al|au|auf|unter|по))*"
_PHONE_CUE = re.compile(rf"(?i)(?<![A-Za-zÀ-ÿ])(?:{_NUMBER}|(?P<call>{_CALL}))(?:mi|me|us|s)?{_COPULA}\W{{0,12}}$")
_OF_THINGS = re.compile(
    r"(?i)(?:(?<![^\W_])(?:orders?|tracking|parcel|shipment|account|invoice|receipt|ticket|booking|case|serial|model|part|"
    r"ref(?:erence)?|customer|item|product|article|sku|lot|batch|isbn|ean|barcode|bestellung|bestell|auftrags?|rechnungs?|"
    r"kunden|sendungs|artikel|serien|konto|commande|colis|facture|pedido|factura|cuenta|encomenda|fatura|conta|ordine|"
    r"fattura|conto|sipariş|kargo|hesap|zamówieni\w*|faktur\w*|konta|заказ\w*|сч[её]т\w*|طلب|الطلب|ऑर्डर|pesanan|resi|"
    r"đơn(?:\s+hàng)?)|订单|訂單|运单|運單|快递|注文|주문|송장)"
    rf"[\s#:.-]{{0,3}}(?:id|no|nr|num|n[°º]|{_NUMBER})?{_COPULA}\W{{0,6}}$"
)
"""An order, a parcel, an account has a number that calls nobody."""
NATIONAL_DIGITS = 12
"""A number without + is not longer, unless a word says that it can be called: the 15 digits of E.164 have a country
code in them, and what is bought has longer numbers (13 digits: EAN, ISBN, orders)."""
_NANP = re.compile(r"(?:\([2-9]\d\d\) ?|[2-9]\d\d[.-])[2-9]\d\d[.-]\d{4}")
"""415-555-2671: North American numbers are written in these groups, and little else is."""
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}")
_ADDRESS = re.compile(
    r"(?:\b\d{1,5}[a-z]?\s+(?:[A-Z][\w'.-]+\s+){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|"
    r"Court|Ct|Square|Terrace|Way)\b\.?"
    r"|\b[A-ZÄÖÜ][\wäöüß.-]*(?:straße|strasse|str\.|weg|platz|allee|gasse)\s+\d{1,4}[a-z]?\b"
    r"|\b\d{1,4}\s*,?\s+(?:rue|avenue|boulevard|place|impasse)\s+(?:d[eu]s?\s+|de\s+la\s+)?[A-ZÉÈ][\wéèêàç'-]+"
    r"|\b(?:Calle|Avenida|Rua|Via|Viale|ul\.|улица|ул\.)\s+(?:\w+\s+){0,2}[A-ZÁÉÍÓÚА-Я][\w'-]+,?\s+(?:n[.º°]?\s*)?\d{1,4}\b)"
)
_AT = re.compile(r"\s{0,3}[\[({]\s{0,3}(?:at|ät)\s{0,3}[\])}]\s{0,3}", re.I)
_DOT = re.compile(r"\s{0,3}[\[({]\s{0,3}dot\s{0,3}[\])}]\s{0,3}", re.I)
"""jane (at) example [dot] org: spelled for people, not for collectors."""
_LAST_WORD, _SPELLED_DOMAIN = re.compile(r"[\w.+-]+$"), re.compile(rf"[\w-]{{1,63}}(?:{_DOT.pattern})", re.I)
_BEFORE_AT = frozenset({
    "a", "all", "also", "and", "are", "arrive", "arrived", "available", "be", "been", "everything", "exclusively",
    "find", "found", "get", "got", "he", "her", "here", "him", "is", "it", "laugh", "laughing", "look", "looked",
    "looking", "looks", "now", "off", "on", "only", "or", "out", "see", "she", "sold", "stare", "staring", "that",
    "them", "there", "these", "they", "this", "those", "up", "us", "was", "we", "were", "working", "you",
})  # fmt: skip
"""English words that "at" follows in a sentence, without the usual names of mailboxes (shop, order, work, me)."""
_SCAMS = {
    "guaranteed_money": r"(?:guaranteed|risk[- ]free)\s+(?:profits?|returns?|income)|(?:earn|make)\s+\$?\d[\d,.]*k?\s+(?:a|per|every)\s+(?:day|week|hour)\s+(?:from\s+home|easily|guaranteed)|double\s+your\s+(?:money|bitcoin|crypto)|garantiert\w*\s+(?:gewinn|verdienst)\w*|guadagn\w+\s+garantit\w+|gwarantowan\w+\s+(?:zysk|doch[óo]d)\w*|garantili\s+(?:kazanç|gelir)|гарантированн\w+\s+(?:доход|прибыл|заработ)\w*|ganancias?\s+garantizadas?|gains?\s+garantis?|lucro\s+garantido",  # noqa: E501
    "investment": r"(?:invest|deposit|send)\s+(?:only\s+|just\s+)?[$€£]?\d[\d,.]*\s*(?:and|to|,)\s+(?:get|receive|earn|make)\s+[$€£]?\d|(?:forex|crypto|bitcoin|trading)\s+(?:signals?\s+)?(?:dm|inbox|message|text)\s+me|(?:dm|message|text|inbox)\s+me\s+(?:to|for)\s+(?:invest|forex|crypto|bitcoin|trading)",  # noqa: E501
    "giveaway": r"(?:you(?:'ve|\s+have)\s+(?:been\s+(?:selected|chosen)|won)|claim\s+your\s+(?:prize|reward|gift\s?card)|free\s+(?:iphone|ps5|robux|v-?bucks|gift\s?cards?)\b)",  # noqa: E501
    "move_away": r"(?:message|text|add|contact|write|hit)\s+(?:me\s+)?(?:up\s+)?(?:on|via|at)\s+(?:whatsapp|telegram|signal|wechat|line|kik)|(?:whatsapp|telegram)\s*(?:me|:|\+)",  # noqa: E501
    "account_danger": r"(?:verify|confirm|update)\s+your\s+(?:account|bank|password|card|identity)\s+(?:now|here|immediately|details)|your\s+account\s+(?:will\s+be|has\s+been)\s+(?:suspended|locked|closed)",  # noqa: E501
    "followers_for_sale": r"(?:buy|get|gain)\s+(?:\d[\d,.]*k?\s+)?(?:free\s+)?(?:real\s+)?(?:followers|likes|views)\s+(?:cheap|instantly|fast|now|for\s+(?:free|\$))|free\s+followers",  # noqa: E501
    "solicitation": r"(?:only\s?fans|fansly)\s*(?:link|in\s+(?:my\s+)?bio|free|\.com)|(?:sugar\s*(?:daddy|mommy|baby))\s+(?:needed|wanted|looking|here|dm)|(?:nudes?|spicy\s+(?:pics?|content))\s+(?:dm|in\s+(?:my\s+)?bio|for\s+sale)",  # noqa: E501
}
"""Kind of scam or solicitation → pattern."""
_SCAM_PATTERNS = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _SCAMS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One piece of private data, masked."""

    type: PiiType
    masked: str
    """Enough to see what it is, not enough to use it."""


def private_data(text: str) -> list[Found]:
    """Return e-mail addresses, card numbers, IBANs, phone numbers and street addresses, masked, each place once."""
    found: list[Found] = []
    text = _DOT.sub(".", _AT.sub(_at_sign, text))
    for kind, pattern in (("email", EMAIL), ("iban", _IBAN), ("credit_card", _CARD), ("address", _ADDRESS)):
        text = pattern.sub(lambda m, kind=kind: _take(kind, m.group(), found), text)  # type: ignore[misc]
    return found + list(_phones(text))


def _at_sign(match: re.Match[str]) -> str:
    """Return @ for a spelled one, and a preposition as it is: look (at) this.com, but look (at) this (dot) com."""
    start, end = match.span()
    before = _LAST_WORD.search(match.string[max(start - 32, 0) : start])
    apart = match.group()[0].isspace() and before is not None and before.group().lower() in _BEFORE_AT
    return match.group() if apart and not _SPELLED_DOMAIN.match(match.string, end) else "@"


def told(text: str, spans: Iterable[PrivateSpan]) -> list[Found]:
    """Return what a model calls private in a text, masked, without what the shapes found in the same text.

    A stretch in which the shapes see something is named by them: they check sums and keep the last digits.
    """
    known = private_data(text)
    found: list[Found] = []
    for span in spans:
        inside = text[span.start : span.end]
        kind = KINDS.get(span.type, "other")
        by_shape = private_data(inside)
        found += [one for one in by_shape or [Found(type=kind, masked=_hidden(kind, inside))] if one not in known]
    return found


def _hidden(kind: PiiType, text: str) -> str:
    """Return the mask of free text: of a name the first letter, of a phone number two digits, of all else nothing."""
    digits = re.sub(r"\D", "", text)
    if kind == "phone" and len(digits) >= PHONE_DIGITS.start:
        return f"***{digits[-2:]}"
    return f"{text[:1]}***" if kind == "person" and len(text) > 1 else "***"


def scams(text: str) -> list[str]:
    """Return the kinds of scam or solicitation whose wording a text uses."""
    return [kind for kind, pattern in _SCAM_PATTERNS.items() if pattern.search(text)]


def shorteners(text: str) -> list[str]:
    """Return the hosts of shortened links in a text."""
    links = (trimmed(match.group()).lower() for match in URL.finditer(text))
    hosts = (re.split("[/?#]", re.sub(r"^(?:https?://)?(?:www\.)?", "", link))[0] for link in links)
    return [host for host in hosts if host in SHORTENERS]


def luhn(digits: str) -> bool:
    """Return whether the last digit checks the others (ISO/IEC 7812-1)."""
    doubled = (int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def iban(text: str) -> bool:
    """Return whether a text without spaces is an IBAN: country, length and checksum."""
    if IBAN_LENGTHS.get(text[:2]) != len(text) or not text.isalnum() or not text.isascii():
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def _take(kind: PiiType, text: str, found: list[Found]) -> str:
    """Note what is private and blank it, so that its digits are no phone number too; leave the rest as it is."""
    masked = _masked(kind, text)
    if masked is None:
        return " | " if kind == "iban" else text  # a mistyped IBAN is no card number either
    found.append(Found(type=kind, masked=masked))
    return " | "


def _masked(kind: PiiType, text: str) -> str | None:
    if kind == "email":
        return masked_email(text)
    if kind == "address":
        return re.sub(r"\d", "*", text[:1]) + "***"
    plain = re.sub(r"[ -]", "", text).upper()
    if kind == "iban":
        return f"{plain[:2]}** **** {plain[-2:]}" if iban(plain) else None
    several = len(set(plain)) > 1  # 0000 0000 0000 0000 checks, and is nobody's
    return f"**** {plain[-4:]}" if len(plain) in CARD_LENGTHS and several and luhn(plain) else None


def _phones(text: str) -> Iterator[Found]:
    for match in _PHONE.finditer(text):
        number = match.group()
        digits = re.sub(r"\D", "", number)
        international = number.startswith(("+", "00"))
        before = text[max(match.start() - 32, 0) : match.start()]
        cue = _PHONE_CUE.search(before)
        grouped = number.startswith(("0", "(")) and len(digits) >= 10
        called = cue is not None and (cue["call"] is not None or len(digits) <= NATIONAL_DIGITS)
        ours = called or grouped or _NANP.fullmatch(number)
        usual = international or (ours and not _OF_THINGS.search(before))
        if usual and len(digits) in PHONE_DIGITS and not _DATE.fullmatch(number):
            yield Found(type="phone", masked=f"{number[:3] if international else ''}***{digits[-2:]}")
