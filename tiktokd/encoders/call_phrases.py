"""Calls to action and advertising notes in the words of a video, by phrase lists in 16 languages.

The lists are `data/calls_to_action.toml`, or the user's own. One `CallMatch` per kind and place, in reading order; a
call after a negation in the same clause is marked as negated, one after a reminder ("don't forget to") is not. In the
picture phrases are also found where the reader lost a space between their words ("Linkin bio"). A call may be all that
is said: alone, before an emoji or a hashtag, or on a line of its own. What somebody does is none ("i follow my dreams",
"they like and subscribe", "she wants to save this for later"): a pronoun before it says so, or "who".

Bad at: reported speech without a negation ("he said follow me"), people called by a noun ("my mother shares this
video", in languages whose verb is then the same), what is refused after the verb other than in Korean and Turkish,
lyrics, irony, calls in other words than those of the lists.
"""

from collections.abc import Sequence

from tiktokd.encoders._phrases import Phrases, search_all
from tiktokd.encoders._phrases import load as load_phrases
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.texts import CallMatch, Passage, blocks, passages

FILE = "calls_to_action.toml"


def load(context: LoadContext) -> Phrases:
    """Return the lists; raises `ConfigError` where the user's file has another form."""
    return load_phrases(FILE, context, glued=True)


def items(context: Context) -> list[Passage]:
    """Return the caption, the blocks of lines in the picture and the spoken sentences; one empty text where there are
    none, so that "nothing was found" and "the list is broken" stay apart."""
    return blocks(passages(context), joint="\n") or [Passage(kind="caption", text="")]


def encode(model: Phrases, found: Sequence[Passage]) -> list[list[CallMatch]]:
    """Return the calls of each passage, and those that are negated."""
    return [search_all(model, passage) for passage in found]


def collect(_context: Context, results: Sequence[list[CallMatch]]) -> list[CallMatch]:
    """Return the calls of the whole video."""
    return [match for found in results for match in found]


ENCODER = Encoder(
    name="call_phrases",
    title="Calls to action and advertising notes in the words of a video (phrase lists)",
    input="text",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    collect=collect,
    gflop_per_item=0.0,
)
