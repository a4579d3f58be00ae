"""The extra that finds private data in free text: tiny and planted weights through the real loader, to the masks."""

import itertools
import json
import logging
import re

import numpy as np
import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from tests import tiny_models
from tests.integration.test_models import ctl
from tests.written import analyze, context_of
from tiktokd import graph
from tiktokd.analyzers._private_data import private_data
from tiktokd.encoders import privacy_filter
from tiktokd.errors import ModelMissing
from tiktokd.plugins import LoadContext
from tiktokd.runner import Runner

NAME, DIRECTORY = "text_moderation", "openai--privacy-filter"
KINDS = "account_number private_address private_date private_email private_person private_phone private_url secret"
TAGS = ("O", *(f"{part}-{kind}" for kind in KINDS.split() for part in "BIES"))
PLANTED = {
    "Zelda": "B-private_person", "Maria": "I-private_person", "Quimby": "E-private_person", "Orfeo": "S-private_person",
    "hunter2xy": "S-secret", "Tulpenlaan": "B-private_address", "vier": "E-private_address",
    "Ostermontag": "S-private_date", "zeldaquimby": "S-private_url", "nl4711kl": "S-account_number",
    "zelda": "B-private_email", "punkt": "I-private_email", "example": "E-private_email",
    "5550142": "B-private_phone", "99": "E-private_phone",
}  # fmt: skip
"""Word → the tag that the planted model gives it, wherever it stands."""
SECRETS = [word for word in PLANTED if word not in ("vier", "99", "punkt", "example")]


def write_planted(models_dir):
    """Write a model of the true architecture that knows these words by heart and calls all else nothing."""
    directory = tiny_models.write("privacy_filter", models_dir)
    words = {word: i for i, word in enumerate(["<unk>", "<pad>", *PLANTED])}
    raw = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", pad_token="<pad>").save_pretrained(
        directory
    )
    file = directory / "model.safetensors"
    tensors = load_file(file)
    for name in tensors:
        if "o_proj" in name or "experts.down_proj" in name:
            tensors[name].zero_()  # the layers add nothing: what a word is decides alone
    tensors["model.norm.weight"].fill_(1.0)
    embedding, score = torch.zeros(512, 64), torch.zeros(33, 64)
    embedding[:, 0] = 1.0
    for word, tag in PLANTED.items():
        embedding[words[word]] = torch.eye(64)[TAGS.index(tag)]
    score[:33, :33] = torch.eye(33) * 4
    tensors |= {"model.embed_tokens.weight": embedding, "score.weight": score, "score.bias": torch.zeros(33)}
    save_file(tensors, file, metadata={"format": "pt"})
    return models_dir


