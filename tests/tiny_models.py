"""Tiny random models of the real architectures, written as a user's models directory: same loader, same code path.

Random weights show plumbing, shapes, ranges, determinism and independence of the batch; they say nothing of accuracy.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from tiktokd import graph
from tiktokd.encoders._transnetv2 import TransNetV2
from tiktokd.models_convert import convert
from tiktokd.weights import directory_name

CATALOGUE = graph.load()
ODDITIES = "ignore::UserWarning"
"""transformers about generation settings of models that are 16 numbers wide."""


def write(name: str, models_dir: Path) -> Path:
    """Write the tiny model of encoder `name` where the loader looks for it; returns its directory."""
    spec = CATALOGUE.encoders[name].weights
    assert spec is not None, f"{name} needs no weights"
    directory = models_dir / directory_name(spec)
    torch.manual_seed(0)
    MAKERS[name](directory)
    return directory


def write_all(models_dir: Path) -> None:
    """Write the tiny models of all encoders that need weights: a machine on which nothing is missing."""
    for name, spec in CATALOGUE.encoders.items():
        if spec.weights is not None and not (models_dir / directory_name(spec.weights)).exists():
            write(name, models_dir)


def tokenizer(directory: Path, words: int = 512, **special: str) -> None:
    """Write a word-level tokenizer without any vocabulary from outside."""
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"} | special
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(names.values()))}
    for i in range(len(vocabulary), words):
        vocabulary[f"w{i}"] = i
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token=names["unk_token"]))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **names).save_pretrained(directory)


def _siglip2(directory: Path) -> None:
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.SiglipConfig(
        text_config=size | {"vocab_size": 512, "max_position_embeddings": 64, "projection_size": 32},
        vision_config=size | {"image_size": 64, "patch_size": 16},
    )
    transformers.SiglipModel(config).save_pretrained(directory)
    tokenizer(directory)


def _nsfw(directory: Path) -> None:
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=16,
        id2label={0: "normal", 1: "nsfw"},
        label2id={"normal": 0, "nsfw": 1},
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(directory)


def _dfine(directory: Path) -> None:
    backbone = transformers.HGNetV2Config(
        stem_channels=[3, 8, 8],
        stage_in_channels=[8, 16, 16, 32],
        stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[16, 16, 32, 32],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1],
        stage_downsample=[False, True, True, True],
        stage_light_block=[False, False, True, True],
        stage_kernel_size=[3, 3, 3, 3],
        hidden_sizes=[16, 16, 32, 32],
        depths=[1, 1, 1, 1],
        use_learnable_affine_block=True,
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.DFineConfig(
        backbone_config=backbone,
        encoder_in_channels=[16, 32, 32],
        feat_strides=[8, 16, 32],
        d_model=32,
        encoder_hidden_dim=32,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=32,
        decoder_attention_heads=2,
        decoder_layers=2,
        decoder_n_points=[2, 2, 2],
        num_queries=20,
        num_denoising=0,
        num_labels=4,
        id2label={0: "Person", 1: "Gun", 2: "Cup", 3: "Dog"},
        label2id={"Person": 0, "Gun": 1, "Cup": 2, "Dog": 3},
    )
    model = transformers.DFineForObjectDetection(config)
    for head in model.model.decoder.class_embed:
        torch.nn.init.constant_(head.bias[:1], 2.0)  # it sees people, so that there are some to look at
    model.save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text('{"size": {"height": 64, "width": 64}}')


def _vitpose(directory: Path) -> None:
    backbone = transformers.VitPoseBackboneConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=[64, 48],
        patch_size=[16, 16],
        num_experts=6,  # as in ViTPose++: one per training set
        part_features=8,
        out_features=["stage2"],
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=True)
    transformers.VitPoseForPoseEstimation(config).save_pretrained(directory)


def _ast(directory: Path) -> None:
    names = ["Speech", "Music", "Singing", "Silence", "Dog", "Siren", "Wind", "Laughter"]
    config = transformers.ASTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_length=64,
        num_mel_bins=32,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    transformers.ASTForAudioClassification(config).save_pretrained(directory)


def _whisper(directory: Path, last_word: str = "w99") -> None:
    names = "endoftext startoftranscript en de zh translate transcribe startoflm startofprev nospeech notimestamps"
    words, special = 100, [f"<|{name}|>" for name in names.split()]
    ids = {token: words + i for i, token in enumerate(special)}
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config = transformers.WhisperConfig(
        vocab_size=words + len(special) + 1501,
        d_model=16,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_mel_bins=80,
        max_target_positions=64,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
    )
    model = transformers.WhisperForConditionalGeneration(config)
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=end,
        pad_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        max_length=64,
        is_multilingual=True,
        lang_to_id={t: ids[t] for t in ("<|en|>", "<|de|>", "<|zh|>")},
        task_to_id={"translate": ids["<|translate|>"], "transcribe": ids["<|transcribe|>"]},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        max_initial_timestamp_index=50,
        alignment_heads=[[0, 0], [1, 1]],
    )
    model.save_pretrained(directory)
    vocabulary = {f"w{i}": i for i in range(words - 1)} | {last_word: words - 1} | ids
    vocabulary |= {f"<|{i * 0.02:.2f}|>": words + len(special) + i for i in range(1501)}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        unk_token="w0",
        eos_token="<|endoftext|>",
        additional_special_tokens=[t for t in vocabulary if t.startswith("<|")],
    )
    fast.save_pretrained(directory)


def _whisper_cpu(directory: Path) -> None:
    """CTranslate2 knows a multilingual Whisper by the empty word in its vocabulary."""
    _whisper(directory, last_word="")
    spec = CATALOGUE.encoders["whisper_cpu"].weights
    assert spec is not None
    convert(spec, directory.parent)


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 512,
    "max_position_embeddings": 64,
}


def _e5(directory: Path) -> None:
    transformers.BertModel(transformers.BertConfig(**SMALL)).save_pretrained(directory)
    tokenizer(directory)


def _sentiment(directory: Path) -> None:
    config = transformers.DistilBertConfig(
        vocab_size=512, max_position_embeddings=64, dim=32, n_layers=2, n_heads=2, hidden_dim=64,
        id2label={0: "positive", 1: "neutral", 2: "negative"},
        label2id={"positive": 0, "neutral": 1, "negative": 2},
    )  # fmt: skip
    transformers.DistilBertForSequenceClassification(config).save_pretrained(directory)
    tokenizer(directory)


def _xlmr(names: list[str]) -> transformers.XLMRobertaConfig:
    labels = {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}
    return transformers.XLMRobertaConfig(**SMALL, type_vocab_size=1, pad_token_id=1, **labels)


def _toxicity(directory: Path) -> None:
    names = ["toxicity", "severe_toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit"]
    transformers.XLMRobertaForSequenceClassification(_xlmr(names)).save_pretrained(directory)
    tokenizer(directory)


def _ner(directory: Path) -> None:
    names = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
    transformers.XLMRobertaForTokenClassification(_xlmr(names)).save_pretrained(directory)
    tokenizer(directory)


def _privacy_filter(directory: Path) -> None:
    config = transformers.OpenAIPrivacyFilterConfig(
        hidden_size=64, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, num_local_experts=4, num_experts_per_tok=2, sliding_window=8, vocab_size=512, pad_token_id=1,
        eos_token_id=1,
    )  # fmt: skip
    transformers.OpenAIPrivacyFilterForTokenClassification(config).save_pretrained(directory)
    tokenizer(directory)


def _videoprism(directory: Path) -> None:
    size = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    layers = {"num_spatial_layers": 1, "num_temporal_layers": 1, "num_auxiliary_layers": 1}
    config = transformers.VideoPrismConfig(
        vision_config=size | layers | {"image_size": 36, "num_frames": 4},
        text_config=size | {"num_hidden_layers": 1, "vocab_size": 512, "pad_token_id": 1},
    )
    transformers.VideoPrismClipModel(config).save_pretrained(directory)
    tokenizer(directory)


def _owlv2(directory: Path) -> None:
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.Owlv2Config(
        text_config=size | {"vocab_size": 512, "bos_token_id": 2, "eos_token_id": 3},
        vision_config=size | {"image_size": 64, "patch_size": 16},
        projection_dim=32,
    )
    transformers.Owlv2ForObjectDetection(config).save_pretrained(directory)
    tokenizer(directory)


def _transnetv2(directory: Path) -> None:
    """No settings beside the tensors: their sizes say all."""
    directory.mkdir(parents=True, exist_ok=True)
    save_file(TransNetV2(filters=2, hidden=16).state_dict(), directory / "model.safetensors")


def _captioner(directory: Path) -> None:
    config = transformers.SmolVLMConfig(
        vision_config={
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
            "image_size": 32, "patch_size": 8,
        },
        text_config={
            "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "intermediate_size": 64, "vocab_size": 512, "pad_token_id": 1,
        },
        scale_factor=2,
        image_token_id=511,
        pad_token_id=1,
    )  # fmt: skip
    transformers.SmolVLMForConditionalGeneration(config).save_pretrained(directory)
    tokenizer(directory, words=511)


def write_qwen3_vl(directory: Path) -> None:
    """Write a tiny Qwen3-VL, which a user may put in the captioner's place."""
    torch.manual_seed(0)
    config = transformers.Qwen3VLConfig(
        vision_config={
            "hidden_size": 32, "depth": 2, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": 32,
            "patch_size": 16, "deepstack_visual_indexes": [0], "num_position_embeddings": 64,
        },
        text_config={
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
            "head_dim": 16, "intermediate_size": 64, "vocab_size": 512, "pad_token_id": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 2, 2]},
        },
        image_token_id=511, video_token_id=510, vision_start_token_id=509, vision_end_token_id=508,
    )  # fmt: skip
    transformers.Qwen3VLForConditionalGeneration(config).save_pretrained(directory)
    tokenizer(directory, words=508)


MAKERS: dict[str, Callable[[Path], Any]] = {
    "siglip2": _siglip2,
    "siglip2_text": _siglip2,
    "nsfw": _nsfw,
    "dfine": _dfine,
    "vitpose": _vitpose,
    "ast": _ast,
    "whisper": _whisper,
    "whisper_cpu": _whisper_cpu,
    "captioner": _captioner,
    "transnetv2": _transnetv2,
    "e5": _e5,
    "sentiment": _sentiment,
    "toxicity": _toxicity,
    "ner": _ner,
    "privacy_filter": _privacy_filter,
    "videoprism": _videoprism,
    "owlv2": _owlv2,
}
"""Encoder → writer of its tiny model."""
