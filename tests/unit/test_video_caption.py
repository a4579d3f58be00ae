"""What a vision-language model wrote, read with care."""

import pytest

from tests.contexts import facts
from tiktokd.analyzers import video_caption
from tiktokd.encoders import captioner
from tiktokd.pictures import WrittenCaption
from tiktokd.plugins import Context


def caption(raw, prompt="p"):
    features = {"captioner": WrittenCaption(raw=raw, prompt=prompt)}
    return video_caption.analyze(Context(facts=facts(duration_s=3, frames=3, audio=False), features=features))


def test_json_is_read_wherever_it_stands():
    found = caption('Sure! {"caption": "A man climbs.", "title": "Climbing", "tags": ["Sport", "#wall", "sport"]} ok')
    assert found.status == "ok"
    assert found.output.caption == "A man climbs."
    assert found.output.tags == ["sport", "wall"]


def test_without_json_the_first_sentence_is_taken_and_said_so():
    found = caption("A man climbs a wall. Then he falls. Then")
    assert (found.status, found.reason, found.output.caption) == ("partial", "low_quality", "A man climbs a wall.")
    assert found.output.title is None


@pytest.mark.parametrize("raw", ["", "   ", '{"caption": 3}'.replace("3", '""'), "{" * 5000])
def test_nothing_to_read_never_raises(raw):
    assert caption(raw).status in ("skipped", "partial")


def test_a_loop_does_not_fill_the_database():
    found = caption('{"caption": "' + "very " * 2000 + '", "title": null, "tags": ["' + "x" * 500 + '"]}')
    assert len(found.output.caption) <= 300
    assert len(found.output.tags[0]) <= 30


def test_the_example_of_the_prompt_is_no_description():
    example = captioner.PROMPT[captioner.PROMPT.index("{") :]
    echoed = caption(example, captioner.PROMPT)
    assert (echoed.status, echoed.reason) == ("skipped", "low_quality")
    half = caption(
        '{"caption": "A man climbs.", "title": "At most eight words", "tags": ["single words", "video"]}',
        captioner.PROMPT,
    )
    assert (half.output.caption, half.output.title, half.output.tags) == ("A man climbs.", None, ["video"])
