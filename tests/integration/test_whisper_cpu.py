"""Speech where there is no GPU: a tiny random Whisper, converted, loaded and run as a fetched one would be."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests import tiny_models
from tests.contexts import odd_clips, talk
from tiktokd import graph, weights
from tiktokd.config import Config
from tiktokd.encoders import _log_mel, _transcript, _whisper_fallback, whisper, whisper_cpu
from tiktokd.errors import LocalError, ModelMissing
from tiktokd.model import Metadata
from tiktokd.models_convert import convert, write_lock
from tiktokd.plugins import Context, LoadContext
from tiktokd.runner import Runner
from tiktokd.sound import UNSPACED
from tiktokd.turns import runner_for
from tiktokd.worker import WorkerSetup

CATALOGUE = graph.load()
WORDS = ("speech_transcription", "vocal_delivery", "language_identification", "hook")
FOLDER = "ctranslate2-int8"
pytestmark = pytest.mark.filterwarnings(tiny_models.ODDITIES)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("models")
    tiny_models.write("whisper_cpu", directory)
    return directory


@pytest.fixture(scope="module")
def listener(models_dir):
    return whisper_cpu.load(LoadContext(models_dir=models_dir))


@pytest.fixture
def own_dir(tmp_path):
    """A model of the test's own, to be damaged."""
    tiny_models.write("whisper_cpu", tmp_path)
    return tmp_path


@pytest.fixture
def believe(monkeypatch):
    """Leave nothing out: a tiny random model only invents."""
    monkeypatch.setattr(_transcript, "invented", lambda _sentence, _speech: None)


def window(seconds, seed):
    samples = (np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16000)) * 16384).astype(np.int16)
    return whisper.Window(start_s=10.0, samples=samples, speech=((10.0, 10.0 + seconds),))


def run(clip_name, models_dir):
    """Return the envelopes of a machine without a GPU."""
    clip, arrays = talk() if clip_name == "talk" else odd_clips()[clip_name]
    runner = Runner(LoadContext(models_dir=models_dir), graph.without_gpu(CATALOGUE))
    seen = Context(
        facts=clip.facts,
        arrays=arrays,
        audio48_covers_s=clip.audio48_covers_s,
        audio16_covers_s=clip.audio16_covers_s,
    )
    first = runner.level1(WORDS, "all", seen, lambda _name: None)
    later = Context(facts=clip.facts, metadata=Metadata(), outputs=first.outputs, signals=first.signals)
    return first.outputs | runner.level2(WORDS, later, lambda _name: None).outputs


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("seconds", [0.3, 9.0, 31.0])
def test_the_picture_of_sound_is_that_of_the_models_own_extractor(bands, seconds):
    from transformers import WhisperFeatureExtractor

    samples = window(seconds, 3).samples
    extractor = WhisperFeatureExtractor(feature_size=bands)
    theirs = extractor([samples / 16384.0], sampling_rate=16000, return_tensors="np")["input_features"][0]
    np.testing.assert_allclose(_log_mel.log_mel(samples, _log_mel.filters(bands)), theirs, atol=1e-4)


def test_it_hears_what_the_same_weights_hear_in_transformers(models_dir, listener, monkeypatch):
    monkeypatch.setattr(_whisper_fallback, "is_doubtful", lambda *_args: False)
    own = {"openai/whisper-large-v3-turbo": "openai/whisper-base"}
    large = whisper.load(LoadContext(models_dir=models_dir, models=own))
    assert large.special == listener.special
    for number in range(3):
        sound = whisper_cpu._heard(listener, window(6.0, number))
        heard = whisper_cpu._decoded(listener, sound, beam_size=1)
        (theirs,) = whisper.encode(large, [window(6.0, number)])
        assert heard.language == theirs.language
        assert heard.language_prob == pytest.approx(theirs.language_prob, abs=0.01)
        assert heard.no_speech_prob == pytest.approx(theirs.no_speech_prob, abs=1e-4)


def test_the_same_sound_gives_the_same_words_alone_in_a_batch_and_by_another_engine(models_dir, listener, believe):
    windows = [window(2.0, 1), window(9.0, 2), window(29.0, 3)]
    together = whisper_cpu.encode(listener, windows)
    other = whisper_cpu.load(LoadContext(models_dir=models_dir))
    assert [whisper_cpu.encode(other, [w])[0] for w in reversed(windows)] == [*reversed(together)]
    assert all(heard.words for heard in together)


