"""Hub models of their published size with random weights, written where the loader looks for them.

Where nobody has pulled a model, its memory and its time can still be measured: they depend on the architecture, not on
what was learned. What a random model says means nothing; one that writes text writes until its limit. The sizes are
those of the model cards; `write` refuses a model whose file differs from the published size by more than 6 %.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from tiktokd.encoders._transnetv2 import TransNetV2
from tiktokd.encoders.ast import ASKED
from tiktokd.models_convert import convert
from tiktokd.plugins import Weights
from tiktokd.weights import directory_name

SIZE_TOLERANCE = 0.06
"""`Weights.size_mib` is approximate."""
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
"""A ViT-B, BERT-base or AST-base."""


def write(name: str, spec: Weights, models_dir: Path) -> None:
    """Write the model of encoder `name` below `models_dir`; raises `ValueError` where its size is not the published."""
    directory = models_dir / directory_name(spec)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    torch.manual_seed(0)
    MAKERS[name](directory)
    convert(spec, models_dir)
    written_mib = sum(file.stat().st_size for file in directory.glob("*.safetensors")) / 2**20
    if abs(written_mib / spec.size_mib - 1) > SIZE_TOLERANCE:
        raise ValueError(f"{name}: {written_mib:.0f} MiB were written, {spec.hub_id} has {spec.size_mib:.0f}")


def _labels(names: list[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def _tokenizer(directory: Path, words: int, extra: tuple[str, ...] = ()) -> None:
    """Write a tokenizer of as many words; unlike the true ones it knows none of a text's."""
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    vocabulary = {token: i for i, token in enumerate((*names.values(), *extra))}
    vocabulary |= {f"w{i}": i for i in range(len(vocabulary), words)}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token=names["unk_token"]))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **names).save_pretrained(directory)


def _siglip2(directory: Path) -> None:
    text = BASE | {"vocab_size": 256_000, "max_position_embeddings": 64, "projection_size": 768}
    config = transformers.SiglipConfig(text_config=text, vision_config=BASE | {"image_size": 224, "patch_size": 16})
    transformers.SiglipModel(config).save_pretrained(directory, max_shard_size="10GB")
    _tokenizer(directory, 256_000)


def _nsfw(directory: Path) -> None:
    config = transformers.ViTConfig(**BASE, image_size=224, patch_size=16, **_labels(["normal", "nsfw"]))
    transformers.ViTForImageClassification(config).save_pretrained(directory)


def _dfine(directory: Path) -> None:
    """D-FINE-S: HGNetV2-B0, three decoder layers (`dfine_hgnetv2_s_obj365.yml` of the authors)."""
    backbone = transformers.HGNetV2Config(
        stem_channels=[3, 16, 16],
        stage_in_channels=[16, 64, 256, 512],
        stage_mid_channels=[16, 32, 64, 128],
        stage_out_channels=[64, 256, 512, 1024],
        stage_num_blocks=[1, 1, 2, 1],
        stage_numb_of_layers=[3, 3, 3, 3],
        stage_downsample=[False, True, True, True],
        stage_light_block=[False, False, True, True],
        stage_kernel_size=[3, 3, 5, 5],
        hidden_sizes=[64, 256, 512, 1024],
        depths=[1, 1, 2, 1],
        use_learnable_affine_block=True,
        out_features=["stage2", "stage3", "stage4"],
    )
    names = ["None", "Person", *(f"thing {i}" for i in range(364))]
    config = transformers.DFineConfig(
        backbone_config=backbone,
        encoder_in_channels=[256, 512, 1024],
        hidden_expansion=0.5,
        depth_mult=0.34,
        decoder_layers=3,
        decoder_n_points=[3, 6, 3],
        **_labels(names),
    )
    transformers.DFineForObjectDetection(config).save_pretrained(directory)


def _vitpose(directory: Path) -> None:
    backbone = transformers.VitPoseBackboneConfig(
        hidden_size=384, num_attention_heads=12, num_experts=6, part_features=96, out_features=["stage12"]
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=True)
    transformers.VitPoseForPoseEstimation(config).save_pretrained(directory)


def _ast(directory: Path) -> None:
    names = [*ASKED, *(f"sound {i}" for i in range(527 - len(ASKED)))]
    config = transformers.ASTConfig(**BASE, **_labels(names))
    transformers.ASTForAudioClassification(config).save_pretrained(directory)


