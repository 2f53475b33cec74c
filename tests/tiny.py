"""Tiny models with random weights and the architectures of the full profile, saved as their authors save theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CohereConfig,
    CohereForCausalLM,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DebertaV2Model,
    ElectraConfig,
    ElectraModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    Gemma3TextModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    MixtralConfig,
    MixtralForCausalLM,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    MPNetConfig,
    MPNetModel,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?'\"()|-<> "
SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]


def tokenizer(folder: Path, pair: bool, limit: int = 64) -> int:
    """Save a character tokenizer, with special tokens around texts where `pair`; the size of its vocabulary."""
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *LETTERS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106  (no secret)
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    if pair:
        core.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]",  # noqa: S106  (no secret)
        bos_token="[CLS]", model_max_length=limit, model_input_names=["input_ids", "attention_mask"],  # noqa: S106  (no secret)
    )  # fmt: skip
    wrapped.save_pretrained(folder)
    return len(vocabulary)


def causal(folder: Path) -> Path:
    """A Llama with three layers."""
    size = tokenizer(folder, pair=False, limit=2048)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def more_than_a_matrix(folder: Path, architecture: str) -> Path:
    """A causal model whose head caps (gemma2) or scales (granite, cohere) its logits, or returns router logits (mixtral).

    gemma2 also has a short attention window.
    """
    size = tokenizer(folder, pair=False, limit=2048)
    torch.manual_seed(0)
    common: dict[str, Any] = {
        "vocab_size": size, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048, "pad_token_id": 0,
        "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.3,
    }  # fmt: skip
    model: Any
    if architecture == "gemma2":
        config = Gemma2Config(**common, head_dim=8, final_logit_softcapping=2.0, sliding_window=16)
        model = Gemma2ForCausalLM(config)
    elif architecture == "granite":
        model = GraniteForCausalLM(GraniteConfig(**common, logits_scaling=7.0, embedding_multiplier=3.0))
    elif architecture == "mixtral":
        model = MixtralForCausalLM(MixtralConfig(**common, num_local_experts=2, num_experts_per_tok=1))
    else:
        model = CohereForCausalLM(CohereConfig(**common, logit_scale=0.2))
    model.save_pretrained(folder)
    return folder


def differently_built(folder: Path, architecture: str, positions: int = 2048) -> Path:
    """A causal model with a window over the row (gptneo), a head on a part of its trunk (opt), or images (gemma3).

    `positions` is the size of gptneo's position table.
    """
    size = tokenizer(folder, pair=False, limit=2048)
    torch.manual_seed(0)
    common: dict[str, Any] = {
        "vocab_size": size, "hidden_size": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    model: Any
    if architecture == "gptneo":
        model = GPTNeoForCausalLM(
            GPTNeoConfig(
                **common, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=8,
                initializer_range=0.3, max_position_embeddings=positions,
            )
        )  # fmt: skip
    elif architecture == "opt":
        model = OPTForCausalLM(
            OPTConfig(**common, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32)
        )
    else:
        text = {**common, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 8,
                "num_key_value_heads": 2, "sliding_window": 16, "initializer_range": 0.3,
                "layer_types": ["sliding_attention", "full_attention"]}  # fmt: skip
        sight = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                 "image_size": 28, "patch_size": 14}  # fmt: skip
        model = Gemma3ForConditionalGeneration(Gemma3Config(text_config=text, vision_config=sight))
    model.save_pretrained(folder)
    return folder


def convolutional(folder: Path) -> Path:
    """An LFM2: a layer of short convolutions, which ignore the attention mask, and one of attention."""
    size = tokenizer(folder, pair=False, limit=2048)
    torch.manual_seed(0)
    config = Lfm2Config(
        vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        layer_types=["conv", "full_attention"], initializer_range=0.3,
    )  # fmt: skip
    Lfm2ForCausalLM(config).save_pretrained(folder)
    return folder


def encoder(folder: Path, architecture: str) -> Path:
    """An encoder of two blocks and 64 positions (MPNet's start at 2, so it has 62)."""
    size = tokenizer(folder, pair=True)
    torch.manual_seed(0)
    common: dict[str, Any] = {
        "vocab_size": size, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.3,
    }  # fmt: skip
    model: Any
    if architecture == "mpnet":
        model = MPNetModel(MPNetConfig(**common))
    elif architecture == "bert":
        model = BertModel(BertConfig(**common))
    elif architecture == "electra":
        model = ElectraModel(ElectraConfig(**common, embedding_size=16))
    else:
        model = DebertaV2Model(
            DebertaV2Config(**common, relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=8)
        )
    model.save_pretrained(folder)
    return folder


def sentence_encoder(folder: Path, architecture: str) -> Path:
    """`encoder` as a sentence-transformers model that averages tokens, whose tokenizer states no limit."""
    from sentence_transformers import SentenceTransformer

    try:
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    except ImportError:  # before sentence-transformers 6.1
        from sentence_transformers.models import Pooling, Transformer

    encoder(folder / "network", architecture)
    tokenizer(folder / "network", pair=True, limit=10**9)
    network = Transformer(str(folder / "network"))
    SentenceTransformer(modules=[network, Pooling(32)]).save(str(folder / "whole"))
    return folder / "whole"


def static(folder: Path) -> Path:
    """A sentence-transformers model of static embeddings, whose tokenizer is not one of transformers."""
    from sentence_transformers import SentenceTransformer

    try:
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    except ImportError:  # before sentence-transformers 6.1
        from sentence_transformers.models import StaticEmbedding

    core = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "cat": 2}, unk_token="[UNK]"))  # noqa: S106  (no secret)
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    SentenceTransformer(modules=[StaticEmbedding(core, embedding_dim=4)]).save(str(folder))
    return folder


