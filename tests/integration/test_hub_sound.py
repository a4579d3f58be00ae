"""Sound encoders that need a hub model, through the real loader with tiny random weights."""

import json

import numpy as np
import pytest

from tests import tiny_models
from tests.analysis import analyze_arrays
from tests.contexts import clip_of, facts, odd_clips, sound
from tests.sounds import context_of
from tiktokd.analyzers import audio_events, speech_transcription, vocal_delivery
from tiktokd.encoders import _transcript, _whisper_fallback, ast, sound_level, whisper
from tiktokd.errors import ModelMissing
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner
from tiktokd.sound import Sentence, SoundScores, Speech, Transcript


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    for name in ("ast",):
        tiny_models.write(name, models)
    return LoadContext(models_dir=models, threads=1)


def noise_context(seconds):
    samples = np.random.default_rng(1).normal(0, 0.1, round(seconds * 48000))
    clip, arrays = clip_of(facts(duration_s=seconds, frames=0, audio=True), sound(samples))
    return Context(facts=clip.facts, arrays=arrays)


@pytest.mark.filterwarnings("ignore:At least one mel filter")  # true of AST's own 128 filters over 257 bins
def test_the_filter_bank_is_that_of_the_models_own_extractor():
    import torch
    from transformers import ASTFeatureExtractor
    from transformers.audio_utils import mel_filter_bank

    samples = np.random.default_rng(3).normal(0, 0.2, 16000 * 11).clip(-1, 1)
    extractor = ASTFeatureExtractor()
    theirs = extractor(samples.astype(np.float32), sampling_rate=16000, return_tensors="np")["input_values"][0]
    mel = mel_filter_bank(257, 128, 20, 8000, 16000, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True)
    wide = np.round(samples * 16384).astype(np.int16)
    ours = ast.filter_bank(wide, torch.from_numpy(mel.astype(np.float32)), 1024).numpy()
    assert np.abs(ours - theirs).mean() < 1e-3


def test_windows_cover_the_sound_and_long_sound_is_sampled():
    short = ast.items(noise_context(25.0))
    assert [round(w.start_s, 2) for w in short] == [0.0, 10.24, 20.48]
    assert short[-1].end_s == pytest.approx(25.0, abs=0.01)
    assert len(ast.items(noise_context(10.9))) == 1, "a rest below a second is left out"
    assert len(ast.items(noise_context(200.0))) == ast.WINDOWS_MAX


def test_a_window_scores_the_same_alone_and_in_a_batch(context):
    model = ast.load(context)
    windows = [*ast.items(noise_context(25.0))]
    together = ast.encode(model, windows)
    for window, row in zip(windows, together, strict=True):
        np.testing.assert_allclose(ast.encode(model, [window])[0].values, row.values, atol=1e-5)
        assert ((row.values >= 0) & (row.values <= 1)).all()


def test_neighbouring_windows_of_a_group_become_one_stretch():
    scores = SoundScores(
        labels=("Speech", "Music"),
        windows_s=((0.0, 10.24), (10.24, 20.48), (20.48, 25.0)),
        scores=np.array([[0.9, 0.1], [0.5, 0.05], [0.1, 0.8]], np.float32),
    )
    clip = Context(facts=facts(duration_s=25.0, frames=0, audio=True), features={"ast": scores})
    result = audio_events.analyze(clip)
    found = [(s.group, s.start_s, s.end_s, s.score) for s in result.segments]
    assert found == [("speech", 0.0, 20.48, 0.9), ("music", 20.48, 25.0, 0.8)]
    assert result.output.speech_ratio == pytest.approx(20.48 / 25.0, abs=1e-4)
    assert result.output.singing_ratio == 0.0