TURBO = {"d_model": 1280, "encoder_layers": 32, "decoder_layers": 4, "encoder_attention_heads": 20}
TURBO |= {"decoder_attention_heads": 20, "encoder_ffn_dim": 5120, "decoder_ffn_dim": 5120, "num_mel_bins": 128}
"""large-v3-turbo: 32 layers listen, 4 write."""
WHISPER_BASE = {"d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 8}
WHISPER_BASE |= {"decoder_attention_heads": 8, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048, "num_mel_bins": 80}


def _whisper_turbo(directory: Path) -> None:
    """Its file is float16."""
    heads = [[2, 4], [2, 11], [3, 3], [3, 6], [3, 11], [3, 14]]
    whisper(directory, TURBO, vocab_size=51_866, alignment_heads=heads, half=True)


def _whisper_base(directory: Path) -> None:
    heads = [[3, 1], [4, 2], [4, 3], [4, 7], [5, 1], [5, 2], [5, 4], [5, 6]]
    whisper(directory, WHISPER_BASE, vocab_size=51_865, alignment_heads=heads)


def whisper(
    directory: Path, size: dict[str, int], *, vocab_size: int, alignment_heads: list[list[int]], half: bool = False
) -> None:
    """Write a Whisper of this size with a tokenizer of words and with Whisper's special tokens."""
    names = "endoftext startoftranscript en de translate transcribe startoflm startofprev nospeech notimestamps"
    special = [f"<|{name}|>" for name in names.split()]
    words = vocab_size - 1501 - len(special)
    ids = {token: words + i for i, token in enumerate(special)}
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config = transformers.WhisperConfig(
        **size,
        vocab_size=vocab_size,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
    )
    model = transformers.WhisperForConditionalGeneration(config)
    model = model.half() if half else model
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=end,
        pad_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        max_length=448,
        is_multilingual=True,
        lang_to_id={t: ids[t] for t in ("<|en|>", "<|de|>")},
        task_to_id={"translate": ids["<|translate|>"], "transcribe": ids["<|transcribe|>"]},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        max_initial_timestamp_index=50,
        alignment_heads=alignment_heads,
    )
    model.save_pretrained(directory, max_shard_size="10GB")
    # CTranslate2 knows a multilingual Whisper by the empty word.
    vocabulary = {f"w{i}": i for i in range(words - 1)} | {"": words - 1} | ids
    vocabulary |= {f"<|{i * 0.02:.2f}|>": words + len(special) + i for i in range(1501)}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [token for token in vocabulary if token.startswith("<|")]
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="w0", eos_token="<|endoftext|>", additional_special_tokens=marks
    ).save_pretrained(directory)


def _transnetv2(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    save_file(TransNetV2().state_dict(), directory / "model.safetensors")


def _captioner(directory: Path) -> None:
    """SmolVLM2-500M: a SigLIP-B/16 at 512 px before SmolLM2-360M."""
    text = {"model_type": "llama", "hidden_size": 960, "num_hidden_layers": 32, "num_attention_heads": 15}
    text |= {"num_key_value_heads": 5, "intermediate_size": 2560, "vocab_size": 49_280, "pad_token_id": 2}
    text |= {"max_position_embeddings": 8192}
    config = transformers.SmolVLMConfig(
        vision_config=BASE | {"image_size": 512, "patch_size": 16},
        text_config=text,
        scale_factor=4,
        image_token_id=49_190,
        pad_token_id=2,
    )
    transformers.SmolVLMForConditionalGeneration(config).save_pretrained(directory, max_shard_size="10GB")
    _tokenizer(directory, 49_190)


def _e5(directory: Path) -> None:
    config = transformers.BertConfig(
        vocab_size=250_037, hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536
    )
    transformers.BertModel(config).save_pretrained(directory)
    _tokenizer(directory, 250_037)


def _sentiment(directory: Path) -> None:
    labels = _labels(["positive", "neutral", "negative"])
    config = transformers.DistilBertConfig(vocab_size=119_547, **labels)
    transformers.DistilBertForSequenceClassification(config).save_pretrained(directory)
    _tokenizer(directory, 119_547)


def _xlmr(names: list[str]) -> transformers.XLMRobertaConfig:
    size = BASE | {"vocab_size": 250_002, "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}
    return transformers.XLMRobertaConfig(**size, **_labels(names))


def _toxicity(directory: Path) -> None:
    names = ["toxicity", "severe_toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit"]
    transformers.XLMRobertaForSequenceClassification(_xlmr(names)).save_pretrained(directory)
    _tokenizer(directory, 250_002)


def _ner(directory: Path) -> None:
    names = ["O", "B-DATE", "I-DATE", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
    transformers.XLMRobertaForTokenClassification(_xlmr(names)).save_pretrained(directory)
    _tokenizer(directory, 250_002)


def _privacy_filter(directory: Path) -> None:
    """Published in bfloat16; the defaults of its configuration are its sizes."""
    config = transformers.OpenAIPrivacyFilterConfig()
    model = transformers.OpenAIPrivacyFilterForTokenClassification(config).to(torch.bfloat16)
    model.save_pretrained(directory, max_shard_size="10GB")
    _tokenizer(directory, 200_000)


def _videoprism(directory: Path) -> None:
    config = transformers.VideoPrismConfig(text_config={"vocab_size": 64_000})
    transformers.VideoPrismClipModel(config).save_pretrained(directory, max_shard_size="10GB")
    _tokenizer(directory, 64_000)


def _owlv2(directory: Path) -> None:
    transformers.Owlv2ForObjectDetection(transformers.Owlv2Config()).save_pretrained(directory, max_shard_size="10GB")
    _tokenizer(directory, 49_408)


MAKERS: dict[str, Callable[[Path], None]] = {
    "siglip2": _siglip2,
    "siglip2_text": _siglip2,
    "nsfw": _nsfw,
    "dfine": _dfine,
    "vitpose": _vitpose,
    "ast": _ast,
    "whisper": _whisper_turbo,
    "whisper_cpu": _whisper_base,
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
"""Encoder → writer of its model."""
