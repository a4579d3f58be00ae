"""Letters in fancy dress made plain, so that lists, models and people read the same words. Pure.

Captions write 𝓛𝓲𝓷𝓴, Ｌｉｎｋ or Ⓛⓘⓝⓚ for "Link", and some devices write é as e and an accent; no word list and no model
knows either. Emoji, signs and all other letters stay as they are.
Source: Unicode Standard Annex 15 (NFC) and the compatibility mappings of UnicodeData.txt.
"""

import unicodedata

_MATHEMATICAL, _CIRCLED, _SQUARED = range(0x1D400, 0x1D800), range(0x24B6, 0x24EA), range(0x1F130, 0x1F14A)
_FULL_WIDTH = (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
_LETTERLIKE = map(ord, "ℂℊℋℌℍℎℐℑℒℕℙℚℛℜℝℤℨℬℭℯℰℱℳℴ")
"""Where the mathematical alphabets have gaps."""
_EMOJI = frozenset({0x24C2})
_DRESSED = {
    code: plain
    for code in (*_MATHEMATICAL, *_CIRCLED, *_SQUARED, *_FULL_WIDTH, *_LETTERLIKE)
    if len(plain := unicodedata.normalize("NFKC", chr(code))) == 1 and plain.isalnum() and code not in _EMOJI
}


def undressed(text: str) -> str:
    """Return the text with composed accents, and letters and digits of other shapes as the usual ones."""
    return unicodedata.normalize("NFC", text).translate(_DRESSED)
