"""Rows read end to end: every architecture that attends piece by piece gives the states of each text alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewards.engine.engine import Engine
from rewards.features import HiddenState, Request, TokenLogProbs
from rewards.models import segments
from rewards.models.specs import Checkpoint, Hub, Model
from tests import tiny

BEGINNING = "The cat sat on the mat"
TEXTS = [
    f"{BEGINNING}.",
    f"{BEGINNING}s!",
    BEGINNING,
    f"{BEGINNING}, and it purred.",
    f"{BEGINNING}, and it slept.",
    "Yes.",
    "",
]
"""A text inside another, branches of branches, and texts of their own."""


def folder(path: Path, architecture: str, **more: Any) -> Path:
    from transformers import AutoConfig, AutoModelForCausalLM

    size = tiny.tokenizer(path, pair=False, limit=2048)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        architecture, vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=2048, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        **more,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(path)
    return path


def compute(path: Path, dtype: Any, *, alone: bool = False) -> tuple[list[Any], bool]:
    """Features of the texts, all at once or each alone, and whether rows were read end to end."""
    model = Model(f"tested {path.name}", {"embedded": Checkpoint(Hub(str(path)), "causal-lm")})
    requests: list[Request] = [HiddenState(text, model, 2) for text in TEXTS]
    requests += [TokenLogProbs(text, model) for text in TEXTS]
    engine = Engine(dtype=dtype, device="cpu")
    features = {}
    for part in [[request] for request in requests] if alone else [requests]:
        features |= engine.compute(part)
    backend: Any
    (backend,) = engine._loaded.values()
    return [features[request] for request in requests], backend.segmented


@pytest.mark.parametrize("architecture", sorted(segments.ARCHITECTURES))
def test_states_are_those_of_masked_rows_and_of_each_text_alone(
    tmp_path: Path, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(
        tmp_path / architecture, architecture, **({"sliding_window": None} if architecture != "llama" else {})
    )
    found, yes = compute(path, "float32")
    assert yes
    for other, atol in ((compute(path, "float32", alone=True)[0], 2e-6), (compute(path, "bfloat16")[0], 0.05)):
        for one, same in zip(found, other, strict=True):
            np.testing.assert_allclose(one, same, atol=atol)
    monkeypatch.setattr(segments, "usable", lambda model, device: False)
    masked, yes = compute(path, "float32")
    assert not yes
    for one, same in zip(found, masked, strict=True):
        np.testing.assert_allclose(one, same, atol=2e-6)


@pytest.mark.parametrize("window", [16, 600, 4096])
def test_a_model_with_a_short_memory_keeps_its_masks(tmp_path: Path, window: int) -> None:
    assert compute(folder(tmp_path / "short", "mistral", sliding_window=window), "float32")[1] == (window == 4096)


def test_attention_of_other_kinds_and_devices_is_left_alone(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder(tmp_path / "llama", "llama"))
    assert segments.usable(model, "cpu")
    assert not segments.usable(model, "cuda:0")
    model.set_attn_implementation("eager")
    assert not segments.usable(model, "cpu")