def test_silence_is_that_of_the_loudness_meter_and_not_a_guess():
    sound48 = np.concatenate((np.zeros(48_000), 0.2 * np.sin(np.arange(3 * 48_000) / 8), np.zeros(2 * 48_000)))
    scores = SoundScores(
        labels=("Speech", "Silence"), windows_s=((0.0, 6.0),), scores=np.array([[0.1, 0.9]], np.float32)
    )
    clip = context_of(audio48=sound48)
    measured = sound_level.encode(None, sound_level.items(clip))[0]
    result = audio_events.analyze(Context(facts=clip.facts, features={"ast": scores, "sound_level": measured}))
    assert [(s.group, round(s.start_s, 1), round(s.end_s, 1), s.score) for s in result.segments] == [
        ("silence", 0.0, 1.0, None),
        ("silence", 4.0, 6.0, None),
    ]
    assert result.output.groups == {"silence": pytest.approx(0.5, abs=0.01)}


def test_nothing_says_whether_a_man_a_woman_or_a_child_speaks():
    names = ("Female speech, woman speaking", "Speech", "Child singing", "Music", "Male speech, man speaking")
    rows = [
        ast._Scores(
            window=ast.Window(start_s=0.0, end_s=1.0, samples=np.zeros(16_000, np.int16)),
            values=np.array([0.9, 0.4, 0.6, 0.2, 0.1], np.float32),
            labels=names,
        )
    ]
    found = ast.collect(noise_context(1.0), rows)
    assert found.labels == ("Speech", "Singing", "Music")
    np.testing.assert_allclose(found.scores, [[0.9, 0.6, 0.2]])
    assert set(ast.signals(found)["labels"]) == {"Speech", "Singing", "Music"}


def test_silence_is_no_audio_and_not_a_class(context):
    clip, arrays = odd_clips()["silence_only"]
    seen = Context(facts=clip.facts, arrays=arrays)
    out = Runner(context).level1(("audio_events",), "gpu", seen, lambda _n: None).outputs["audio_events"]
    assert (out.status, out.reason) == ("skipped", "no_audio")


def test_without_weights_the_answer_is_the_command_that_fetches_them():
    clip, arrays = odd_clips()["sound_only"]
    out = analyze_arrays(clip, arrays, ["audio_events"])["audio_events"]
    assert (out.status, out.reason) == ("skipped", "model_missing")
    assert "tiktokctl models pull MIT/ast" in (out.message or "")


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    models = tmp_path_factory.mktemp("whisper")
    tiny_models.write("whisper", models)
    return whisper.load(LoadContext(models_dir=models, threads=1))


@pytest.fixture
def greedy(monkeypatch):
    """Believe the first decoding, whatever it says: a tiny random model loops and guesses."""
    monkeypatch.setattr(_whisper_fallback, "TEMPERATURES", ())


