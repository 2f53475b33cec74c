"""Generation through folded adapters: the same tokens' probabilities, and the very weights from before after it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from rewards_train.folding import fold_in_generation, foldable, folded
from tests import tiny

TOKENS = torch.tensor([[5, 6, 7, 8], [8, 7, 6, 5]])


def adapted(folder: Path, **settings: Any) -> Any:
    """A policy whose adapter changes what it says."""
    model = LlamaForCausalLM.from_pretrained(tiny.causal(folder))
    torch.manual_seed(1)
    targets = settings.pop("target_modules", "all-linear")
    config = LoraConfig(r=4, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM", **settings)
    return get_peft_model(model, config).eval()


@pytest.mark.parametrize("settings", [{}, {"use_dora": True}, {"lora_bias": True, "target_modules": ["q_proj"]}])
def test_a_folded_model_says_the_same_and_is_put_back_to_the_bit(tmp_path: Path, settings: dict[str, Any]) -> None:
    model = adapted(tmp_path, **settings)
    if settings.get("lora_bias"):  # has to have a bias that the adapter's can be added to
        for layer in foldable(model):
            base = layer.get_base_layer()
            base.bias = torch.nn.Parameter(torch.ones(base.out_features))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plain = model(TOKENS).logits
    with folded(foldable(model)):
        assert torch.allclose(model(TOKENS).logits, plain, atol=1e-5)
        assert not torch.equal(model.state_dict()[WEIGHT], before[WEIGHT])
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert torch.equal(model(TOKENS).logits, plain)


WEIGHT = "base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight"


def test_what_breaks_meanwhile_leaves_the_weights_as_they_were(tmp_path: Path) -> None:
    model = adapted(tmp_path)
    layers = foldable(model)
    before = model.state_dict()[WEIGHT].clone()
    with pytest.raises(KeyboardInterrupt), folded(layers):
        raise KeyboardInterrupt
    assert torch.equal(model.state_dict()[WEIGHT], before)
    layers[-1].lora_A["default"].weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="NaNs"), folded(layers):
        pass
    assert torch.equal(model.state_dict()[WEIGHT], before)
    assert not any(layer.merged for layer in layers)


def test_weights_that_are_used_elsewhere_too_are_not_folded(tmp_path: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(tiny.causal(tmp_path))
    model.lm_head.weight = model.model.embed_tokens.weight
    config = LoraConfig(r=4, target_modules=["q_proj", "lm_head"], task_type="CAUSAL_LM")
    assert foldable(get_peft_model(model, config)) == []


def test_a_trainer_generates_folded_on_a_cpu_only(tmp_path: Path) -> None:
    model = adapted(tmp_path)
    seen: list[bool] = []
    model.generate = lambda *_, **__: seen.append(all(layer.merged for layer in foldable(model)))
    trainer = SimpleNamespace(
        model=model,
        accelerator=SimpleNamespace(device=torch.device("cuda")),
        is_fsdp_enabled=False,
        is_deepspeed_enabled=False,
    )
    for kind in ("cuda", "cpu"):
        trainer.accelerator.device = torch.device(kind)
        fold_in_generation(trainer)
        trainer.model.generate(TOKENS)
    assert seen == [False, True]
    assert not any(layer.merged for layer in foldable(model))
