"""What kind of opening words make, by phrase lists in 16 languages (`data/hooks.toml`, or the user's own).

One `CallMatch` per kind and place. Bad at: irony, openings in other words than those of the lists.
"""

from collections.abc import Sequence

from tiktokd.encoders._phrases import Phrases, search
from tiktokd.encoders._phrases import load as load_phrases
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.texts import CallMatch, Passage, blocks, opening, passages

FILE = "hooks.toml"


def load(context: LoadContext) -> Phrases:
    """Return the lists; raises `ConfigError` where the user's file has another form."""
    return load_phrases(FILE, context, also=("number_list",))


def items(context: Context) -> list[Passage]:
    """Return what is shown and said in the opening; one empty text where there is nothing."""
    return blocks(opening(passages(context))) or [Passage(kind="caption", text="")]


def encode(model: Phrases, found: Sequence[Passage]) -> list[list[CallMatch]]:
    """Return the kinds of opening of each passage."""
    return [search(model, passage) for passage in found]


def collect(_context: Context, results: Sequence[list[CallMatch]]) -> list[CallMatch]:
    """Return the kinds of opening of the whole video."""
    return [match for found in results for match in found]


ENCODER = Encoder(
    name="hook_phrases",
    title="Kinds of opening in the words of the first three seconds (phrase lists)",
    input="text",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    collect=collect,
    after=("on_screen_text", "speech_transcription"),
    gflop_per_item=0.0,
)
