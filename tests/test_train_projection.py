"""TRL's projection onto the vocabulary reads the completions alone on a CPU, and says the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM
from trl.kernels.chunked_logprob import _use_triton
from trl.trainer import utils

from rewards_train.projection import project_completions_only
from tests import tiny


@pytest.fixture
def projected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many positions each projection of TRL reads."""
    seen: list[int] = []
    whole = utils.__dict__["_ChunkedLogProbFunction"].apply

    def apply(hidden: torch.Tensor, *rest: Any) -> Any:
        seen.append(len(hidden))
        return whole(hidden, *rest)

    monkeypatch.setattr(utils, "_ChunkedLogProbFunction", type("Spy", (), {"apply": staticmethod(apply)}))
    monkeypatch.setattr(utils, "_use_triton", _use_triton)  # TRL's own, whatever ran before in this process
    return seen


def log_probabilities(folder: Path) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Of the last 3 of 7 tokens in two rows, and what flows back to each weight."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder)
    utils.add_fused_lm_head(model)
    ids = torch.arange(14).reshape(2, 7) + 5
    labels = ids.clone()
    labels[:, :4] = -100
    labels[1, 6] = -100
    found = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels, fused_lm_head=True).log_probs
    found.sum().backward()
    return found.detach(), [p.grad for p in model.parameters() if p.grad is not None]


def test_only_labelled_positions_are_projected_and_the_numbers_stay(tmp_path: Path, projected: list[int]) -> None:
    tiny.causal(tmp_path)
    plain, gradients = log_probabilities(tmp_path)
    project_completions_only()
    project_completions_only()
    compact, same = log_probabilities(tmp_path)
    assert projected == [12, 5]
    torch.testing.assert_close(compact, plain)
    assert plain.count_nonzero() == 5
    torch.testing.assert_close(same, gradients)


def test_a_trl_without_the_question_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(utils, "_use_triton")
    project_completions_only()
    assert not hasattr(utils, "_use_triton")