def test_words_lie_in_their_window_and_have_probabilities(listener, believe):
    heard = whisper_cpu.encode(listener, [window(9.0, 2)])[0]
    assert heard.sentences
    for sentence in heard.sentences:
        assert 10.0 <= sentence.start_s <= sentence.end_s <= 19.01
        assert sentence.avg_logprob < 0
    for word in heard.words:
        assert 10.0 <= word.start_s <= word.end_s <= 19.01
        assert 0 < word.p <= 1
    assert 0 <= heard.no_speech_prob <= 1
    assert 0 < heard.language_prob <= 1


def test_a_loop_is_tried_once_more_without_repeats_and_left_out_if_it_stays_one(listener, monkeypatch):
    searches = []
    decoded = whisper_cpu._decoded
    monkeypatch.setattr(
        whisper_cpu, "_decoded", lambda *args, **search: searches.append(search) or decoded(*args, **search)
    )
    for module in (_whisper_fallback, _transcript):
        monkeypatch.setattr(module, "COMPRESSION_MAX", 0.1)  # every text counts as a loop
    heard = whisper_cpu.encode(listener, [window(9.0, 2)])[0]
    assert searches == [{"beam_size": 1}, {"beam_size": 5, "no_repeat_ngram_size": 3}]
    assert (heard.sentences, heard.words) == ((), ())
    assert heard.dropped > 0


def test_without_a_gpu_speech_is_transcribed_and_read_by_all_who_read_it(models_dir, believe):
    outputs = run("talk", models_dir)
    heard = outputs["speech_transcription"]
    assert (heard.status, heard.tier) == ("ok", "lite"), heard.message
    assert heard.summary["words"]
    (model,) = [m for m in heard.models if "whisper" in m.id]
    assert (model.id, model.dtype, model.device) == ("openai/whisper-base", "int8", "cpu")
    locked = weights.read_lock(models_dir)["openai/whisper-base/" + FOLDER]["files"]["model.bin"]
    assert model.sha256 == locked["sha256"]
    pace = outputs["vocal_delivery"].summary["words_per_min"]
    assert pace is None if heard.summary["language"] in UNSPACED else pace > 0
    assert model in outputs["vocal_delivery"].models
    assert outputs["vocal_delivery"].tier == "lite"
    assert "speech" in outputs["language_identification"].summary["by_source"]


def test_guards_leave_out_what_lies_outside_speech(models_dir, monkeypatch):
    monkeypatch.setattr(_transcript, "OVERLAP_MIN", 1.1)
    heard = run("talk", models_dir)["speech_transcription"]
    assert (heard.status, heard.reason) == ("skipped", "no_speech")
    assert "looked invented" in heard.message


@pytest.mark.parametrize(("clip_name", "reason"), [("silence_only", "no_audio"), ("sound_only", "no_speech")])
def test_where_nobody_speaks_no_weights_are_looked_for(clip_name, reason, tmp_path):
    assert run(clip_name, tmp_path)["speech_transcription"].reason == reason


def test_without_weights_the_reason_is_the_commands(tmp_path):
    heard = run("talk", tmp_path)["speech_transcription"]
    assert (heard.status, heard.reason) == ("skipped", "model_missing")
    assert heard.message.endswith("run: tiktokctl models pull openai/whisper-base")
    form = replace(whisper_cpu.WEIGHTS.conversion, package="no_such_package")
    with pytest.raises(ModelMissing, match=r"pip install 'tiktokd\[asr-cpu\]' && tiktokctl models pull openai/w"):
        weights.locate(replace(whisper_cpu.WEIGHTS, conversion=form), tmp_path)


def test_weights_for_an_engine_that_is_not_installed_are_here_for_nobody(models_dir):
    form = replace(whisper_cpu.WEIGHTS.conversion, package="no_such_package")
    spec = replace(whisper_cpu.WEIGHTS, conversion=form)
    with pytest.raises(ModelMissing, match=r"run: pip install 'tiktokd\[asr-cpu\]'$"):
        weights.locate(spec, models_dir)
    with pytest.raises(LocalError, match="no_such_package, which is not installed"):
        convert(spec, models_dir)


def test_tensors_of_which_nothing_was_made_name_the_command_that_makes_it(own_dir):
    tensors = own_dir / "openai--whisper-base"
    (tensors / FOLDER / "vocabulary.json").unlink()
    with pytest.raises(ModelMissing, match="run: tiktokctl models convert openai/whisper-base"):
        whisper_cpu.load(LoadContext(models_dir=own_dir))
    convert(whisper_cpu.WEIGHTS, own_dir)
    assert whisper_cpu.load(LoadContext(models_dir=own_dir)).used


