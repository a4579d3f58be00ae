"""Words that carry no topic, per language: a data file, the user's own where there is one. Computes nothing.

The features are the lists themselves, so that analyzers stay pure functions that touch no file.
"""

from collections.abc import Mapping, Sequence

from tiktokd import datafiles
from tiktokd.encoders._data_forms import languages
from tiktokd.errors import ConfigError
from tiktokd.plugins import Context, Encoder, LoadContext

Words = Mapping[str, frozenset[str]]
"""BCP-47 code → words in lower case."""
FILE = "stopwords.toml"


def load(context: LoadContext) -> Words:
    """Return the lists; raises `ConfigError` where the user's file has another form."""
    table, file = datafiles.read_toml(FILE, context.data_dir), datafiles.find(FILE, context.data_dir)
    languages(str(file), table)
    for code, words in table.items():
        if not isinstance(words, str) or not words.strip():
            raise ConfigError(f'{file}: {code} = "…" is one text of words with spaces between them')
    if not table:
        raise ConfigError(f'{file}: no language is in it; write en = "the a of …", or remove the file')
    return {code: frozenset(words.lower().split()) for code, words in table.items()}


def items(context: Context) -> list[str]:
    """Return one item: the lists are the same for every video."""
    return [context.metadata.description or ""]


def encode(model: Words, texts: Sequence[str]) -> list[Words]:
    """Return the lists, once per item."""
    return [model for _ in texts]


ENCODER = Encoder(
    name="stopwords",
    title="Words without a topic, per language (word lists)",
    input="text",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    gflop_per_item=0.0,
)
