"""A value that is missing is null with a reason, or its null is itself an answer: held for every analyzer."""

import json
import types
import typing
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from tests import tiny_models
from tests.analysis import analyze_arrays, analyze_file, media
from tests.contexts import chord, odd_clips, padded, talk
from tests.sounds import voice
from tiktokd import graph
from tiktokd.model import Envelope, Metadata
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner

CATALOGUE = graph.load()
ANALYZERS = sorted(CATALOGUE.analyzers)
ODD = odd_clips()
POST = Metadata(
    description="link in bio, follow me for more! w20 w21 #w31 https://example.org", fetched_at_s=1.0, view_count=7
)

ANSWERS = {
    "activity_recognition.labels.z": "named by its motion alone",
    "call_to_action.ctas.t_s": "in the caption, which has no time",
    "call_to_action.ctas.lang": "a link, a code or a hashtag is of no language",
    "call_to_action.first_cta_s": "no call but in the caption, where all that is said and shown is known",
    "call_to_action.disclosure.platform_flag": "the site did not say",
    "color_palette.warmth": "no colour to be warm or cold",
    "content_category.labels.group": "the taxonomy names none",
    "content_category.labels.iab_id": "that taxonomy has nothing near",
    "cross_modal_agreement.ocr_speech": "named in missing",
    "entities_keywords.entities.t_s": "in the caption, which has no time",
    "entities_keywords.brands.first_s": "in the caption, which has no time",
    "entities_keywords.brands.logo": "it is only named, where something looked for logos",
    "hook.hook_text": "nothing is shown or said in the opening, and all of it was read and transcribed",
    "hook.first_text_s": "no text was found, and all of it was read",
    "language_identification.by_source.lang": "too few letters, or not surely in one language",
    "language_identification.by_source.prob": "of no language",
    "language_identification.primary": "no source is clearly in one language; the result is partial and says so",
    "language_identification.mixed_ratio": "there is no primary language to mix with",
    "language_identification.script": "letters of none of the scripts that it knows",
    "loopability.repeat_period_s": "nothing repeats",
    "loudness.stereo_correlation": "a mono file has one channel",
    "near_duplicate_video.matches.matched_ratio": "found by meaning, and one has no frames to compare",
    "near_duplicate_video.matches.offset_s": "found by meaning, which has no place in time",
    "near_duplicate_video.matches.cosine": "found by hashes",
    "on_screen_text.reading_speed_cps": "watermarks only: nothing to read",
    "sentiment_mood.text.lang": "words in no language that is known",
    "sentiment_mood.parts.arousal": "words say too little of it",
    "shot_boundaries.mean_shot_s": "no shot: all is black, and the result is partial for it",
    "shot_boundaries.median_shot_s": "no shot: all is black, and the result is partial for it",
    "sound_fingerprint.platform_music_id": "the site did not say",
    "text_moderation.scores.toxicity": "the model does not know this kind",
    "text_moderation.scores.insult": "the model does not know this kind",
    "text_moderation.scores.threat": "the model does not know this kind",
    "text_moderation.scores.obscene": "the model does not know this kind",
    "text_moderation.scores.identity_attack": "the model does not know this kind",
    "text_moderation.scores.sexual": "the model does not know this kind",
    "text_moderation.pii.start_s": "in the caption, which has no time",
    "text_moderation.suspicions.start_s": "in the caption, which has no time",
    "text_moderation.suspicions.detail": "wordings may hold private data and are not quoted",
    "video_caption.title": "the model gave none",
    "virality_features.features": "the analyzer that the feature is named after says why",
    "virality_features.model.cv_r2": "a fit of an older version",
    "visual_quality.letterbox.fill": "no bars to fill",
    "vocal_delivery.pause_mean_s": "no pause to measure",
    "audio_events[].score": "silence is measured and has no score",
    "loudness[].momentary_max_lufs": "below the gate, or silence",
    "loudness[].short_term_lufs": "below the gate, silence, or under 3 s from the start",
    "pacing[].cuts": "the summary says why cuts_per_min is not known",
    "pacing[].motion": "the summary says why, or nothing could be measured in this second",
    "pacing[].onsets": "the summary says why onsets_per_s is not known, or truncated",
    "pacing[].words": "the summary says why words_per_s is not known, or truncated",
    "pacing[].pace": "none of its parts is known",
}
"""Field (`[]`: of the timeline) whose null is an answer → what it answers."""


def optional_fields(kind: object, path: str) -> Iterator[str]:
    """Yield the fields that may be null, in whatever holds them; their path without the places in lists and maps."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if name not in ("unknown", "missing"):
                yield from optional_fields(field.annotation, f"{path}.{name}")
        return
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        parts = typing.get_args(kind)
        if type(None) in parts:
            yield path
    for part in typing.get_args(kind):
        yield from optional_fields(part, path)


def nulls(value: object, path: str) -> Iterator[str]:
    """Yield the paths of what is null, as above; keys of maps that are no fields are left out of them."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("unknown", "missing"):
                yield from nulls(inner, f"{path}.{key.replace('.', '/')}")
    elif isinstance(value, list):
        for inner in value:
            yield from nulls(inner, path)


