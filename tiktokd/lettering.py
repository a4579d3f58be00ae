"""Letters as people read them: styled ones made plain, invisible ones taken out. Knows no word and no language.

Captions are written in mathematical, full-width or circled letters for looks, and with invisible characters inside
words to get past filters; some devices write é as e and an accent. All hide words from every list and model.
Source: Unicode Standard Annex 15 (NFC) and the compatibility mappings of UnicodeData.txt.
"""

import re
import unicodedata

_STYLED = (
    (0x1D400, 0x1D7FF),
    (0xFF10, 0xFF19),
    (0xFF21, 0xFF3A),
    (0xFF41, 0xFF5A),
    (0x24B6, 0x24E9),
    (0x1F130, 0x1F149),
    (0x2102, 0x2134),
)
"""Mathematical, full-width digits and letters, circled, squared; the letterlike symbols fill gaps of the first."""
_NEGATIVE = {0x1F150: 26, 0x1F170: 26}
"""White on black: A..Z from here on, without a decomposition in Unicode; those that are emoji stay."""
_EMOJI = frozenset("🅰🅱🅾🅿Ⓜ")


def _plain() -> dict[int, str]:
    """Return styled letter → ASCII letter or digit."""
    found = {
        number: plain
        for first, last in _STYLED
        for number in range(first, last + 1)
        if len(plain := unicodedata.normalize("NFKC", chr(number))) == 1 and plain.isascii() and plain.isalnum()
    }
    found |= {start + i: chr(ord("A") + i) for start, count in _NEGATIVE.items() for i in range(count)}
    return {number: plain for number, plain in found.items() if chr(number) not in _EMOJI}


_PLAIN = _plain()
_WITHOUT_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese, Khmer."""
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    f"|(?<![{_WITHOUT_SPACES}])\u200b|\u200b(?![{_WITHOUT_SPACES}])"
    "|(?<=[A-Za-z])[\u200c\u200d]+(?=[A-Za-z])"
)
"""Soft hyphens, zero-width spaces, marks of direction; joiners between Latin letters, which other scripts need. Between
letters of scripts without spaces the zero-width one is what parts the words (Unicode Standard, 23.2)."""
_ARABIC_ORNAMENT = re.compile("[\u0640\u064b-\u0652\u0670]")
"""The line that stretches words, and vowel marks: no caption is told apart by them."""


def plain(text: str) -> str:
    """Return the text with plain letters, composed accents and nothing invisible; emoji, other scripts, signs stay."""
    if text.isascii():
        return text
    # Composed at last: an accent stays apart from a styled letter, and from one with something invisible between.
    bare = _ARABIC_ORNAMENT.sub("", _INVISIBLE.sub("", text.translate(_PLAIN)))
    return unicodedata.normalize("NFC", bare)
