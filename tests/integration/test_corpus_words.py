"""From a caption and a clip to its standing in the corpus: real encoders with tiny weights, real rows."""

import pytest

from tests import tiny_models
from tests.contexts import odd_clips
from tests.corpus_fixtures import WORDS, Library
from tests.store_fixtures import queue as queue  # noqa: PLC0414  a fixture
from tiktokd.model import Metadata
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner
from tiktokd.scheduler import corpus_semantic
from tiktokd.scheduler.corpus_latest import VIDEOS_MIN


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    tiny_models.write("siglip2", models)
    return Runner(LoadContext(models_dir=models, threads=1))


async def test_a_caption_is_judged_by_the_captions_of_the_users_other_videos(queue, tmp_path, runner):
    library = Library(tmp_path, queue)
    clip, arrays = odd_clips()["square"]
    seen = Context(facts=clip.facts, arrays=arrays)
    first = runner.level1([WORDS], "gpu", seen, lambda _name: None)
    meaning = corpus_semantic.read(first.signals)
    assert len(meaning.frames) > 1
    found = []
    for number in range(VIDEOS_MIN + 1):
        about = Metadata(description=f"w{20 + number} w{21 + number} w{22 + number}")
        later = Context(facts=clip.facts, metadata=about, outputs=first.outputs, signals=first.signals)
        second = runner.level2([WORDS], later, lambda _name: None)
        assert second.outputs[WORDS].summary["missing"]["visual_text_z"] == "corpus_unavailable"
        claim = library.claim(f"v{number}", about)
        assert await library.complete(claim, first.outputs | second.outputs, first.signals | second.signals)
        found.append(library.stored(f"v{number}")[WORDS])
    assert [each["missing"]["visual_text_z"] for each in found[:-1]] == [
        f"corpus too small: {number} of {VIDEOS_MIN} videos" for number in range(VIDEOS_MIN)
    ]
    assert found[-1]["visual_text_z"] is not None
    assert found[-1]["visual_text_shipped_z"] is not None
    library.corpus.close()