@pytest.fixture(scope="module")
def planted_dir(tmp_path_factory):
    return write_planted(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def planted(planted_dir):
    return privacy_filter.load(LoadContext(models_dir=planted_dir, threads=1))


@pytest.fixture(scope="module")
def runner(planted_dir):
    return Runner(LoadContext(models_dir=planted_dir, threads=1))


def moderated(runner, context):
    return runner.level2([NAME], context, lambda _name: None).outputs[NAME]


def test_the_tags_are_those_of_the_published_model(planted):
    assert planted.labels == TAGS
    assert planted.used[0].dtype == "bfloat16"


def test_spans_are_characters_of_the_text_and_come_with_their_kind(planted):
    text = "hey  Zelda Maria Quimby, meet Orfeo at Tulpenlaan vier !"
    (spans,) = privacy_filter.encode(planted, [text])
    assert [(text[s.start : s.end], s.type) for s in spans] == [
        ("Zelda Maria Quimby", "private_person"), ("Orfeo", "private_person"), ("Tulpenlaan vier", "private_address"),
    ]  # fmt: skip
    assert all(0.5 <= span.score <= 1.0 for span in spans)


def test_a_text_of_many_windows_loses_and_doubles_nothing(planted):
    words = ["w"] * 5000
    for place in (0, 1, 511, 512, 767, 768, 1023, 1024, 2559, 4998):
        words[place] = "Orfeo"
    words[1534:1537] = ["Zelda", "Maria", "Quimby"]  # over the border of two windows, 512 tokens apart
    text = " ".join(words)
    (spans,) = privacy_filter.encode(planted, [text])
    assert [text[s.start : s.end] for s in spans] == [m[0] for m in re.finditer("Orfeo|Zelda Maria Quimby", text)]


def test_windows_give_each_token_the_surroundings_that_the_whole_text_gives_it(tmp_path):
    tiny_models.write("privacy_filter", tmp_path)
    model = privacy_filter.load(LoadContext(models_dir=tmp_path, threads=1))
    network = model.hub.model.float()  # bfloat16 would hide small differences
    torch.manual_seed(1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # strong enough for neighbours to matter
    ids = torch.randint(2, 512, (1, 1400))
    with torch.inference_mode():
        whole = network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].softmax(dim=-1).numpy()
        first = network(input_ids=ids[:, 512:], attention_mask=torch.ones_like(ids[:, 512:])).logits[0, 0]
    np.testing.assert_allclose(privacy_filter._probabilities(model, ids[0].tolist()), whole, atol=1e-3)
    assert np.abs(first.softmax(dim=-1).numpy() - whole[512]).max() > 0.02, "surroundings matter to this model"


@pytest.mark.parametrize("weights", ["planted", "tiny"])
def test_a_text_gives_the_same_alone_and_in_a_batch_and_every_time(weights, planted, tmp_path):
    model = planted
    if weights == "tiny":
        tiny_models.write("privacy_filter", tmp_path)
        model = privacy_filter.load(LoadContext(models_dir=tmp_path, threads=1))
    texts = ["Orfeo", "w20 w21 " * 700, "Zelda Quimby and w30 <pad> <unk>", "…", "w1"]
    together = privacy_filter.encode(model, texts)
    assert [privacy_filter.encode(model, [text])[0] for text in texts] == together
    assert privacy_filter.encode(model, texts) == together
    ids = model.tokenizer(texts[1], add_special_tokens=False)["input_ids"]
    sure = privacy_filter._probabilities(model, ids)
    assert sure.shape == (len(ids), 33)
    np.testing.assert_allclose(sure.sum(axis=1), 1.0, atol=1e-4)


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_any_scores_make_whole_spans(length, seed):
    scores = np.log(np.random.default_rng(seed).dirichlet(np.full(33, 0.05), length) + 1e-9).astype(np.float32)
    path = privacy_filter.likeliest(scores, TAGS)
    assert is_whole(path)
    ends = [last for _first, last in privacy_filter.whole(path, TAGS)]
    assert ends == sorted(ends)


def is_whole(path):
    """Return whether every B is closed by an E of its kind with nothing but I of its kind between."""
    inside = None
    for tag in (TAGS[i] for i in path):
        part, kind = tag[0], tag[2:]
        if (part in "IE") != (inside is not None) or (inside and inside != kind):
            return False
        inside = kind if part in "BI" else None
    return inside is None


def test_the_likeliest_of_all_whole_sequences_is_taken():
    tags = ("O", "B-x", "I-x", "E-x", "S-x", "B-y", "I-y", "E-y", "S-y")
    for seed in range(30):
        scores = np.log(np.random.default_rng(seed).dirichlet(np.full(9, 0.3), 4) + 1e-9).astype(np.float32)

        def good(path):
            follow = all(privacy_filter._may_follow(tags[a], tags[b]) for a, b in itertools.pairwise(path))
            return follow and tags[path[0]][0] in "OBS" and tags[path[-1]][0] in "OES"

        sums = {p: sum(scores[i, t] for i, t in enumerate(p)) for p in itertools.product(range(9), repeat=4) if good(p)}
        assert tuple(privacy_filter.likeliest(scores, tags)) == max(sums, key=sums.__getitem__)


def test_what_the_model_finds_is_named_masked_and_timed(runner):
    context = context_of(
        "meet Zelda Quimby on Ostermontag", ocr=[("pin is hunter2xy ok", 1.0, 2.0)], speech=[("nl4711kl", 3.0, 4.0)]
    )
    found = moderated(runner, context)
    assert [(p["type"], p["source"], p["start_s"], p["masked"]) for p in found.summary["pii"]] == [
        ("person", "caption", None, "Z***"), ("date", "caption", None, "***"),
        ("secret", "ocr", 1.0, "***"), ("account", "speech", 3.0, "***"),
    ]  # fmt: skip
    assert [(s["type"], s["source"]) for s in found.segments] == [("secret", "ocr"), ("account", "speech")]
    assert found.summary["needs_review"] is True
    assert found.calibrated is False
    assert "openai/privacy-filter" in [model.id for model in found.models]


def test_names_dates_and_links_alone_ask_for_no_review(runner):
    found = moderated(runner, context_of("Orfeo Ostermontag zeldaquimby"))
    assert [p["type"] for p in found.summary["pii"]] == ["person", "date", "url"]
    assert found.summary["needs_review"] is False


def test_what_the_shapes_found_is_not_told_twice_and_keeps_its_better_mask(runner, planted_dir):
    text = "mail zelda@punkt.example or call +49 170 5550142"
    by_shape = [(one.type, one.masked) for one in private_data(text)]
    assert [kind for kind, _ in by_shape] == ["email", "phone"]
    found = moderated(runner, context_of(text))
    kept = [(p["type"], p["masked"]) for p in found.summary["pii"]]
    assert kept[: len(by_shape)] == by_shape
    assert len(kept) == len(set(kept))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(list(PLANTED)) | st.text(st.characters(categories=("L", "N", "Zs")), max_size=6), max_size=12
    ),
    st.sampled_from(["caption", "ocr", "speech"]),
)
def test_no_private_text_survives_unmasked(runner, words, kind):
    text = " ".join(words)
    made = {
        "caption": lambda: context_of(text),
        "ocr": lambda: context_of(ocr=[(text, 1.0, 2.0)]),
        "speech": lambda: context_of(speech=[(text, 1.0, 2.0)]),
    }[kind]()
    found = moderated(runner, made)
    assert found.status in ("ok", "skipped"), found.message
    told = json.dumps([found.summary, found.segments], ensure_ascii=False)
    assert [word for word in SECRETS if word in told] == []
    for one in found.summary.get("pii", []):
        assert re.fullmatch(
            r"[^\W\d]?\*{3}(\d\d)?|\+?\d{0,2}\*{3}\d\d|\S\*{3}@\S+|\*{4} \d{4}|\w\w\*\* .*|\S\*{3}", one["masked"]
        )