def _all_optional(name: str) -> set[str]:
    spec = CATALOGUE.analyzers[name]
    found = set(optional_fields(spec.output, name))
    return found | (set(optional_fields(spec.segment, f"{name}[]")) if spec.segment else set())


def _is_answer(path: str) -> bool:
    """Return whether the null of a field is an answer; a key of a map stands for a field of none."""
    parts = path.split(".")
    shorter = {".".join(parts[:i] + parts[i + 1 :]) for i in range(1, len(parts))}
    return path in ANSWERS or bool(shorter & ANSWERS.keys())


def _is_told(path: str, told: dict[str, str]) -> bool:
    """Return whether a field, one that holds it, or its kind has a reason."""
    fields = path.split(".")[1:]
    return any(".".join(fields[:i]) in told for i in range(1, len(fields) + 1)) or fields[-1] in told


def check(envelope: Envelope) -> None:
    """Fail where a result has a null that nothing explains, or a reason for what is known."""
    summary = envelope.summary
    told = {**summary.get("unknown", {}), **summary.get("missing", {})}
    assert all(isinstance(reason, str) and reason for reason in told.values()), told
    untold = [
        path
        for path in (*nulls(summary, envelope.analyzer), *nulls(envelope.segments, f"{envelope.analyzer}[]"))
        if not _is_answer(path) and not _is_told(path, told)
    ]
    assert untold == [], f"{envelope.analyzer} ({envelope.status}, {envelope.reason}): no reason for these"
    known = [name for name in told if "." not in name and summary.get(name, None) is not None]
    assert known == [], f"{envelope.analyzer} gives reasons for what is known"


@pytest.mark.parametrize("name", ANALYZERS)
def test_a_field_that_may_be_null_has_a_place_for_the_reason_or_is_an_answer(name):
    spec = CATALOGUE.analyzers[name]
    has_reasons = bool({"unknown", "missing"} & spec.output.model_fields.keys())
    silent = {path for path in _all_optional(name) if path not in ANSWERS}
    assert not silent or (has_reasons and not any("[]" in path for path in silent)), silent


def test_only_what_can_be_null_is_listed_as_an_answer():
    every = {path for name in ANALYZERS for path in _all_optional(name)}
    assert sorted(ANSWERS.keys() - every) == []


@pytest.mark.parametrize("clip_name", sorted(ODD))
def test_without_models_each_null_has_its_reason(clip_name):
    clip, arrays = ODD[clip_name]
    for envelope in analyze_arrays(clip, arrays, ANALYZERS, POST).values():
        check(envelope)


USUAL = {"talk": talk(), "voice": padded(4.777, voice(4.777, rate_hz=48_000)), "chord": padded(7.019, chord(7.019))}


@pytest.mark.parametrize("clip_name", sorted(USUAL))
def test_on_a_usual_clip_each_null_has_its_reason(clip_name):
    clip, arrays = USUAL[clip_name]
    for envelope in analyze_arrays(clip, arrays, ANALYZERS, POST).values():
        check(envelope)


@pytest.mark.parametrize("file", ["c01_speech_caption.mp4", "c02_hardcuts_music.mp4", "c08_silent_audio.mp4"])
def test_on_a_real_clip_each_null_has_its_reason(file):
    results = analyze_file(media("clips", file), ANALYZERS, POST)
    for envelope in results.values():
        check(envelope)
    assert results["hook"].summary["unknown"]["first_frame_novelty"] in ("model_missing", "cpu_fallback")
    assert results["text_moderation"].summary["unknown"] == {"scores": "model_missing"}
    if results["music_analysis"].status == "ok":
        assert results["music_analysis"].summary["unknown"]["genres"] == "model_missing", "told to the first level, too"


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    tiny_models.write_all(models)
    return Runner(LoadContext(models_dir=models, threads=1), CATALOGUE)


@pytest.mark.filterwarnings(tiny_models.ODDITIES)
@pytest.mark.parametrize("clip_name", [*sorted(ODD), *sorted(USUAL)])
def test_with_all_weights_each_null_has_its_reason(runner, clip_name):
    clip, arrays = (ODD | USUAL)[clip_name]
    covers = {"audio48_covers_s": clip.audio48_covers_s, "audio16_covers_s": clip.audio16_covers_s}
    seen = Context(facts=clip.facts, arrays=arrays, metadata=POST, **covers)
    outputs, signals = {}, {}
    for group in ("gpu", "cpu"):
        found = runner.level1(ANALYZERS, group, seen, lambda _name: None)
        outputs |= found.outputs
        signals |= found.signals
    later = Context(facts=clip.facts, metadata=POST, outputs=outputs, signals=json.loads(json.dumps(signals)))
    for envelope in (outputs | runner.level2(ANALYZERS, later, lambda _name: None).outputs).values():
        check(envelope)
        # Nothing is said to lack a model or a GPU where all of them are there.
        told = {**envelope.summary.get("unknown", {}), **envelope.summary.get("missing", {})}
        extra = {"brands.logo", "embedding_space"}
        assert not {"model_missing", "cpu_fallback"} & {why for name, why in told.items() if name not in extra}, told