def roberta(folder: Path, labels: int = 2) -> Path:
    """A RoBERTa classifier with 32 positions, of which texts can use 31, whose tokenizer states no limit."""
    size = tokenizer(folder, pair=True, limit=10**9)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4,
        max_position_embeddings=32, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        id2label=dict(enumerate(("calm", "angry")[:labels])),
    )  # fmt: skip
    RobertaForSequenceClassification(config).save_pretrained(folder)
    return folder


def decoder_classifier(folder: Path, padding: int | None) -> Path:
    """A Llama classifier whose config names another padding token than its tokenizer, or none."""
    size = tokenizer(folder, pair=False, limit=2048)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, pad_token_id=padding, bos_token_id=1, eos_token_id=2,
        initializer_range=0.3, num_labels=2,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


def gemma(folder: Path) -> Path:
    """An EmbeddingGemma: Gemma 3 with bidirectional attention, mean pooling, two projections, normalisation."""
    from sentence_transformers import SentenceTransformer

    try:
        from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
    except ImportError:  # before sentence-transformers 6.1
        from sentence_transformers.models import Dense, Normalize, Pooling, Transformer

    inner = folder.with_name(f"{folder.name}-transformer")
    size = tokenizer(inner, pair=True)
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=128, sliding_window=64, pad_token_id=0,
        use_bidirectional_attention=True,
    )  # fmt: skip
    Gemma3TextModel(config).save_pretrained(inner)
    transformer = Transformer(str(inner), max_seq_length=64)
    modules: list[Any] = [
        transformer,
        Pooling(32, "mean"),
        Dense(32, 48, bias=False),
        Dense(48, 32, bias=False),
        Normalize(),
    ]
    prompts = {"STS": "task: sentence similarity | query: ", "document": "title: none | text: "}
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder))
    return folder


def modernbert(folder: Path, labels: tuple[str, ...] = ("disfluent", "fluent")) -> Path:
    """A ModernBERT classifier of text pairs."""
    size = tokenizer(folder, pair=True)
    torch.manual_seed(0)
    config = ModernBertConfig(
        vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=128, pad_token_id=0, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2,
        global_attn_every_n_layers=2, id2label=dict(enumerate(labels)), num_labels=len(labels),
    )  # fmt: skip
    ModernBertForSequenceClassification(config).save_pretrained(folder)
    return folder


def deberta(folder: Path, labels: int = 14) -> Path:
    """A DeBERTa-v3 classifier with unnamed labels, as the reference's is."""
    size = tokenizer(folder, pair=True)
    torch.manual_seed(0)
    config = DebertaV2Config(
        vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=128, pad_token_id=0, relative_attention=True, position_buckets=16,
        pos_att_type=["p2c", "c2p"], norm_rel_ebd="layer_norm", share_att_key=True, position_biased_input=False,
        num_labels=labels,
    )  # fmt: skip
    DebertaV2ForSequenceClassification(config).save_pretrained(folder)
    return folder
