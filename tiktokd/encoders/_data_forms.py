"""What the entries of a data file must be like: known keys, known languages, texts that say something.

Every refusal names the file, the entry and what to write instead. Knows no single file.
"""

from collections.abc import Collection, Iterable
from typing import Any

from tiktokd.errors import ConfigError
from tiktokd.likeness import meant

LANGUAGES = frozenset({
    "af", "als", "am", "an", "ar", "arz", "as", "ast", "av", "az", "azb", "ba", "bar", "bcl", "be", "bg",
    "bh", "bn", "bo", "bpy", "br", "bs", "bxr", "ca", "cbk", "ce", "ceb", "ckb", "co", "cs", "cv", "cy",
    "da", "de", "diq", "dsb", "dty", "dv", "el", "eml", "en", "eo", "es", "et", "eu", "fa", "fi", "fr",
    "frr", "fy", "ga", "gd", "gl", "gn", "gom", "gu", "gv", "he", "hi", "hif", "hr", "hsb", "ht", "hu",
    "hy", "ia", "id", "ie", "ilo", "io", "is", "it", "ja", "jbo", "jv", "ka", "kk", "km", "kn", "ko",
    "krc", "ku", "kv", "kw", "ky", "la", "lb", "lez", "li", "lmo", "lo", "lrc", "lt", "lv", "mai", "mg",
    "mhr", "min", "mk", "ml", "mn", "mr", "mrj", "ms", "mt", "mwl", "my", "myv", "mzn", "nah", "nap", "nds",
    "ne", "new", "nl", "nn", "no", "oc", "or", "os", "pa", "pam", "pfl", "pl", "pms", "pnb", "ps", "pt",
    "qu", "rm", "ro", "ru", "rue", "sa", "sah", "sc", "scn", "sco", "sd", "sh", "si", "sk", "sl", "so",
    "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr", "tt", "tyv", "ug", "uk",
    "ur", "uz", "vec", "vep", "vi", "vls", "vo", "wa", "war", "wuu", "xal", "xmf", "yi", "yo", "yue", "zh",
    "fil", "fo", "ha", "haw", "jw", "ln", "mi", "sn",
})  # fmt: skip
"""Codes that recognition gives: fastText's lid.176, which a test compares, and at the end what only Whisper knows."""


def known(where: str, found: Iterable[str], able: Collection[str], *, what: str = "key") -> None:
    """Refuse the first of `found` that nothing reads, with the nearest of `able`, or all where none is near."""
    for name in found:
        if name not in able:
            raise ConfigError(f'{where}: nothing reads the {what} "{name}"; {meant(name, sorted(able))}')


def languages(where: str, codes: Iterable[str], *, regions: bool = False) -> None:
    """Refuse a code that no recognition gives: words under it would not be used, or be told of by another name.

    Args:
        regions: a region or script may stand behind it, as in pt-BR and zh-Hant (BCP 47).
    """
    for code in codes:
        if (base_of(code) if regions else code) not in LANGUAGES:
            base = base_of(code.replace("_", "-").lower())
            instead = f"write {base}" if base in LANGUAGES else "write it as in ISO 639-1: en, de, pt"
            raise ConfigError(f'{where}: "{code}" is the code of no language; {instead}')


def base_of(code: str) -> str:
    """Return the language of a code with a region or script."""
    return code.partition("-")[0]


def texts(where: str, value: Any, form: str) -> list[str]:
    """Return a list of texts; `form` shows one.

    Raises:
        ConfigError: it is none, it is empty, or an entry is no text or holds nothing but white space.
    """
    if not isinstance(value, list):
        raise ConfigError(f"{where}: {value!r} is no list of texts; write {form}")
    if not value:
        raise ConfigError(f"{where}: the list of texts is empty; leave it out, or write {form}")
    for number, one in enumerate(value, start=1):
        if not isinstance(one, str) or not one.strip():
            raise ConfigError(f"{where}: entry {number} of the list of texts, {one!r}, is none; write {form}")
    return value
