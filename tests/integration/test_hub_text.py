"""Text encoders that need a hub model, through the real loader with tiny random weights."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers

from tests import tiny_models
from tests.contexts import facts
from tiktokd import graph
from tiktokd.analyzers import text_moderation
from tiktokd.encoders import e5, ner, toxicity
from tiktokd.errors import ModelMissing
from tiktokd.model import Envelope, Metadata
from tiktokd.plugins import Context, LoadContext
from tiktokd.text_features import TextScores

NAMES = ("e5", "sentiment", "toxicity", "ner")
CATALOGUE = graph.load()
TEXTS = ["w20 w21 w22", "w30", " ".join(f"w{i}" for i in range(10, 140))]


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    for name in NAMES:
        tiny_models.write(name, models)
    return LoadContext(models_dir=models, threads=1)


def post(caption):
    lines = [{"text": "LINK IN BIO", "start_s": 0.0, "end_s": 2.0}, {"text": "now", "start_s": 0.0, "end_s": 2.0}]
    read = Envelope(analyzer="on_screen_text", version="1", status="ok", tier="full", summary={"lines": lines})
    return Context(
        facts=facts(duration_s=3.0, frames=0, audio=True),
        metadata=Metadata(description=caption),
        outputs={"on_screen_text": read},
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_text_gives_the_same_alone_and_in_a_batch_whatever_the_padding(name, context):
    spec = CATALOGUE.encoders[name]
    model = spec.load(context)
    together = spec.encode(model, TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        alone = spec.encode(model, [text])[0]
        if name == "ner":
            assert [(e.text, e.type) for e in alone] == [(e.text, e.type) for e in row]
        else:
            field = "vector" if name == "e5" else "values"
            np.testing.assert_allclose(getattr(alone, field), getattr(row, field), atol=1e-5)


def test_vectors_need_no_pooler_and_a_checkpoint_without_one_is_whole(context, tmp_path):
    import transformers

    directory = tiny_models.write("e5", tmp_path)
    transformers.BertModel.from_pretrained(directory, add_pooling_layer=False).save_pretrained(directory)
    vectors = [
        e5.encode(e5.load(where), ["w20 w21 w22"])[0].vector
        for where in (context, LoadContext(models_dir=tmp_path, threads=1))
    ]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_scores_are_shares_or_each_by_itself(context):
    for name, total in (("sentiment", True), ("toxicity", False)):
        spec = CATALOGUE.encoders[name]
        for row in spec.encode(spec.load(context), TEXTS):
            assert ((row.values >= 0) & (row.values <= 1)).all()
            assert (abs(row.values.sum() - 1) < 1e-5) == total


def test_what_is_read_is_the_caption_and_whole_blocks_of_the_picture(context):
    spec = CATALOGUE.encoders["e5"]
    seen = post("w20 w21")
    items = spec.items(seen)
    assert items == ["w20 w21", "LINK IN BIO now"]
    features = spec.collect(seen, spec.encode(spec.load(context), items))
    assert features.cosine("w20 w21", "w20 w21") == pytest.approx(1.0, abs=1e-5)
    assert features.cosine("w20 w21", "never seen") is None
    assert len(features.taxonomies["content_categories"].labels) > 30
    for name, labels in features.taxonomies.items():
        assert len(labels.of) == len(labels.prototypes) >= len(labels.labels), name
        assert sorted(set(labels.of)) == list(range(len(labels.labels))), name
        np.testing.assert_allclose(np.linalg.norm(labels.prototypes, axis=1), 1.0, atol=1e-5)
    assert len(features.taxonomies["calls"].background) > 30


def test_no_text_is_nothing_to_encode():
    seen = Context(facts=facts(duration_s=3.0, frames=0, audio=True))
    assert e5.ENCODER.items(seen) == []
    assert e5.ENCODER.nothing == "no_text"


def test_names_are_joined_from_their_tokens():
    text = "Anna Berg visits Oslo and Rome"
    words = [(0, 0), (0, 4), (5, 9), (10, 16), (17, 21), (22, 25), (26, 30), (0, 0)]
    tags = ["O", "B-PER", "I-PER", "O", "B-LOC", "O", "B-LOC", "O"]
    found = ner.join(text, words, tags, [0.9] * 8)
    assert [(e.text, e.type) for e in found] == [("Anna Berg", "PER"), ("Oslo", "LOC"), ("Rome", "LOC")]


def test_a_word_is_one_name_whatever_the_tagger_says_of_its_later_tokens():
    text = "Angela Merkel likes Nutellabrot in Düsseldorf, 北京 and JFK-Terminal"
    parts = ["Ange", "la", "Mer", "kel", "likes", "Nutella", "brot", "in", "Düssel", "dorf", ",", "北", "京", "and",
             "JFK", "-", "Terminal"]  # fmt: skip
    tags = ["B-PER", "B-PER", "I-PER", "O", "O", "O", "I-ORG", "O", "B-LOC", "I-ORG", "O", "B-LOC", "I-LOC", "O",
            "B-LOC", "O", "O"]  # fmt: skip
    scores, where, at = [], [], 0
    for number, part in enumerate(parts):
        at = text.index(part, at)
        where.append((at, at + len(part)))
        at += len(part)
        scores.append(0.9 if number != 3 else 0.1)
    found = ner.join(text, where, tags, scores)
    assert [(e.text, e.type, e.score) for e in found] == [
        ("Angela Merkel", "PER", 0.9), ("Düsseldorf", "LOC", 0.9), ("北京", "LOC", 0.9), ("JFK", "LOC", 0.9),
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_missing_weights_name_the_command_that_fetches_them(name, tmp_path):
    spec = CATALOGUE.encoders[name]
    with pytest.raises(ModelMissing, match=f"tiktokctl models pull {spec.weights.hub_id}"):
        spec.load(LoadContext(models_dir=tmp_path))


def own(name, hub_id, context):
    """Return the load context of a user who names a model of their own for an encoder."""
    return LoadContext(models_dir=context.models_dir, models={CATALOGUE.encoders[name].weights.hub_id: hub_id})


def directory(context, hub_id):
    return context.models_dir / hub_id.replace("/", "--")


def test_the_larger_e5_are_another_architecture_and_run_as_that(context):
    """As BERT its tensors load without a word, and every position is two off."""
    where = directory(context, "intfloat/multilingual-e5-base")
    config = transformers.XLMRobertaConfig(**tiny_models.SMALL, type_vocab_size=1, pad_token_id=1)
    theirs = transformers.XLMRobertaModel(config).eval()
    theirs.save_pretrained(where)
    tiny_models.tokenizer(where)
    model = e5.load(own("e5", "intfloat/multilingual-e5-base", context))
    tokens = model.tokenizer(e5.PREFIX + "w20 w21 w22", return_tensors="pt")
    with torch.inference_mode():
        out = theirs(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
    expected = torch.nn.functional.normalize(out.mean(dim=1), dim=-1).numpy()[0]
    ours = e5.encode(model, ["w20 w21 w22", TEXTS[2]])  # the second is longer than the model can look back
    np.testing.assert_allclose(ours[0].vector, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["sentiment", "toxicity", "ner"])
def test_a_text_model_of_another_architecture_is_a_line_of_the_configuration(name, context):
    where = directory(context, f"someone/{name}")
    labels = CATALOGUE.encoders[name].load(context).labels
    config = transformers.BertConfig(**tiny_models.SMALL, id2label=dict(enumerate(labels)))
    task = "Token" if name == "ner" else "Sequence"
    getattr(transformers, f"BertFor{task}Classification")(config).save_pretrained(where)
    tiny_models.tokenizer(where)
    spec = CATALOGUE.encoders[name]
    model = spec.load(own(name, f"someone/{name}", context))
    assert model.labels == labels
    assert len(spec.encode(model, TEXTS)) == len(TEXTS)


@pytest.mark.parametrize(
    ("name", "other", "kind"),
    [
        ("whisper", "nsfw", "vit"),
        ("captioner", "nsfw", "vit"),
        ("ast", "nsfw", "vit"),
        ("siglip2_text", "e5", "bert"),
        ("e5", "siglip2", "siglip"),
    ],
)
def test_a_model_of_another_kind_is_refused_before_anything_is_built(name, other, kind, context):
    tiny_models.write(other, context.models_dir)
    hub_id = CATALOGUE.encoders[other].weights.hub_id
    with pytest.raises(ModelMissing, match=f"{hub_id} .* is of kind {kind}"):
        CATALOGUE.encoders[name].load(own(name, hub_id, context))


def relabelled(name, labels, context, hub_id):
    """Write the tiny model of an encoder once more, with other labels."""
    where = directory(context, hub_id)
    shutil.copytree(directory(context, CATALOGUE.encoders[name].weights.hub_id), where)
    config = json.loads((where / "config.json").read_text())
    config |= {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    (where / "config.json").write_text(json.dumps(config))
    return own(name, hub_id, context)


@pytest.mark.parametrize(("name", "what"), [("sentiment", "positive"), ("toxicity", "toxicity"), ("ner", "names")])
def test_a_model_whose_labels_nobody_reads_is_refused_and_gives_no_neutral_numbers(name, what, context):
    count = len(CATALOGUE.encoders[name].load(context).labels)
    other = relabelled(name, [f"LABEL_{i}" for i in range(count)], context, f"nobody/{name}")
    with pytest.raises(ModelMissing, match=f"nobody/{name} .* has no label for {what}.*LABEL_0"):
        CATALOGUE.encoders[name].load(other)


def test_a_model_that_chooses_between_clean_and_toxic_gives_shares(context):
    names = ["neutral", "toxic", "insult", "threat", "obscene", "identity_attack", "sexual_explicit"]
    other = relabelled("toxicity", names, context, "someone/chooses")
    for row in toxicity.encode(toxicity.load(other), TEXTS):
        assert row.values.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("label", ["toxic", "LABEL_0"])
def test_a_single_score_is_that_of_toxicity_whatever_its_name(label, context):
    """So has the shipped choice: one label, seven languages."""
    where = directory(context, f"single/{label}")
    config = tiny_models._xlmr([label])
    transformers.XLMRobertaForSequenceClassification(config).save_pretrained(where)
    tiny_models.tokenizer(where)
    model = toxicity.load(own("toxicity", f"single/{label}", context))
    texts = ["w20 w21 w22", "w30"]
    scores = dict(zip(texts, toxicity.encode(model, texts), strict=True))
    found = TextScores(labels=scores["w30"].labels, scores={text: one.values for text, one in scores.items()})
    told = text_moderation._scores(found)
    assert told.toxicity == pytest.approx(max(float(one.values[0]) for one in scores.values()), abs=1e-4)
    assert told.insult is None
