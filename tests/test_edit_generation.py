"""Generation with tiny models: batches change nothing, draws are each prompt's own, memory that runs out is no end."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from rewards.errors import ConfigError, ModelError
from rewards_edit.generation import Draw, Generator
from rewards_edit.policy import Ask, Files, Sampling, find, seed_of
from rewards_edit.vllm import VLLM
from tests import tiny

GREEDY, DRAWN = Sampling(0.0, 1.0, 12, 0), Sampling(1.0, 1.0, 12, 0)
TEXTS = ["a", "Only a fool likes tea.", "Coffee", "what?", "So there! (Says who?)"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.causal(tmp_path_factory.mktemp("causal"))


@pytest.fixture(scope="module")
def adapter(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(model)
    tuned: Any = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False))
    folder = tmp_path_factory.mktemp("adapter")
    tuned.save_pretrained(str(folder))
    return folder


def generator(model: Path, budget: int = 0, adapter: Path | None = None) -> Generator:
    return Generator(find(str(model), adapter), "cpu", "float32", budget)


def asks(policy: Any) -> list[Ask]:
    return [Ask(tuple(policy.tokenizer(text)["input_ids"]), seed_of(text)) for text in TEXTS]


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN, Sampling(0.7, 0.5, 12, 0)])
def test_a_completion_does_not_depend_on_its_batch(model: Path, sampling: Sampling) -> None:
    together, alone = generator(model), generator(model, budget=1)
    counted: list[int] = []
    found = together.generate(asks(together), sampling, counted.append)
    assert found == alone.generate(asks(alone), sampling, lambda _: None)
    assert found == together.generate(asks(together), sampling, lambda _: None)
    assert sum(counted) == 12 * len(TEXTS)
    assert all(answer.failed is None and 0 <= answer.tokens <= 12 for answer in found)


def test_draws_follow_the_seed_of_each_prompt(model: Path) -> None:
    policy = generator(model)
    one, same, other = Ask((5, 6), 1), Ask((5, 6), 1), Ask((5, 6), 2)
    first, second, third = policy.generate([one, same, other], DRAWN, lambda _: None)
    assert first == second != third


def test_draws_have_the_chances_of_the_model() -> None:
    scores = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).repeat(4000, 1)
    tokens = torch.zeros(4000, 3, dtype=torch.long)

    def shares(temperature: float, top_p: float) -> list[float]:
        chosen = Draw(range(4000), 3, Sampling(temperature, top_p, 1, 0))(tokens, scores)
        assert ((chosen == 0).sum(-1) == 1).all()
        return [round(float(share), 2) for share in (chosen == 0).float().mean(0)]

    assert shares(1.0, 1.0) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)
    assert shares(0.5, 1.0) == pytest.approx([0.685, 0.247, 0.062, 0.007], abs=0.03)
    assert shares(1.0, 0.7) == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)
    assert shares(1.0, 0.1) == [1, 0, 0, 0]


def test_a_batch_that_runs_out_of_memory_is_halved(model: Path) -> None:
    small = generator(model)
    expected = small.generate(asks(small), GREEDY, lambda _: None)
    generate, sizes = small._model.generate, []

    def full(input_ids: torch.Tensor, **given: Any) -> Any:
        sizes.append(len(input_ids))
        if len(input_ids) > 2 or input_ids.shape[1] > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(input_ids=input_ids, **given)

    small._model.generate = full
    found = small.generate(asks(small), GREEDY, lambda _: None)
    assert sizes == [5, 2, 1, 1, 3, 1, 2]
    failed = [answer.failed for answer in found]
    assert [reason is None for reason in failed] == [True, False, True, True, False]
    assert failed[1] == "out of memory: CUDA out of memory"
    assert [f for f, reason in zip(found, failed, strict=True) if not reason] == [expected[i] for i in (0, 2, 3)]


def test_scores_that_are_not_numbers_fail_the_prompts_that_give_them(model: Path) -> None:
    policy = generator(model)
    policy._load()
    with torch.no_grad():
        policy._model.get_input_embeddings().weight[policy.tokenizer.convert_tokens_to_ids("?")] = torch.nan
    found = policy.generate(asks(policy), Sampling(1.0, 1.0, 1, 0), lambda _: None)
    assert [answer.failed is None for answer in found] == ["?" not in text for text in TEXTS]
    assert "FloatingPointError: its scores are not numbers" in str(found[3].failed)


def test_an_answer_ends_where_the_model_ends_it(model: Path) -> None:
    policy = generator(model)
    policy.generate(asks(policy)[:1], GREEDY, lambda _: None)
    assert policy._ends == [2]
    answer = policy._answer([10, 11, 2, 12, 13])
    assert (answer.text, answer.tokens, answer.finish) == (policy.tokenizer.decode([10, 11]), 2, "stop")
    assert policy._answer([10, 11]).finish == "length"
    assert policy.window == 2048


def test_an_adapter_changes_what_is_said(model: Path, adapter: Path) -> None:
    plain, tuned = generator(model), generator(model, adapter=adapter)
    assert plain.generate(asks(plain), GREEDY, lambda _: None) != tuned.generate(asks(tuned), GREEDY, lambda _: None)
    files = find(str(model), adapter)
    assert files.full_name == f"{model} + {adapter}"
    assert files.describe()["adapter"]["digest"] != files.digest


def test_an_adapter_of_another_base_is_said(
    model: Path, adapter: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "adapter"
    copy.mkdir()
    for path in adapter.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    stated = json.loads((copy / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps({**stated, "base_model_name_or_path": "some/other"}))
    other = generator(model, adapter=copy)
    other.generate(asks(other)[:1], GREEDY, lambda _: None)
    assert "was trained on some/other, but is applied to" in caplog.text


def test_models_that_are_none(model: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"is an adapter; give it as --adapter, and its base: --model {model}"):
        find(str(adapter), None)
    with pytest.raises(ConfigError, match=r"no adapter_config\.json there; expected a folder that PEFT wrote"):
        find(str(model), tmp_path)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "adapter_config.json").write_text("{}")
    (pickled / "adapter_model.bin").write_bytes(b"no")
    with pytest.raises(
        ModelError, match=r"no adapter_model\.safetensors but adapter_model\.bin; pickled weights can run"
    ):
        find(str(model), pickled)
    with pytest.raises(ModelError, match=r"no-such-folder.*neither an existing folder nor a hub id"):
        find("./no-such-folder/x/y", None)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="cannot be loaded"):
        generator(broken)


def test_vllm_says_when_it_is_not_there(model: Path) -> None:
    if importlib.util.find_spec("vllm"):
        pytest.skip("it is there")
    with pytest.raises(ConfigError, match="vLLM is not installed"):
        VLLM(Files("x", model, "0"), "auto", 0)


@pytest.mark.parametrize(("stated", "rank"), [({"r": 8}, 16), ({"r": 16, "rank_pattern": {"q_proj": 40}}, 64)])
def test_vllm_is_told_the_rank_of_an_adapter(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: dict[str, Any], rank: int
) -> None:
    """With a stand-in for vLLM, which makes room for rank 16 unless it is told otherwise."""
    told: dict[str, Any] = {}
    config = SimpleNamespace(max_model_len=64, dtype=torch.bfloat16)
    engine = SimpleNamespace(model_config=config, add_lora=lambda request: told.setdefault("added", request))

    def load(**given: Any) -> SimpleNamespace:
        told.update(given)
        return SimpleNamespace(llm_engine=engine)

    platforms = SimpleNamespace(current_platform=SimpleNamespace(device_type="cuda"))
    stand_in = SimpleNamespace(__version__="1.2", LLM=load, platforms=platforms)
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    monkeypatch.setitem(sys.modules, "vllm.lora.request", SimpleNamespace(LoRARequest=lambda *given: given))
    (tmp_path / "adapter_config.json").write_text(json.dumps(stated), encoding="utf-8")
    loaded = VLLM(Files("x", model, "0", tmp_path, "1"), "auto", 0)
    assert (loaded.backend, loaded.device, loaded.dtype, loaded.window) == ("vllm 1.2", "cuda", "bfloat16", 64)
    assert told["max_lora_rank"] == rank
    assert told["added"] == ("adapter", 1, str(tmp_path))
