"""Adapted classifiers: fitted on a tiny model, stored, read back by the engine, the same whatever the batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewards.engine.engine import Engine
from rewards.errors import ModelError
from rewards.features import ClassProbabilities
from rewards.fitting import adapters
from rewards.fitting.adapters import AdapterRecipe, Example, fit_adapter, rescale_adapter, write_adapter
from rewards.models.adapted import evidence, evidence_of_rows, read_adapter
from rewards.models.keys import MAX_TOKENS
from rewards.models.specs import Adapter, Checkpoint, Hub, Model
from tests import tiny

RECIPE = AdapterRecipe(depth=2, first=1, rank=2, learning_rate=1e-2, epochs=8, tokens=256)
LABELS = ("calm", "angry")
MAPS = Path("/proc/self/maps")


def examples() -> list[Example]:
    return [Example(f"{'I HATE it' if n % 2 else 'I like it'} {n}.", f"Lunch {n % 3}?", n % 2) for n in range(60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.causal(tmp_path_factory.mktemp("causal"))


@pytest.fixture(scope="module")
def adapter(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("adapter") / "adapter.safetensors"
    write_adapter(file, fit_adapter(folder, examples(), 2, RECIPE, 1, lambda _: None), RECIPE)
    return file


def model(folder: Path, file: Path, role: str = "critic", *, multi_label: bool = False) -> Model:
    spec = Checkpoint(
        Hub(str(folder)), "adapted-classifier", labels=LABELS, multi_label=multi_label, adapter=Adapter.of(file)
    )
    return Model(role, {"embedded": spec})


def test_what_was_fitted_is_what_the_engine_computes(folder: Path, adapter: Path) -> None:
    critic = model(folder, adapter)
    requests = [ClassProbabilities(one.text, critic, one.pair) for one in examples()]
    found = Engine(dtype="float32").compute(requests)
    values = np.stack([np.asarray(found[request]) for request in requests])
    assert (values.argmax(1) == [one.label for one in examples()]).mean() > 0.95
    assert values.sum(1) == pytest.approx(1.0, abs=1e-6)


def test_scores_do_not_depend_on_the_batch(folder: Path, adapter: Path) -> None:
    critic = model(folder, adapter)
    requests = [ClassProbabilities(f"text {n} " * (n % 7), critic, f"pair {n % 2}") for n in range(20)]
    together = Engine(dtype="float32").compute(requests)
    alone = Engine(dtype="float32", token_budget=1)
    for request in requests:
        assert np.asarray(alone.compute([request])[request]) == pytest.approx(np.asarray(together[request]), abs=1e-5)


def test_the_same_seed_gives_the_same_file(folder: Path, adapter: Path, tmp_path: Path) -> None:
    for seed, same in ((1, True), (2, False)):
        file = tmp_path / f"{seed}.safetensors"
        write_adapter(file, fit_adapter(folder, examples(), 2, RECIPE, seed, lambda _: None), RECIPE)
        assert (file.read_bytes() == adapter.read_bytes()) is same


def test_texts_that_are_cut_are_said(folder: Path) -> None:
    said: list[str] = []
    long = [*examples(), Example("a" * 41, "b" * 40, 1), Example("a", "b" * 50, 0)]
    fit_adapter(folder, long, 2, replace(RECIPE, epochs=1, longest=40), 1, said.append)
    assert said[0] == "2 texts are too long to be read whole: their ends are left out"
    said.clear()
    fit_adapter(folder, examples(), 2, replace(RECIPE, epochs=1, longest=40), 1, said.append)
    assert "longer" not in said[0]


def test_labels_that_are_not_known_are_not_learnt(folder: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, multi_label=True)
    known = [Example(one.text, one.pair, (int(one.label == 1), -1)) for one in examples()]  # type: ignore[operator]  # a class here, no labels
    tensors = fit_adapter(folder, known, 2, recipe, 1, lambda _: None)
    assert tensors["mean"][:, 1].abs().max() == 0
    file = tmp_path / "adapter.safetensors"
    write_adapter(file, tensors, recipe)
    critic = model(folder, file, multi_label=True)
    request = ClassProbabilities("I HATE it 7.", critic, "Lunch 1?")
    found = np.asarray(Engine(dtype="float32").compute([request])[request])
    assert found[0] > 0.5
    assert found[1] == pytest.approx(0.5, abs=1e-3)


def test_a_rescaled_adapter_gives_rescaled_logits(folder: Path, adapter: Path, tmp_path: Path) -> None:
    file = tmp_path / "adapter.safetensors"
    write_adapter(file, read_adapter(adapter)[2], RECIPE)
    rescale_adapter(file, RECIPE, np.array([0.5, 2.0]), np.array([0.1, -0.3]))
    requests = [
        ClassProbabilities("I like it", model(folder, one, multi_label=True), "Lunch?") for one in (adapter, file)
    ]
    before, after = (np.asarray(Engine(dtype="float32").compute([one])[one], dtype=float) for one in requests)
    logit = np.log(before / (1 - before)) * [0.5, 2.0] + [0.1, -0.3]
    assert np.log(after / (1 - after)) == pytest.approx(logit, abs=1e-4)


@pytest.mark.skipif(not MAPS.exists(), reason="which files are mapped is told by /proc alone")
def test_an_adapter_that_is_read_may_be_replaced(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows replaces no file that is mapped, and a fit calibrates the adapter that its engine has just read."""
    file = tmp_path / "adapter.safetensors"
    kept = read_adapter(adapter)[2]
    assert str(adapter) not in MAPS.read_text(encoding="utf-8")
    write_adapter(file, kept, RECIPE)
    maps: list[str] = []
    monkeypatch.setattr(adapters, "save_file", lambda *_, **__: maps.append(MAPS.read_text(encoding="utf-8")))
    rescale_adapter(file, RECIPE, 0.5, 0.1)
    assert [str(file) in one for one in maps] == [False]


