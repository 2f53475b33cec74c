"""On a GPU: the scores of the CPU, in both precisions, in batches that were too large for its memory, over two devices."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rewards.engine.engine import Engine
from rewards.models import batches as halving
from rewards.result import Result
from rewards.suite import load_suite
from rewards.types import Revision
from tests.conftest import ROOT, command, read_lines

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.usefixtures("embedded_models"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
EXAMPLES = ROOT / "rewards" / "examples.jsonl"


def examples() -> list[Revision]:
    from bench import work

    return work.read(EXAMPLES)


def scored(**engine: Any) -> list[Result]:
    return load_suite(engine=Engine(**engine)).score(examples())


@pytest.fixture(scope="module")
def on_cpu() -> list[Result]:
    return scored(device="cpu", dtype="float32")


@pytest.fixture
def half_the_memory() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Leaves half of what some work takes besides what is held before it, however large the GPU and the models are."""

    def leave(work: Callable[[], Any]) -> None:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(0)
        held = torch.cuda.memory_allocated(0)
        work()
        taken = torch.cuda.max_memory_allocated(0) - held
        gc.collect()
        torch.cuda.empty_cache()
        left = torch.cuda.memory_reserved(0) + taken / 2
        torch.cuda.set_per_process_memory_fraction(left / torch.cuda.get_device_properties(0).total_memory, 0)

    yield leave
    torch.cuda.set_per_process_memory_fraction(1.0, 0)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.05)])
def test_scores_are_those_of_the_cpu(on_cpu: list[Result], dtype: Any, tolerance: float) -> None:
    found = scored(device="cuda:0", dtype=dtype)
    assert not any(one.failures for one in found)
    # What a score near its threshold decides otherwise is another text, with another appropriateness.
    alike = [(one, other) for one, other in zip(on_cpu, found, strict=True) if one.accepted == other.accepted]
    assert len(alike) == len(found) if dtype == "float32" else len(alike) > 0.8 * len(found)
    for one, other in alike:
        assert other.rewards["appropriateness"] == pytest.approx(one.rewards["appropriateness"], abs=tolerance)


def test_a_batch_too_large_for_the_memory_is_halved(
    on_cpu: list[Result],
    half_the_memory: Callable[[Callable[[], Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suite, revisions = load_suite(engine=Engine(device="cuda:0", dtype="float32", token_budget=10_000_000)), examples()

    def score() -> list[Result]:
        suite.engine.cache.clear()
        return suite.score(revisions)

    score()  # loads the models
    half_the_memory(score)
    ran_out: list[None] = []
    release = halving._release
    monkeypatch.setattr(halving, "_release", lambda: ran_out.append(release()))
    found = score()
    assert ran_out
    assert not any(one.failures for one in found)
    assert [one.accepted for one in found] == [one.accepted for one in on_cpu]


def test_a_gpu_and_a_cpu_share_a_file(on_cpu: list[Result], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = command("score", EXAMPLES, "-o", out, "--device", "cuda:0,cpu", "--dtype", "float32", "--batch-size", "2")
    assert done.returncode == 0, done.stderr
    rewards = [record["reward"] for record in read_lines(out)]
    assert rewards == pytest.approx([one.reward for one in on_cpu], abs=5e-3)