def test_half_the_tensors_are_refused_and_what_was_there_stays(own_dir):
    file = own_dir / "openai--whisper-base" / "model.safetensors"
    tensors = load_file(file)
    save_file({n: t for n, t in tensors.items() if "decoder.layers.1" not in n}, file, metadata={"format": "pt"})
    with pytest.raises(ModelMissing, match="which would be random"):
        convert(whisper_cpu.WEIGHTS, own_dir)
    assert whisper_cpu.load(LoadContext(models_dir=own_dir)).used


def test_tensors_that_are_not_those_that_were_fetched_are_not_converted(own_dir):
    directory = own_dir / "openai--whisper-base"
    write_lock(own_dir, "openai/whisper-base", {"revision": "0" * 40}, directory, ["model.safetensors"])
    convert(whisper_cpu.WEIGHTS, own_dir)
    assert whisper_cpu.load(LoadContext(models_dir=own_dir)).used[0].revision == "0" * 40
    file = directory / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(LocalError, match=r"sha256 differs.* tiktokctl models pull openai/whisper-base"):
        convert(whisper_cpu.WEIGHTS, own_dir)


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_a_file_that_was_not_made_here_is_never_loaded(name, own_dir):
    file = own_dir / "openai--whisper-base" / FOLDER / name
    data = bytearray(file.read_bytes())
    data[-2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelMissing, match=f"{name} is not the file .* models convert openai/whisper-base"):
        whisper_cpu.load(LoadContext(models_dir=own_dir))
    lock = weights.read_lock(own_dir)
    del lock["openai/whisper-base/" + FOLDER]["files"][name]
    (own_dir / weights.LOCK_NAME).write_text(json.dumps(lock))
    with pytest.raises(ModelMissing, match="does not know it"):
        whisper_cpu.load(LoadContext(models_dir=own_dir))


def test_a_model_of_one_language_is_refused(tmp_path):
    tiny_models.MAKERS["whisper"](tmp_path / "openai--whisper-base")  # lacks what CTranslate2 knows the others by
    convert(whisper_cpu.WEIGHTS, tmp_path)
    with pytest.raises(ModelMissing, match="one language alone"):
        whisper_cpu.load(LoadContext(models_dir=tmp_path))


def test_a_cpu_worker_stays_small_with_it(models_dir):
    code = (
        "import sys, numpy as np; from pathlib import Path; from tiktokd.encoders import whisper, whisper_cpu; "
        "from tiktokd.plugins import LoadContext; "
        "model = whisper_cpu.load(LoadContext(models_dir=Path(sys.argv[1]))); "
        "one = whisper.Window(start_s=0.0, samples=np.ones(16000, np.int16), speech=()); "
        "whisper_cpu.encode(model, [one]); print([m for m in ('torch', 'transformers', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code, models_dir], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_where_there_is_a_gpu_nothing_of_it_runs():
    names = tuple(CATALOGUE.analyzers)
    cpu = graph.without_gpu(CATALOGUE)
    assert graph.plan_level1(names, "cpu", cpu) == graph.plan_level1(names, "cpu", CATALOGUE)
    used = [e for group in ("cpu", "gpu") for e in graph.plan_level1(names, group, CATALOGUE).encoders]
    assert not [e.name for e in used if e.stands_for]


def test_workers_know_which_of_the_two_is_theirs(tmp_path):
    setup = WorkerSetup(
        name="w",
        index=0,
        config=Config.model_validate({"daemon": {"state_dir": str(tmp_path)}}),
        region=None,
        device="cpu",
        report=lambda **_more: None,
    )
    found = [runner_for(setup, gpu=gpu).catalogue.encoders["whisper"].weights.hub_id for gpu in (True, False)]
    assert found == ["openai/whisper-large-v3-turbo", "openai/whisper-base"]


def test_a_machine_without_a_gpu_says_what_it_can_and_what_it_lacks(models_dir, tmp_path):
    cpu = graph.without_gpu(CATALOGUE)
    speech, caption = (cpu.analyzers[name] for name in ("speech_transcription", "video_caption"))
    assert (speech.lightweight, caption.lightweight) == (True, False)
    here = graph.facts(speech, cpu, LoadContext(models_dir=models_dir), gpu=False)
    assert here.tier == "lite"
    assert "openai/whisper-base stands in for a larger model, which needs a GPU" in here.reason
    without = graph.facts(speech, cpu, LoadContext(models_dir=tmp_path), gpu=False)
    assert without.tier == "none"
    assert "tiktokctl models pull openai/whisper-base" in without.reason
