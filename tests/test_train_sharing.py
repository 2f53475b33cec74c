"""A prompt is read once for all its completions on a CPU, and numbers, gradients and what is generated stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM
from trl.trainer import utils

from rewards_train.sharing import read_prompts_once, shared
from tests import tiny

PROMPTS = ([0, 0, *range(5, 15)], list(range(20, 32)))  # the first is padded on its left
COMPLETIONS = ([40, 41, 2, 0], [40, 42, 43, 2], [40, 41, 2, 0], [50, 2, 0, 0])


def policy(folder: Path, **options: Any) -> Any:
    """A tiny Llama with TRL's head, as its trainers have it."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, **options)
    utils.add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    return model


def trainer_of(model: Any, device: str = "cpu", compiled: bool = False) -> Any:
    whole = SimpleNamespace(unwrap_model=lambda one: one)
    args = SimpleNamespace(device=torch.device(device), torch_compile=compiled)
    return SimpleNamespace(accelerator=whole, model=model, args=args)


def batch(prompts: int = 2) -> dict[str, torch.Tensor]:
    """Four completions of each prompt, padded on both sides, and labels on completions alone."""
    ids = torch.tensor([prompt + completion for prompt in PROMPTS[:prompts] for completion in COMPLETIONS])
    labels = ids.masked_fill(ids == 0, -100)
    labels[:, : len(PROMPTS[0])] = -100
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def learnt(model: Any, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Log-probabilities and entropies, and the gradient of a loss that weighs every token differently."""
    model.zero_grad()
    out = model(**given, fused_lm_head=True)
    (out.log_probs * torch.linspace(-1, 1, out.log_probs.numel()).reshape(out.log_probs.shape)).sum().backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    return torch.stack([out.log_probs, out.entropy]).detach(), gradients


def reads(model: Any) -> list[int]:
    """How many tokens each pass through the blocks reads, from now on."""
    seen: list[int] = []
    model.base_model.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:2].numel()))
    return seen


def test_a_group_is_learnt_from_with_its_prompt_read_once(tmp_path: Path) -> None:
    tiny.causal(tmp_path)
    model, given = policy(tmp_path), batch()
    seen = reads(model)
    numbers, gradients = learnt(model, given)
    read_prompts_once(trainer_of(model))
    same, flown = learnt(model, given)
    again, back = learnt(model, given)
    # 8 rows of 16 places; or the tokens of both prompts (10 and 12), and of four completions, one of which comes twice and
    # two of which begin alike (3 + 3 + 2), in a row of their own each.
    assert seen == [8 * 16, 2 * (12 + 8), 2 * (12 + 8)]
    torch.testing.assert_close(same, numbers, rtol=1e-5, atol=1e-5)
    assert numbers.count_nonzero() > 20
    torch.testing.assert_close(flown, gradients, rtol=1e-4, atol=1e-6)
    assert all(torch.equal(one, other) for one, other in zip(flown, back, strict=True))
    assert torch.equal(same, again)


@pytest.mark.parametrize("padded", [True, False])
def test_generating_reads_each_prompt_once(tmp_path: Path, padded: bool) -> None:
    tiny.causal(tmp_path)
    model = policy(tmp_path)
    ids = torch.tensor([prompt for prompt in (PROMPTS[not padded], PROMPTS[1][::-1]) for _ in range(3)])
    given: dict[str, Any] = {"input_ids": ids, "attention_mask": (ids != 0).long(), "pad_token_id": 0}
    seen = reads(model)
    sampled: list[torch.Tensor] = []
    for _ in range(2):
        torch.manual_seed(0)
        sampled.append(model.generate(**given, max_new_tokens=5, do_sample=True, eos_token_id=None))
        read_prompts_once(trainer_of(model))
    assert torch.equal(sampled[0], sampled[1])
    assert len({tuple(row) for row in sampled[0].tolist()}) > 2  # samples of one prompt differ
    assert seen == [6 * 12, 6, 6, 6, 6, 2 * 12, 6, 6, 6, 6]


def test_what_does_not_pay_is_read_as_it_is() -> None:
    calls: list[tuple[int, ...]] = []

    def forward(input_ids: torch.Tensor, **_: Any) -> Any:
        calls.append(tuple(input_ids.shape))
        return SimpleNamespace(last_hidden_state=input_ids[..., None].float())

    reading: Callable[..., Any] = shared(forward, 100)
    different = torch.arange(1, 41).reshape(2, 20)
    ones = torch.ones_like(different)
    reading(input_ids=different, attention_mask=ones)  # nothing in common
    reading(input_ids=different[:1], attention_mask=ones[:1])  # one text
    reading(input_ids=ones)  # without a mask nothing is known of padding
    reading(input_ids=ones, attention_mask=ones, output_router_logits=True)  # counts tokens
    reading(input_ids=ones, attention_mask=ones, position_ids=ones)  # has positions of its own
    assert calls == [(2, 20), (1, 20), (2, 20), (2, 20), (2, 20)]
    shared(forward, 19)(input_ids=ones, attention_mask=ones)  # longer than the window of the model
    assert calls.pop() == (2, 20)
    reading(input_ids=ones, attention_mask=ones)
    assert calls[-1] == (1, 20)


@pytest.mark.parametrize("case", ["eager", "gpu", "compiled", "convolutions"])
def test_other_models_and_devices_are_left_alone(tmp_path: Path, case: str) -> None:
    (tiny.convolutional if case == "convolutions" else tiny.causal)(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager" if case == "eager" else "sdpa")
    read_prompts_once(trainer_of(model, "cuda" if case == "gpu" else "cpu", compiled=case == "compiled"))
    assert "forward" not in vars(model.base_model)


def test_the_reference_of_a_policy_without_adapters_shares_too(tmp_path: Path) -> None:
    tiny.causal(tmp_path)
    trainer = trainer_of(policy(tmp_path))
    trainer.ref_model = policy(tmp_path)
    read_prompts_once(trainer)
    seen = reads(trainer.ref_model)
    learnt(trainer.ref_model, batch())
    assert seen == [2 * (12 + 8)]
