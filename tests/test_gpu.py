"""On a GPU: the scores of the CPU, in both precisions, in batches that were too large for its memory, over two devices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rewards.engine.engine import Engine
from rewards.models import batches as halving
from rewards.result import Result
from rewards.suite import load_suite
from tests.conftest import ROOT, command, read_lines

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.usefixtures("embedded_models"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
EXAMPLES = ROOT / "examples" / "arguments.jsonl"


def scored(**engine: Any) -> list[Result]:
    from bench import work

    return load_suite(engine=Engine(**engine)).score(work.read(EXAMPLES))


@pytest.fixture(scope="module")
def on_cpu() -> list[Result]:
    return scored(device="cpu", dtype="float32")


@pytest.fixture
def little_memory() -> Iterator[None]:
    """A few hundred megabytes besides what the models take."""
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(1.5 * 2**30 / whole)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.05)])
def test_scores_are_those_of_the_cpu(on_cpu: list[Result], dtype: Any, tolerance: float) -> None:
    for one, other in zip(on_cpu, scored(device="cuda:0", dtype=dtype), strict=True):
        assert not other.failures
        assert other.rewards["appropriateness"] == pytest.approx(one.rewards["appropriateness"], abs=tolerance)


@pytest.mark.usefixtures("little_memory")
def test_a_batch_too_large_for_the_memory_is_halved(on_cpu: list[Result], monkeypatch: pytest.MonkeyPatch) -> None:
    ran_out: list[None] = []
    release = halving._release
    monkeypatch.setattr(halving, "_release", lambda: ran_out.append(release()))
    found = scored(device="cuda:0", dtype="float32", token_budget=10_000_000)
    assert ran_out
    assert not any(one.failures for one in found)
    assert [one.accepted for one in found] == [one.accepted for one in on_cpu]


def test_a_gpu_and_a_cpu_share_a_file(on_cpu: list[Result], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = command("score", EXAMPLES, "-o", out, "--device", "cuda:0,cpu", "--dtype", "float32", "--batch-size", "2")
    assert done.returncode == 0, done.stderr
    rewards = [record["reward"] for record in read_lines(out)]
    assert rewards == pytest.approx([one.reward for one in on_cpu], abs=5e-3)