def test_without_the_extra_everything_is_as_complete_as_before(tmp_path, caplog):
    tiny_models.write("toxicity", tmp_path)
    tiny_models.write("whisper", tmp_path)  # it reads transcripts
    catalogue, load = graph.load(), LoadContext(models_dir=tmp_path, threads=1)
    facts = graph.facts(catalogue.analyzers[NAME], catalogue, load)
    assert (facts.tier, facts.reason) == ("full", None)
    with caplog.at_level(logging.INFO):
        found = moderated(Runner(load), context_of("meet Zelda Quimby, mail jane@example.org"))
    assert (found.status, found.tier, found.reason) == ("ok", "full", None)
    assert [p["type"] for p in found.summary["pii"]] == ["email"]
    assert [r.levelname for r in caplog.records if "privacy" in r.getMessage()] == ["INFO"]
    lite = analyze(NAME, context_of("meet Zelda"))
    assert (lite.tier, lite.summary["scores"]) == ("lite", None)


def test_half_of_the_weights_are_refused_and_cost_no_result(tmp_path):
    write_planted(tmp_path)
    tiny_models.write("toxicity", tmp_path)
    file = tmp_path / DIRECTORY / "model.safetensors"
    tensors = load_file(file)
    save_file({n: t for n, t in tensors.items() if not n.startswith("score")}, file, metadata={"format": "pt"})
    with pytest.raises(ModelMissing, match="lacks"):
        privacy_filter.load(LoadContext(models_dir=tmp_path))
    found = moderated(Runner(LoadContext(models_dir=tmp_path, threads=1)), context_of("meet Orfeo"))
    assert (found.status, found.tier, found.summary["pii"]) == ("ok", "full", [])


def test_a_model_with_other_tags_is_refused(tmp_path):
    write_planted(tmp_path)
    file = tmp_path / DIRECTORY / "config.json"
    file.write_text(file.read_text().replace("E-secret", "L-secret"))
    with pytest.raises(ModelMissing, match="another model"):
        privacy_filter.load(LoadContext(models_dir=tmp_path))


def test_missing_weights_name_the_command(tmp_path):
    with pytest.raises(ModelMissing, match="tiktokctl models pull openai/privacy-filter"):
        privacy_filter.load(LoadContext(models_dir=tmp_path))


def test_extras_are_listed_and_left_out_unless_they_are_named(tmp_path):
    from tiktokd import models as kept
    from tiktokd.config import Config

    told = ctl(None, tmp_path, "models", "list")
    assert "openai/privacy-filter is an extra" in " ".join(told.stdout.split())
    rows = {row["id"]: row for row in json.loads(ctl(None, tmp_path, "models", "list", "--json").stdout)}
    assert rows["openai/privacy-filter"]["extra"] is True
    assert rows["unitary/multilingual-toxic-xlm-roberta"]["extra"] is False
    wanted = kept.wanted(Config())
    for names, there in (
        (["all"], False),
        ([NAME], False),
        (["privacy_filter"], True),
        (["openai/privacy-filter"], True),
    ):
        picked = {m.weights.hub_id for m in kept.pick(wanted, names, left_out=False)}
        assert ("openai/privacy-filter" in picked) == there, names
    assert "openai/privacy-filter" in {m.weights.hub_id for m in kept.pick(wanted, ["all"])}