def window(seconds, seed):
    samples = (np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16000)) * 16384).astype(np.int16)
    return whisper.Window(start_s=10.0, samples=samples, speech=((10.0, 10.0 + seconds),))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_window_is_heard_the_same_alone_and_in_a_batch(listener, greedy):
    windows = [window(2.0, 1), window(9.0, 2), window(29.0, 3)]
    together = whisper.encode(listener, windows)
    alone = [whisper.encode(listener, [w])[0] for w in windows]
    for a, b in zip(together, alone, strict=True):
        assert [w.text for w in a.words] == [w.text for w in b.words]
        assert (a.language, a.dropped) == (b.language, b.dropped)
        assert 0 <= a.language_prob <= 1
        assert 0 <= a.no_speech_prob <= 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tokens_keep_times_inside_the_window_and_real_probabilities(listener, greedy, monkeypatch):
    monkeypatch.setattr(_transcript, "invented", lambda _sentence, _speech: None)
    heard = whisper.encode(listener, [window(9.0, 2)])[0]
    assert heard.sentences, "the tiny model writes something for any sound"
    for sentence in heard.sentences:
        assert 10.0 <= sentence.start_s <= sentence.end_s <= 40.1
        assert sentence.avg_logprob <= 0
        for word in sentence.words:
            assert 10.0 <= word.start_s <= word.end_s <= 40.1
            assert 0 < word.p <= 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_windows_decoded_again_are_the_same_alone_in_a_batch_and_at_another_time(listener, monkeypatch):
    monkeypatch.setattr(_transcript, "invented", lambda _sentence, _speech: None)
    # A tiny random model always guesses (ln 1/1612 = -7.4); with guesses allowed, its loops alone are tried again.
    monkeypatch.setattr(_whisper_fallback, "LOGPROB_MIN", -8.0)
    windows = [window(2.0, 1), window(9.0, 2), window(29.0, 3)]
    together = whisper.encode(listener, windows)
    assert {s.temperature for heard in together for s in heard.sentences} - {0.0}, "none was decoded again"
    for number in (2, 1, 0):
        again = whisper.encode(listener, [windows[number]])[0]
        assert [(s.text, s.temperature) for s in again.sentences] == [
            (s.text, s.temperature) for s in together[number].sentences
        ]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_a_loop_at_every_temperature_is_left_out(listener, monkeypatch):
    tried = []
    seed = _whisper_fallback.seed
    monkeypatch.setattr(_whisper_fallback, "seed", lambda sound, t: tried.append(t) or seed(sound, t))
    for module in (_whisper_fallback, _transcript):
        monkeypatch.setattr(module, "COMPRESSION_MAX", 0.1)  # every text counts as a loop
    heard = whisper.encode(listener, [window(9.0, 2)])[0]
    assert tried == list(_whisper_fallback.TEMPERATURES)
    assert (heard.sentences, heard.words) == ((), ())
    assert heard.dropped > 0


def changed(name, file, change, models):
    """Return the load context of a user whose model of this kind has other settings in one of its files."""
    where = tiny_models.write(name, models)
    settings = json.loads((where / file).read_text())
    change(settings)
    (where / file).write_text(json.dumps(settings))
    return LoadContext(models_dir=models, threads=1)


def test_a_whisper_of_one_language_is_refused_in_words(tmp_path):
    def english_only(settings):
        del settings["lang_to_id"], settings["task_to_id"]

    context = changed("whisper", "generation_config.json", english_only, tmp_path)
    with pytest.raises(ModelMissing, match="one language alone"):
        whisper.load(context)


def test_a_model_of_other_sounds_is_refused_and_hears_no_share_of_nothing(tmp_path):
    def commands(settings):
        settings["id2label"]["1"] = "stop"

    with pytest.raises(ModelMissing, match="does not know Music"):
        ast.load(changed("ast", "config.json", commands, tmp_path))


def long_clip(features):
    """Return a context of ten minutes of which five fit into the slot."""
    return Context(
        facts=facts(duration_s=600.0, frames=0, audio=True), audio16_covers_s=314.5, audio48_covers_s=90.0,
        features=features,
    )  # fmt: skip


def test_what_was_not_listened_to_is_told():
    scores = SoundScores(
        labels=("Speech", "Music", "Singing"), windows_s=((0.0, 10.24),), scores=np.full((1, 3), 0.9, np.float32)
    )
    events = audio_events.analyze(long_clip({"ast": scores}))
    said = Sentence(
        start_s=1.0, end_s=2.0, text="hi there", avg_logprob=-0.1, no_speech_prob=0.0, temperature=0.0, words=()
    )
    transcript = Transcript(words=(), sentences=(said,), language="en", language_prob=0.9)
    speech = speech_transcription.analyze(long_clip({"whisper": transcript}))
    for result in (events, speech):
        assert (result.status, result.reason) == ("partial", "truncated")
        assert "first 314.5 s" in result.message
    nobody = Speech(probability=np.zeros(9, np.float32), spans=(), duration_s=314.5)
    voice = vocal_delivery.analyze(long_clip({"vad": nobody}))
    assert (voice.reason, voice.message) == ("no_speech", "nobody speaks in the first 314.5 s")