def test_one_strong_token_counts_for_the_whole_text() -> None:
    hidden = torch.zeros(1, 9, 2)
    hidden[..., 0] = 1.0
    head = {
        "mean": torch.zeros(2, 1), "peak": torch.tensor([[0.0], [10.0]]), "scale": torch.ones(1), "bias": torch.zeros(1),
    }  # fmt: skip
    calm = evidence(hidden, torch.ones(1, 9), head)
    hidden[0, 4] = torch.tensor([0.0, 1.0])
    assert float(evidence(hidden, torch.ones(1, 9), head)) > float(calm) + 5
    masked = torch.ones(1, 9)
    masked[0, 4] = 0
    assert float(evidence(hidden, masked, head)) == pytest.approx(float(calm), abs=1e-4)


def test_rows_one_after_another_have_the_evidence_of_padded_ones() -> None:
    torch.manual_seed(0)
    hidden, lengths = torch.randn(4, 9, 6) * 30, torch.tensor([9, 1, 4, 7])
    mask = (torch.arange(9) < lengths[:, None]).float()
    head = {
        "mean": torch.randn(6, 3), "peak": 20 * torch.randn(6, 3), "scale": torch.rand(3), "bias": torch.randn(3),
    }  # fmt: skip
    found = evidence_of_rows(hidden[mask.bool()], lengths, head)
    torch.testing.assert_close(found, evidence(hidden, mask, head), atol=1e-4, rtol=1e-5)


def test_a_pair_that_a_model_does_not_read_changes_nothing(folder: Path, adapter: Path) -> None:
    spec = Checkpoint(
        Hub(str(folder)), "adapted-classifier", labels=LABELS, adapter=Adapter.of(adapter), reads_pair=False
    )
    critic = Model("alone", {"embedded": spec})
    with_pair, without = ClassProbabilities("I HATE it", critic, "Lunch?"), ClassProbabilities("I HATE it", critic)
    apart = [np.asarray(Engine(dtype="float32").compute([one])[one]) for one in (with_pair, without)]
    assert np.array_equal(*apart)


def test_long_texts_are_cut_and_counted(folder: Path, adapter: Path) -> None:
    engine = Engine(dtype="float32")
    critic = model(folder, adapter)
    requests = [
        ClassProbabilities("a" * (2 * MAX_TOKENS), critic, "b" * MAX_TOKENS),
        ClassProbabilities("", critic, ""),
    ]
    found = engine.compute(requests)
    assert all(np.isfinite(np.asarray(found[request])).all() for request in requests)
    assert engine.truncated == 1


def test_two_adapters_are_two_models_in_a_result_file(folder: Path, adapter: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    depth, scaling, tensors = read_adapter(adapter)
    assert (depth, scaling) == (2, 8.0)
    write_adapter(other, {**tensors, "bias": tensors["bias"] + 1}, RECIPE)
    engine = Engine(dtype="float32")
    engine.compute(
        [ClassProbabilities("x", model(folder, adapter), ""), ClassProbabilities("x", model(folder, other, "b"), "")]
    )
    assert len(engine.describe()["models"]) == 2
    assert Adapter.of(adapter) != Adapter.of(other)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all"])
def test_a_file_that_is_no_adapter_is_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "adapter.safetensors"
    file.write_bytes(content)
    request = ClassProbabilities("x", model(folder, file))
    with pytest.raises(ModelError, match=r"adapter\.safetensors cannot be read as an adapter"):
        Engine(dtype="float32").compute([request])


def test_long_texts_are_read_as_if_cut_by_hand(folder: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rewards.models.causal_lm import CausalLM

    read: list[list[int]] = []
    whole = CausalLM.read

    def watching(self: CausalLM, depth: int, sequences: list[list[int]], *more: Any) -> Any:
        read.extend(sequences)
        return whole(self, depth, sequences, *more)

    monkeypatch.setattr(CausalLM, "read", watching)
    critic, half = model(folder, adapter), MAX_TOKENS // 2
    engine = Engine(dtype="float32")
    long = ClassProbabilities("a" * (2 * MAX_TOKENS), critic, "b" * MAX_TOKENS)
    found = engine.compute([long])[long]
    assert [len(tokens) <= MAX_TOKENS for tokens in read] == [True]
    by_hand = ClassProbabilities("a" * (MAX_TOKENS - half - 2), critic, "b" * half)
    np.testing.assert_array_equal(engine.compute([by_hand])[by_hand], found)
    assert read[0] == read[1]
