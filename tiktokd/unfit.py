"""Why an analyzer cannot run on a video. Knows what a video has and what its encoders gave, and runs nothing."""

from collections.abc import Mapping
from typing import Any

from tiktokd.model import Reason
from tiktokd.plugins import Analyzer, Context, Result, skipped


def lacking(analyzer: Analyzer, context: Context) -> Result | None:
    """Return what the video has not and the analyzer needs, or `None`."""
    if "video" in analyzer.needs and not context.facts.has_video:
        return skipped("no_video", "the file has no picture")
    if "audio" in analyzer.needs and not context.facts.has_audio:
        return skipped("no_audio", "the file has no sound track")
    if "metadata" in analyzer.needs and context.metadata.fetched_at_s is None:
        return skipped("no_metadata", "nothing is known about the post (a local file has no metadata)")
    return None


def unfit(
    analyzer: Analyzer,
    context: Context,
    features: Mapping[str, Any],
    absent: Mapping[str, tuple[Reason | None, str]],
) -> Result | None:
    """Return why the analyzer cannot run on this video on this machine, or `None`.

    Args:
        features: what the encoders gave.
        absent: encoder → reason and message where it gave nothing; reason `None`: it raised.
    """
    if lacks := lacking(analyzer, context):
        return lacks
    for name in analyzer.uses:
        if name in absent:
            reason, message = absent[name]
            return Result(status="error", message=message) if reason is None else skipped(reason, message)
        if name not in features:
            return skipped("model_missing", f"encoder {name} is not part of this version")
    for name in analyzer.needs_signals:
        if lack := context.lack(name):
            return skipped(*lack)
    return None
