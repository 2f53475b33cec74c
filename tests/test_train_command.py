"""Recipes and what is said before a run: names, keys, types, data, `--dry-run`."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import requests
import yaml
from matplotlib.figure import Figure

import rewards
from rewards import prompts
from rewards.cli import build
from rewards.engine.engine import Engine
from rewards.errors import ConfigError, RewardsError
from rewards.suite import load_suite
from rewards_train import (
    ahead,
    callbacks,
    card,
    curves,
    data,
    dry_run,
    extras,
    fields,
    folder,
    launch,
    opening,
    pairs,
    policy,
    recipe,
    resuming,
    run,
    sft,
    sharding,
)
from rewards_train.adapter import RewardPlan
from rewards_train.losses import Budget
from rewards_train.recipe import Data, Recipe
from tests import tiny
from tests.conftest import command, write_lines


def test_every_recipe_resolves_and_opens_with_its_command() -> None:
    assert {"smoke", "small", "grpo_global_v3_sentence", "grpo_edit_v11", "grpo_edit"} <= set(recipe.names())
    for name in recipe.names():
        text = recipe.path_of(name).read_text(encoding="utf-8")
        assert text.startswith(f"# rewards train {name}")
        found = recipe.resolve(name)
        assert found.out == f"runs/{name}"
        assert found.grpo["loss_type"] == "dr_grpo"


def test_the_seed_has_every_hyper_parameter() -> None:
    found = recipe.resolve("grpo_global_v3_sentence")
    assert (found.model, found.format, found.suite) == (
        "unsloth/Llama-3.1-8B-Instruct", "tracked_changes", "grpo_global_v3_sentence",
    )  # fmt: skip
    assert found.lora == {"r": 16, "lora_alpha": 32, "lora_dropout": 0.1, "target_modules": ["q_proj", "v_proj"]}
    wanted: dict[str, Any] = {
        "loss_type": "dr_grpo", "scale_rewards": "none", "beta": 0.001857, "learning_rate": 5e-6,
        "optim": "paged_adamw_8bit", "bf16": True, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 8,
        "num_generations": 8, "max_completion_length": 1024, "mask_truncated_completions": True,
        "disable_dropout": True, "use_vllm": True, "vllm_mode": "colocate", "eval_steps": 100, "num_train_epochs": 3,
        "use_bias_correction_kl": False, "vllm_importance_sampling_correction": False,  # later additions to TRL
    }  # fmt: skip
    assert {key: found.grpo[key] for key in wanted} == wanted
    assert found.grpo["lr_scheduler_type"] == "cosine"
    assert (found.data.max_prompt_tokens, found.processes) == (2048, 4)


def test_overrides_find_their_place() -> None:
    found = recipe.resolve(
        "smoke",
        ["learning_rate=5e-6", "r=4", "lora.lora_dropout=0.2", "data=mine.jsonl", "max_sentences=2", "sft.args.seed=7",
         "settings.format.weight=0.3", "models.fluency=folder", "reward_device=cpu", "use_vllm=true"],
    )  # fmt: skip
    assert found.grpo["learning_rate"] == 5e-6
    assert found.grpo["use_vllm"] is True
    assert found.lora == {"r": 4, "lora_alpha": 32, "target_modules": "all-linear", "lora_dropout": 0.2}
    assert (found.data.train, found.data.max_sentences) == ("mine.jsonl", 2)
    assert found.sft is not None
    assert found.sft.args["seed"] == 7
    assert (found.settings, found.models) == ({"format": {"weight": 0.3}}, {"fluency": "folder"})
    assert found.reward_device == "cpu"


def test_the_home_folder_is_meant_by_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    text = recipe.path_of("smoke").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert recipe.resolve("~/mine.yaml", ["out=~/runs/{recipe}"]).out == str(tmp_path / "runs" / "mine")


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("smok", "", r"no recipe is called 'smok' \(did you mean 'smoke'\?\)"),
        ("missing.yaml", "", "missing.yaml: no such file"),
        ("smoke", "learning_rat=1", r"unknown key 'learning_rat' \(did you mean 'learning_rate'\?\)"),
        ("smoke", "lora.lora_alfa=1", r"unknown key 'lora.lora_alfa' \(did you mean 'lora_alpha'\?\)"),
        ("smoke", "grpo.tempertaure=1", r"did you mean 'temperature'"),
        ("smoke", "sft.args.max_lenght=1", r"unknown key 'sft.args.max_lenght' \(did you mean 'max_length'\?\)"),
        ("smoke", "rewards=bertscore", r"rewards: Input should be a valid list .*; one is a list too: \[bertscore\]"),
        ("smoke", "dat.train=x", r"unknown key 'dat.train' \(did you mean 'data'\?\)"),
        ("smoke", "data.trian=x", r"unknown key 'data.trian' \(did you mean 'train'\?\)"),
        ("smoke", "learning_rate=fast", r"grpo.learning_rate: Input should be a valid number"),
        ("smoke", "num_generations=2.5", "grpo.num_generations: "),
        ("smoke", "reward_weights=[1]", "cannot be set: the weights are the suite's"),
        ("smoke", "grpo.output_dir=x", "cannot be set: `out` says where"),
        ("smoke", "trust_remote_code=true", "code from a hub is never run"),
        ("smoke", "grpo.model_init_kwargs={trust_remote_code: true}", "cannot be set: `model` and `dtype` say how"),
        ("smoke", "hub_token=hf_secret", "a recipe is written into the run's folder; set HF_TOKEN"),
        ("smoke", "learning_rate", "expected key=value"),
        ("smoke", "learning_rate=", "'learning_rate=': expected key=value"),
        (
            "smoke",
            "max_steps=true",
            r"grpo\.max_steps: Input should be a number; on, yes and true are truth values in YAML",
        ),
        (
            "smoke",
            "data.limit=yes",
            r"smoke\.yaml, with data\.limit=yes: data\.limit: Input should be a number; on, yes",
        ),
        ("smoke", "=1", "'=1': expected key=value"),
        ("missing.yml", "", "missing.yml: no such file"),
        ("smoke", "trainer=ppo", "trainer: "),
        ("smoke", "model.x=1", "'model' has no keys"),
        ("smoke", "dtype=bfloat16", "mostly rounded away; give sft.lora=null"),
        ("grpo_edit_v11", "save=merged", "mostly rounded away; give save=adapter"),
    ],
)
def test_what_does_not_fit_is_named(name: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe.resolve(name, [override] if override else [])


def test_a_recipe_that_is_no_utf_8_is_told_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(b"model: x\ndescription: caf\xe9\n")
    for read in (recipe.text_of, recipe.resolve):
        with pytest.raises(ConfigError, match=r"own\.yaml cannot be read: line 2 is not UTF-8; save the file in UTF-8"):
            read(str(tmp_path / "own.yaml"))


@pytest.mark.parametrize(
    ("override", "kind", "stages", "message"),
    [
        ("deepspeed=zero3.json", "", ["grpo"], "cannot be folded into weights that grpo.deepspeed spreads; give save=adapter"),
        ("fsdp=full_shard", "", ["grpo"], "that grpo.fsdp spreads"),
        ("beta=0", "FSDP", ["grpo"], r"--accelerate-config .*FSDP.yaml \(distributed_type FSDP\) spreads"),
        ("beta=0", "DEEPSPEED", ["sft", "grpo"], "DEEPSPEED.: the warm start is saved by one process"),
        ("sft.args.fsdp=full_shard", "", ["sft"], "sft.args.fsdp: .*without .the same command with --sft., then .*--resume"),
    ],
)  # fmt: skip
def test_what_a_sharded_policy_cannot_do_is_said_first(
    override: str, kind: str, stages: list[str], message: str, tmp_path: Path
) -> None:
    config = tmp_path / f"{kind}.yaml" if kind else None
    if config is not None:
        config.write_text(f"distributed_type: {kind}\nnum_processes: 2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        run.check(recipe.resolve("smoke", [override]), stages, config)
    sharding.check(recipe.resolve("smoke", [override, "save=adapter"]), ["grpo"], config)
    sharding.check(recipe.resolve("smoke", [override, "lora=null"]), ["grpo"], config)


def test_several_machines_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "two.yaml"
    config.write_text("distributed_type: MULTI_GPU\nnum_machines: 2\nnum_processes: 16\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="num_machines 2: a run is started on one machine"):
        run.check(recipe.resolve("smoke"), ["grpo"], config)


def test_only_a_kind_that_shards_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "ddp.yaml"
    config.write_text("distributed_type: MULTI_GPU\n", encoding="utf-8")
    sharding.check(recipe.resolve("smoke"), ["sft", "grpo"], config)


NO_DATE = "---\nlicense: mit\ndate: 2024-02-30\n---\n"


def test_the_licence_of_a_base_is_read_beside_its_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert policy.licence("smollm2-135m-instruct") == {"license": "apache-2.0"}
    assert policy.licence(str(tmp_path)) == {}
    assert policy.licence(str(tmp_path / "gone")) == {}
    (tmp_path / "LICENSE.txt").write_text("\n  Community Licence, version 3\n\nYou may.\n", encoding="utf-8")
    stated = {"license": "other", "license_name": "Community Licence, version 3"}
    assert policy.licence(str(tmp_path)) == stated
    card = tmp_path / "README.md"
    for head in (
        "# No front matter\n",
        "---\nlicense: [\n---\n",
        "---\nlicense: unknown\n---\n",
        "---\n- a\n---\n",
        NO_DATE,
    ):
        card.write_text(head, encoding="utf-8")
        assert policy.licence(str(tmp_path)) == stated
    card.write_text(
        "---\nlicense: other\nlicense_name: llama3.1\nlicense_link: LICENSE\ntags: [x]\n---\n# A model\n",
        encoding="utf-8",
    )
    assert policy.licence(str(tmp_path)) == {"license": "other", "license_name": "llama3.1"}
    card.write_text("---\nlicense: other\nlicense_link: https://a.org/l\n---\n", encoding="utf-8")
    assert policy.licence(str(tmp_path)) == {"license": "other", "license_link": "https://a.org/l"}


def test_a_model_card_of_strangers_holds_nothing_up(tmp_path: Path) -> None:
    """Neither by a run of line breaks, which was read from each of its places on, nor by aliases that copy."""
    bomb = "\n".join(f"a{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}]}}" for n in range(40))
    for text in ("---" + "\n" * 1_000_000, f"---\na0: &a0 {{k: 1}}\n{bomb}\n---\n"):
        (tmp_path / "README.md").write_text(text, encoding="utf-8")
        assert policy._front_matter(tmp_path / "README.md") == {}


def test_vllm_reserves_memory_for_what_is_read_and_written() -> None:
    assert run.context(recipe.resolve("grpo_edit")) == {"vllm_max_model_length": 2048 + 1024}
    silent = recipe.resolve("grpo_edit")
    silent = silent.model_copy(update={"grpo": {"use_vllm": True}})
    assert run.context(silent) == {"vllm_max_model_length": 2048 + 512}  # what TRL generates where nothing is said
    assert run.context(recipe.resolve("grpo_edit", ["max_prompt_tokens=null"])) == {}
    assert run.context(recipe.resolve("smoke")) == {}


def test_vllm_generates_for_a_policy_in_training_on_gpus_only() -> None:
    chosen = recipe.resolve("smoke", ["use_vllm=true", "use_cpu=true"])
    with pytest.raises(ConfigError, match=r"grpo.use_vllm: on a CPU .* give use_vllm=false"):
        run.check_vllm(chosen, ["sft", "grpo"])
    run.check_vllm(chosen, ["sft"])
    run.check_vllm(recipe.resolve("smoke"), ["grpo"])


def test_memory_that_vllm_lacks_is_no_wrong_setting() -> None:
    problem = "To serve at least one request, 16.0 GiB KV cache is needed. See https://docs.vllm.ai"
    lacks = pytest.raises(RewardsError, match="out of memory .*KV cache.*Lower .*vllm_max_model_length")
    with lacks, policy.memory(), extras.refusals("GRPOConfig"):
        raise ValueError(problem)
    with pytest.raises(ConfigError, match=r"If it is not installed: pip install 'trl\[vllm\]'"), extras.refusals("x"):
        raise ImportError("vLLM is not available")


@pytest.mark.parametrize(
    "error",
    [  # as TRL 1.16 was seen to raise them before servers that were not there, or not started as it wants them
        requests.exceptions.ConnectionError("The vLLM server can't be reached at http://0.0.0.0:8000 after 240 seconds."),
        RuntimeError("The vLLM server at http://0.0.0.0:8000 does not expose its development endpoints. Restart it with"),
        Exception("Request failed: 404, Not Found"),
    ],
)  # fmt: skip
def test_a_server_of_vllm_that_fails_is_no_bug(error: Exception) -> None:
    with pytest.raises(ConfigError, match=f"GRPOConfig: {error}"), extras.refusals("GRPOConfig"):
        raise error
    with pytest.raises(RewardsError, match=f"vLLM's server failed: {error}. Start it again; --resume"), extras.server():
        raise error
    with pytest.raises(RuntimeError, match="something else"), extras.refusals("x"), extras.server():
        raise RuntimeError("something else")


def test_where_a_server_of_vllm_is_waited_for() -> None:
    chosen = recipe.resolve("smoke")
    config = SimpleNamespace(
        generation_batch_size=8, num_generations=4, max_steps=1, learning_rate=1e-4, use_vllm=True, vllm_mode="server",
        vllm_server_base_url=None, vllm_server_host="gpu-2", vllm_server_port=8000, vllm_server_timeout=240.0,
        device=SimpleNamespace(type="cpu"),
    )  # fmt: skip
    lines = opening.summary(chosen, load_suite("default"), config)
    assert lines[-1] == "vLLM       the server at http://gpu-2:8000, which is waited for 240 s at most"
    config.vllm_server_base_url = "https://gpu-2/vllm"
    assert "the server at https://gpu-2/vllm, which" in opening.summary(chosen, load_suite("default"), config)[-1]
    config.vllm_mode = "colocate"
    lines = opening.summary(chosen, load_suite("default"), config)
    assert not any(line.startswith(("vLLM", "warning")) for line in lines)
    config.device.type = "mps"  # as transformers chooses on a Mac, unless it is told otherwise
    told = " ".join(" ".join(opening.summary(chosen, load_suite("default"), config)).split())
    assert "warning the policy trains on mps, where this project has run nothing. " in told
    assert told.endswith("use_cpu=true trains on the CPU")


def test_what_a_run_is_about_to_do_is_said_before_it_begins() -> None:
    def good(edits: list[rewards.Edit]) -> list[float]:
        """One."""
        return [1.0 for _ in edits]

    def reward(name: str, **more: Any) -> rewards.Reward:
        return rewards.reward(level="edit", range=(0, 1), name=name, threshold=0.5, **more)(good)

    given: dict[str, dict[str, Any]] = {
        "high": {"gate": True, "weight": 0.5, "threshold": 2 / 3},
        "low": {"gate": True},
    }
    suite = rewards.suite_of([reward("high"), reward("low", higher_is_better=False), reward("seen")], settings=given)
    config = SimpleNamespace(
        generation_batch_size=2048, num_generations=4, max_steps=-1, num_train_epochs=1.0, learning_rate=0.00001,
        use_vllm=False, vllm_mode="server", device=SimpleNamespace(type="cpu"),
    )  # fmt: skip
    changed = ["settings.high.weight=0.5", "settings.low.gate=true", "lora={}"]
    assert opening.summary(recipe.resolve("smoke", changed), suite, config) == [
        "policy     smollm2-135m-instruct, LoRA of rank 8, after a warm start; it answers in format compact",
        "trainer    GRPO, 1 epoch(s) at learning rate 1e-05; 2,048 completions are generated together, 4 for each of 512",
        "           prompt(s)",
        "suite      custom pays high 0.5; accepts edits by high ≥ 0.6667, low ≤ 0.5; measures seen",
        "settings   high.weight 0.5, low.gate True",
    ]
    config.max_steps = 1200
    told = opening.summary(recipe.resolve("smoke", ["lora={r: 4}"]), suite, config)
    assert "LoRA of rank 4," in told[0]
    assert "GRPO, 1,200 step(s) at" in told[1]
    told = opening.summary(recipe.resolve("smoke", ["lora=null", "sft=null", "trainer=rloo", "grpo={}"]), suite, config)
    assert told[0] == "policy     smollm2-135m-instruct, every weight; it answers in format compact"
    assert told[1].startswith("trainer    RLOO, ")


@pytest.mark.parametrize(
    ("optimizer", "asks"),
    [
        ("adamw_torch", False), ("adamw_torch_8bit", False), ("adafactor", False), ("paged_adamw_32bit", True),
        ("adamw_bnb_8bit", True), ("lion_32bit", True), ("rmsprop_bnb", True), ("ademamix", True),
    ],
)  # fmt: skip
def test_optimizers_that_need_bitsandbytes(optimizer: str, asks: bool) -> None:
    for override in (f"optim={optimizer}", f"sft.args.optim={optimizer}"):
        assert ("bitsandbytes" in extras.needed(recipe.resolve("smoke", [override]))) is asks


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sync_ref_model=true", "sync_ref_model: the reference that moves is in no checkpoint"),
        ("ignore_data_skip=true", "ignore_data_skip: a resumed run would begin its epoch's data again"),
        ("save_only_model=true", "grpo.save_only_model: without the optimizer"),
        ("save_strategy=no", "save_strategy must be steps, not no"),
        ("eval_strategy=epoch", "eval_strategy must be steps, not epoch: .*give eval_strategy=steps, and eval_steps"),
    ],
)
def test_what_could_not_go_on_exactly_is_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run.trainer_config(recipe.resolve("smoke", [override, "beta=0.1"]), tmp_path, [1.0], evaluates=True)
    for setting, value, told in (
        ("save_only_model", True, "without the optimizer"),
        ("ignore_data_skip", True, "a resumed run would begin"),
        ("save_total_limit", 1, "must be at least 2"),
    ):
        stage = {"ignore_data_skip": False, "save_only_model": False, "save_total_limit": None, setting: value}
        with pytest.raises(ConfigError, match=rf"sft\.args\.{setting}:? {told}"):
            resuming.check_stage(SimpleNamespace(**stage), "sft.args")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["adam_beta1=2"], "grpo: the optimizer or its schedule is refused: Invalid beta parameter at index 0: 2"),
        (["optim=sgd", "optim_args='momentum=-3'"], "Invalid momentum value"),
        (["lr_scheduler_type=cosine_with_min_lr"], "One of min_lr or min_lr_rate should be set"),
        (["lr_scheduler_type=cosine", "lr_scheduler_kwargs={x: 1}"], "unexpected keyword argument 'x'"),
    ],
)
def test_what_an_optimizer_refuses_is_found_with_the_settings(
    tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run.trainer_config(recipe.resolve("smoke", overrides), tmp_path, [1.0], evaluates=True)


def test_an_adapter_of_a_float32_policy_is_trained_without_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    import transformers.utils.import_utils as available

    from rewards.engine import device

    assert run.precision({}, "bfloat16", None) == {"bf16": False}  # no GPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(available, "is_torch_tf32_available", lambda: True)
    monkeypatch.setattr(device, "pick_dtype", lambda *_: "bfloat16")
    assert run.precision({}, "float32", {"r": 8}) == {"bf16": False, "tf32": True}
    assert run.precision({}, "float32", None) == run.precision({}, "bfloat16", {"r": 8}) == {"bf16": True}
    assert run.precision({"bf16": True}, "float32", {"r": 8}) == {}
    assert run.precision({"use_cpu": True}, "float32", {"r": 8}) == {"bf16": False}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert run.reward_plan(recipe.resolve("smoke"), 1).device == "cpu"  # as the recipe says: on a CPU
    assert run.reward_plan(recipe.resolve("smoke", ["use_cpu=false"]), 3).device == "cuda:1"


@pytest.mark.parametrize(
    ("fsdp", "asked", "kind"), [("", "", "MULTI_GPU"), ("full_shard", "", "FSDP"), ("", "true", "FSDP")]
)
def test_a_run_notes_how_its_processes_share_the_work(
    monkeypatch: pytest.MonkeyPatch, fsdp: str, asked: str, kind: str
) -> None:
    """As accelerate's launcher asks for FSDP; the state of several GPUs is called the same with and without."""
    monkeypatch.setenv("ACCELERATE_USE_FSDP", asked)
    state = SimpleNamespace(distributed_type=SimpleNamespace(value="MULTI_GPU"))
    assert run.distribution(SimpleNamespace(fsdp=fsdp, distributed_state=state)) == kind


def test_weights_under_an_adapter_come_back_from_vllm_to_the_bit(tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from rewards_train.syncing import keep_base

    torch.manual_seed(1)
    plain: Any = AutoModelForCausalLM.from_pretrained(tiny.causal(tmp_path), dtype=torch.bfloat16, attention_bias=True)
    model: Any = get_peft_model(
        plain, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, lora_bias=True)
    )

    def send() -> None:  # as TRL does
        model.merge_adapter()
        sent.append(weight().clone())
        model.unmerge_adapter()

    def weight() -> torch.Tensor:
        found: torch.Tensor = model.base_model.model.model.layers[0].self_attn.q_proj.base_layer.weight
        return found

    sent: list[torch.Tensor] = []
    before = weight().clone()
    send()
    assert not weight().equal(before)  # why it is needed
    weight().data.copy_(before)
    trainer = SimpleNamespace(vllm_generation=SimpleNamespace(model=model, sync_weights=send))
    keep_base(trainer)
    for _ in range(2):
        trainer.vllm_generation.sync_weights()
        assert weight().equal(before)
    assert not sent[-1].equal(before)
    assert sent[-1].equal(sent[0])
    keep_base(SimpleNamespace())  # without vLLM
    other = SimpleNamespace(vllm_generation=SimpleNamespace(model=torch.nn.Linear(2, 2), sync_weights=send))
    keep_base(other)
    assert other.vllm_generation.sync_weights is send


def test_one_process_leaves_other_gpus_alone_and_several_have_one_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run.trainer_config(recipe.resolve("smoke"), tmp_path, [1.0], evaluates=False)
    config._n_gpu = 4
    assert run.on_one_device(config).n_gpu == 1
    monkeypatch.setattr(launch, "_gpus", lambda: 2)
    monkeypatch.setattr(launch, "_start", lambda *_: pytest.fail("nothing is started"))
    with pytest.raises(ConfigError, match=r"4 processes, and this machine shows 2 GPU\(s\): give --num-processes 2"):
        launch._run_stage("grpo", tmp_path, launch.Launch(4), resume=False, on_cpu=False)
    started: list[list[str]] = []
    monkeypatch.setattr(launch, "_start", lambda command, _: started.append(list(command)))
    monkeypatch.setattr(launch, "_wait", lambda *_: None)
    for stated in (None, 16):  # a file of accelerate says how many, unless the command line does
        launch._run_stage("grpo", tmp_path, launch.Launch(stated, tmp_path / "a.yaml"), resume=False, on_cpu=False)
    assert ["--num_processes" in one for one in started] == [False, True]
    assert started[1][started[1].index("--num_processes") + 1] == "16"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for overrides, told in (
        ([], [True, True]), (["sft.args.use_cpu=false"], [False, True]), (["use_cpu=false"], [True, False]),
    ):  # fmt: skip
        assert [launch._on_cpu(recipe.resolve("smoke", overrides), stage) for stage in launch.STAGES] == told
    assert not launch._on_cpu(recipe.resolve("grpo_edit"), "grpo")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert launch._on_cpu(recipe.resolve("grpo_edit"), "grpo")


def test_processes_of_a_run_import_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, str | None]] = []
    monkeypatch.setattr(
        launch, "_start", lambda command, more: started.append((command[1], more.get("PYTHONSAFEPATH")))
    )
    monkeypatch.setattr(launch, "_wait", lambda *_: None)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    for asked in (launch.Launch(2), launch.Launch(2, tmp_path / "a.yaml"), launch.Launch(1, tmp_path / "a.yaml")):
        launch._run_stage("grpo", tmp_path, asked, resume=False, on_cpu=True)
    assert started == [("-P", None)] * 2 + [("-P", "1")] * 2  # accelerate's own processes get none of its options


def test_a_process_of_a_run_has_the_environment_and_a_session_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import json, os, sys; known = [os.environ.get(name) for name in ('GIVEN', 'MORE', 'REWARDS_LAUNCHER')];"
        " open(sys.argv[1], 'w').write(json.dumps([*known, os.getsid(0) == os.getpid()]))"
    )
    monkeypatch.setenv("GIVEN", "by the user")
    launch._start([sys.executable, "-c", code, str(tmp_path / "told")], {"MORE": "by us"}).wait()
    assert json.loads((tmp_path / "told").read_text()) == ["by the user", "by us", str(os.getpid()), True]


def test_several_processes_need_a_system_that_ends_them_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "killpg")  # as on Windows
    started: list[Any] = []
    monkeypatch.setattr(launch, "_run_stages", lambda *given: started.append(given[2]))
    chosen = recipe.resolve("smoke", [f"out={tmp_path / 'out'}"])
    for several in (launch.Launch(2), launch.Launch(None, tmp_path / "a.yaml"), launch.Launch(1, tmp_path / "a.yaml")):
        with pytest.raises(ConfigError, match="several processes are not started on Windows, .* run it in WSL"):
            launch.run(chosen, several, resume=False)
    assert not (tmp_path / "out").exists()
    launch.run(chosen, launch.Launch(), resume=False)
    assert started == [launch.Launch()]


def test_an_adapter_names_a_base_that_loads_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llama").mkdir()

    def named(*overrides: str) -> str:
        config = SimpleNamespace(base_model_name_or_path="as PEFT says")
        policy.name_base(SimpleNamespace(peft_config={"default": config}), recipe.resolve("grpo_edit", overrides))
        return str(config.base_model_name_or_path)

    assert named() == recipe.resolve("grpo_edit").model
    assert named("model=llama") == str(tmp_path / "llama")
    assert named("model=smollm2-135m-instruct") == "as PEFT says"
    assert named("model=llama", "sft.data=pairs.jsonl") == "warm-start"


def test_the_quick_start_asks_as_training_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = recipe.resolve("grpo_edit")
    assert "tokenizer_encode_kwargs" not in card.quick_start(found, tmp_path)
    monkeypatch.setattr(card, "ISSUE", 'A """quoted""" one?')
    for name in ("compact", "tracked_changes"):  # of which one asks with backslashes
        chosen = recipe.resolve("smoke", [f"format={name}", "max_completion_length=77"])
        program = re.search(r"```python\n(.*?)```", card.quick_start(chosen, tmp_path), re.DOTALL)
        assert program
        asked = ast.parse(program[1]).body[1]
        assert isinstance(asked, ast.Assign)
        assert ast.literal_eval(asked.value) == prompts.messages(name, card.ISSUE, card.SENTENCES)[0]["content"]
        assert "generator(text + '\\n\\n', max_new_tokens=77, return_full_text=False)" in program[1]
    anything = recipe.resolve("smoke", ["max_completion_length=null"])
    assert "max_new_tokens=512," in card.quick_start(anything, tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{% if enable_thinking %}<think>{% endif %}", encoding="utf-8")
    text = card.quick_start(found, tmp_path)
    assert "generator([{'role': 'user', 'content': text}], max_new" in text
    assert "tokenizer_encode_kwargs={'enable_thinking': False}" in text
    assert "or put the folder's name in the place of" in text
    assert "or put" not in card.quick_start(recipe.resolve("grpo_edit", ["sft.data=x", "dtype=float32"]), tmp_path)
    assert "or put" in card.quick_start(recipe.resolve("smoke"), tmp_path)


WORKER = """
import os, time
from rewards_train import launch

parent = os.getppid()
print("at work", flush=True)
while LATE and os.getppid() == parent:
    time.sleep(0.05)
launch.watch_launcher()
time.sleep(99)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a killed process counts as gone once it is waited for")
@pytest.mark.parametrize(("late", "through"), [(False, []), (True, []), (False, ["sh", "-c", '"$@"; exit $?', "sh"])])
def test_a_worker_ends_with_a_launcher_that_is_killed(late: bool, through: list[str]) -> None:
    """`late`: the worker has not looked at its parent yet; `through`: it was started by what the launcher started."""
    started = [*through, sys.executable, "-c", WORKER.replace("LATE", str(late))]
    program = f"from rewards_train import launch; launch._start({started!r}, {{}}).wait()"
    launcher = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == b"at work\n"
    launcher.kill()
    began = time.monotonic()
    assert launcher.stdout.read() == b""  # the pipe ends with the last process that holds it
    assert time.monotonic() - began < 60
    launcher.communicate()


@pytest.mark.parametrize(
    ("ends", "code", "message"),
    [
        ("import sys; sys.exit(3)", 3, "the run stopped; see above"),
        (
            "import os; os.kill(os.getpid(), 9)",
            2,
            r"ended by signal 9 \(Killed\), perhaps for lack of memory: lower .*; --resume",
        ),
        ("import os; os.kill(os.getpid(), 15)", 2, r"ended by signal 15 \(Terminated\)"),  # and not by 9, as the others
    ],
)
def test_a_process_that_ends_ends_the_others_and_it_is_said_how(
    ends: str, code: int, message: str, tmp_path: Path
) -> None:
    processes = [launch._start([sys.executable, "-c", one], {}) for one in ("import time; time.sleep(99)", ends)]
    with pytest.raises(launch.LaunchFailed, match=message) as caught:
        launch._wait(processes, tmp_path)
    assert caught.value.code == code
    assert all(process.returncode is not None for process in processes)


def test_truth_values_where_trl_takes_them() -> None:
    assert recipe.resolve("smoke", ["scale_rewards=false"]).grpo["scale_rewards"] is False
    assert recipe.resolve("smoke", ["eval_strategy=no"]).grpo["eval_strategy"] == "no"
    assert recipe.resolve("smoke", ["learning_rate=0"]).grpo["learning_rate"] == 0


def test_every_field_of_the_trainers_can_be_set() -> None:
    import dataclasses

    import trl

    left = {field.name for field in dataclasses.fields(trl.GRPOConfig) if field.init} - set(fields.names("GRPOConfig"))
    assert left == set(fields.RESERVED) & {field.name for field in dataclasses.fields(trl.GRPOConfig)}
    found = recipe.resolve(
        "smoke", ["vllm_server_port=8001", "multi_objective_aggregation=normalize_then_sum", "bf16=null"]
    )
    assert found.grpo["vllm_server_port"] == 8001


def on(**given: Any) -> Recipe:
    """`smoke` on other data."""
    return recipe.resolve("smoke").model_copy(update={"data": Data(**given)})


def test_data_is_read_checked_and_split(tmp_path: Path) -> None:
    lines: list[Any] = [{"id": n, "issue": "Lunch?", "argument": f"It is short, {n}. We wait. Ask."} for n in range(10)]
    lines += [b"\n", b"no json\n", {"issue": "nothing"}, {"id": "long", "sentences": ["word " * 60, "More."]}]
    file = write_lines(tmp_path / "arguments.jsonl", *lines)
    found = data.load(on(train=str(file), eval_fraction=0.3, max_sentences=2))
    assert (len(found.train.items), len(found.eval.items), found.train.cut) == (8, 3, 10)
    assert [where for where, _ in found.train.dropped] == ["line 12", "line 13"]  # as an editor numbers them
    assert data.load(on(train=str(file), eval_fraction=0.3, max_sentences=2)) == found
    other = on(train=str(file), eval_fraction=0.3, max_sentences=2)
    other.grpo["seed"] = 5
    assert data.load(other).eval != found.eval
    assert all(len(item.sentences) <= 2 for item in found.train.items)
    assert all(" ".join(item.sentences) == item.argument for item in found.train.items)

    class Words:
        def __call__(self, text: str, **_: Any) -> dict[str, list[str]]:
            return {"input_ids": text.split()}

    short = data.load(on(train=str(file), max_prompt_tokens=80), Words())
    assert re.fullmatch(
        "its prompt has 1.. tokens, more than data.max_prompt_tokens 80", dict(short.train.dropped)["long"]
    )
    with pytest.raises(ConfigError, match=r"no usable prompt: 13 left out, 0: its prompt has 5. tokens"):
        data.load(on(train=str(file), max_prompt_tokens=3), Words())
    same = data.load(on(train=str(file), eval=str(write_lines(tmp_path / "eval.jsonl", lines[0]))))
    assert ("0", "also among the arguments to evaluate with") in same.train.dropped


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no usable prompt: it is empty"), (b"{}\n", "no usable prompt: 1 left out, line 1: argument: no text")],
)
def test_data_without_a_prompt(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        data.load(on(train=str(path)))
    with pytest.raises(ConfigError, match="no such file"):
        data.load(on(train=str(tmp_path / "gone.jsonl")))
    with pytest.raises(ConfigError, match="give data=FILE"):
        data.load(on())


def test_a_folder_of_datasets(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    rows = Dataset.from_list([{"issue": "Lunch?", "argument": "It is short.", "id": "one"}])
    DatasetDict({"test": rows}).save_to_disk(tmp_path / "saved")
    found = data.load(on(train=str(tmp_path / "saved"), split="test"))
    assert [(item.id, item.argument) for item in found.train.items] == [("one", "It is short.")]
    with pytest.raises(ConfigError, match="split 'train'"):
        data.load(on(train=str(tmp_path / "saved")))


def test_shipped_examples_are_pairs_that_change_something() -> None:
    read = sft.read_pairs(recipe.resolve("smoke"))
    found, dropped = read.found, read.dropped
    assert len(found) == 32
    assert all("exactly as compact lines" in reason for _, reason in dropped)
    assert not [
        pair
        for pair in found
        if any(len(set(map(str.strip, line.split("|")[1:]))) < 2 for line in pair.completion.split("\n"))
    ]


def test_a_rewrite_becomes_lines_that_apply() -> None:
    from rewards.records import read_revision

    text = "It is very very bad, you fool. They lie lie."
    after = "It is very bad. They err."
    revision = read_revision({"argument": text, "rewrite": after})
    lines = pairs.completion(revision, "compact")
    again = read_revision({"argument": text, "completion": lines}, format="compact")
    assert all(edit.valid and edit.changes for edit in again.edits)
    assert again.apply(range(len(again.edits))) == after
    assert pairs.completion(revision, "rewrite") == after


def test_recipe_commands(tmp_path: Path) -> None:
    listed = command("recipe", "list", fresh=True)
    assert listed.returncode == 0
    assert all(name in listed.stdout.decode() for name in recipe.names())
    shown = command("recipe", "show", "smoke", fresh=True)
    assert shown.stdout.decode() == recipe.path_of("smoke").read_text(encoding="utf-8")
    copied = command("recipe", "copy", "smoke", tmp_path / "mine.yaml")
    assert copied.returncode == 0
    head = "# rewards train mine.yaml\n# Copied from the recipe smoke.\n#\n"
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8").startswith(head)
    assert recipe.resolve(str(tmp_path / "mine.yaml")).description == recipe.resolve("smoke").description
    assert command("recipe", "copy", "smoke", tmp_path / "mine.yaml").returncode == 2


def test_the_seed_dry_runs_without_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    arguments = [{"issue": "Lunch?", "argument": f"It is way too short on day {day}, duh."} for day in range(9)]
    few, file = (write_lines(tmp_path / f"{count}.jsonl", *arguments[:count]) for count in (7, 9))
    options = ["suite=" + str(_suite(tmp_path)), f"data={few}", "eval_fraction=0"]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused = r"7 argument\(s\) to train on, and 8 are answered together \(64 completions, 8 each\)"
    with pytest.raises(ConfigError, match=refused):
        build()(["train", "grpo_global_v3_sentence", *options, "--dry-run"], standalone_mode=False)
    options[1] = f"data={file}"
    capsys.readouterr()
    build()(["train", "grpo_global_v3_sentence", *options, "--dry-run"], standalone_mode=False)
    told = capsys.readouterr().out
    assert "learning_rate: 5.0e-06" in told
    assert "4 process(es): 64 completions of 8 prompt(s) are generated together, for 1 optimizer step(s)" in told
    assert "data       9 arguments to train on, 0 to evaluate with" in told
    assert "scored in" in told
    unchecked = [line for line in told.splitlines() if line.startswith("not checked: ")]
    assert "unsloth/Llama-3.1-8B-Instruct" in " ".join(unchecked)
    assert any("vllm is not installed here: pip install 'trl[vllm]'" in line for line in unchecked)
    assert any("bitsandbytes" in line for line in unchecked)
    assert "not checked: bf16, fp16 and tf32: this machine shows no GPU" in unchecked
    assert not list(tmp_path.glob("runs"))


def test_memory_counts_a_reference_the_batches_that_are_generated_at_once_and_the_size_of_heads(tmp_path: Path) -> None:
    files = tiny.causal(tmp_path / "policy")

    def memory(*overrides: str, batches: int = 1) -> dict[str, Any]:
        chosen = recipe.resolve("smoke", [f"model={files}", *overrides])
        return dict(dry_run.memory(files, chosen, 100, batches))

    adapted, whole = memory("beta=0.1"), memory("beta=0.1", "lora=null")
    assert "reference_gb" not in {**adapted, **memory("lora=null")}
    assert whole["reference_gb"] == whole["weights_gb"] == adapted["weights_gb"]
    assert memory("trainer=rloo", "lora=null", "grpo={}")["reference_gb"] == whole["weights_gb"]  # whose beta is .05
    assert memory(batches=4)["cache_gb"] == pytest.approx(4 * adapted["cache_gb"])
    assert memory("use_vllm=true")["cache_gb"] == 0
    assert whole["trained"] == whole["parameters"] > adapted["trained"]
    assert whole["weights_gb"] == 4 * whole["parameters"] / 1e9  # in float32, with two moments in it for each gradient
    assert whole["optimizer_gb"] == 3 * whole["weights_gb"]
    assert memory("dtype=bfloat16", "sft=null", "save=adapter")["weights_gb"] == adapted["parameters"] * 2 / 1e9
    rows = memory("per_device_train_batch_size=16", "beta=0.1")
    assert rows["activations_gb"] == pytest.approx(2 * adapted["activations_gb"])
    assert memory("gradient_checkpointing=true")["activations_gb"] < adapted["activations_gb"]
    assert memory("bf16=true")["activations_gb"] < adapted["activations_gb"]
    assert memory("max_completion_length=4000")["activations_gb"] > 9 * adapted["activations_gb"]
    config = json.loads((files / "config.json").read_text())
    (files / "config.json").write_text(json.dumps({**config, "head_dim": 3 * config["head_dim"]}))
    assert memory()["cache_gb"] == pytest.approx(3 * adapted["cache_gb"])


@pytest.mark.parametrize(
    ("overrides", "arguments", "fits"),
    [
        (["num_iterations=3"], 2, False),  # two steps of an epoch read 2 + 1 batches, and three batches are generated
        (["num_iterations=3"], 4, True),
        (["num_iterations=3", "max_steps=2"], 2, True),
        (["num_iterations=3", "max_steps=-1", "num_train_epochs=1"], 2, True),
        (["num_iterations=3", "max_steps=-1", "num_train_epochs=2"], 2, False),
        (["num_iterations=1"], 3, True),  # an epoch ends in the middle of a step, but no generation does
    ],
)
def test_epochs_whose_ends_would_put_checkpoints_into_a_generation(
    tmp_path: Path, overrides: list[str], arguments: int, fits: bool
) -> None:
    given = ["gradient_accumulation_steps=2", "steps_per_generation=1", "save_steps=6", "max_steps=9", *overrides]
    config = run.trainer_config(recipe.resolve("smoke", given), tmp_path, [1.0], False)
    if fits:
        run.check_size(config, arguments)
        return
    with pytest.raises(ConfigError, match=r"gradient_accumulation_steps 2: the 3 batches .* a multiple of 3"):
        run.check_size(config, arguments)


def _suite(folder: Path) -> Path:
    path = folder / "toy.yaml"
    path.write_text(json.dumps({"description": "toy", "rewards": {"format": {"weight": 1}}}), encoding="utf-8")
    return path


def test_errors_on_the_command_line_are_one_line() -> None:
    done = command("train", "smoke", "learning_rat=1")
    assert done.returncode == 2
    assert done.stderr.decode().strip() == "error: unknown key 'learning_rat' (did you mean 'learning_rate'?)"
    with pytest.raises(ConfigError, match="recipe 'grpo_edit_v11' has no warm start"):
        build()(["train", "grpo_edit_v11", "--sft"], standalone_mode=False)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("learning_rate=-1", "grpo.learning_rate must be at least 0, not -1"),
        ("sft.args.learning_rate=-1e-4", "sft.args.learning_rate must be at least 0, not -0.0001"),
        ("temperature=0", "grpo.temperature must be more than 0, not 0"),
        ("num_iterations=0", "grpo.num_iterations must be more than 0, not 0"),
        ("beta=nan", "grpo.beta must be a finite number, not nan"),
        ("epsilon_high=.inf", "grpo.epsilon_high must be a finite number, not inf"),
        ("lora.lora_dropout=nan", "lora.lora_dropout must be a finite number, not nan"),
        ("loss_type=dapoo", r"grpo.loss_type: 'dapoo' \(did you mean 'dapo'\?\) is none of grpo, dr_grpo, dapo"),
        ("loss_type=true", "grpo.loss_type: True .*is none of grpo"),
        ("sft.args.loss_type=foo", "sft.args.loss_type: 'foo' is none of nll, dft"),
        (
            "vllm_importance_sampling_mode=truncate",
            "grpo.vllm_importance_sampling_mode: 'truncate' .*is none of token_t",
        ),
        ("scale_rewards=foo", "grpo.scale_rewards: 'foo' is none of group, batch, none, true, false"),
    ],
)
def test_values_that_only_the_first_step_would_refuse(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe.resolve("smoke", [override])


def test_what_a_later_trl_takes_besides_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fields.CHOICES, "loss_type", ("dr_grpo",))
    assert recipe.resolve("smoke", ["loss_type=sapo"]).grpo["loss_type"] == "sapo"  # the field's help names it


def test_packages_that_trainers_ask_for_are_named_with_their_line() -> None:
    found = recipe.resolve(
        "smoke", ["report_to=[mlflow,comet_ml]", "sft.args.report_to=flyte", "sft.args.use_liger_kernel=true"]
    )
    assert extras.needed(found) == ["mlflow", "comet_ml", "liger_kernel", "flytekit"]
    assert extras.needed(recipe.resolve("smoke", ["report_to=all", "sft.args.report_to=none"])) == []
    found = recipe.resolve("smoke", ["deepspeed=zero2.json", "use_vllm=true", "sft.args.deepspeed={stage: 2}"])
    assert extras.needed(found) == ["vllm", "deepspeed"]
    if "liger_kernel is not" in (told := " ".join(extras.absent(["liger_kernel"]))):
        assert told == "liger_kernel is not installed here: pip install 'liger-kernel'"
    with pytest.raises(
        ConfigError, match=r"grpo.report_to: 'wandbb' \(did you mean 'wandb'\?\) is not a tracker; there are"
    ):
        extras.check_trackers("grpo", {"report_to": "wandbb"})
    from transformers.integrations import integration_utils as known

    everything = known.get_available_reporting_integrations()  # type: ignore[no-untyped-call]  # of transformers
    for given, asked in (
        ("all", everything),
        (["mlflow"], ["mlflow"]),
        ("mlflow", ["mlflow"]),
        ("none", []),
        (None, []),
    ):
        assert extras.check_trackers("grpo", {"report_to": given}) == asked


def test_packages_of_a_stage_that_is_not_run_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    for override, asking, other in (("report_to=mlflow", "grpo", "sft"), ("sft.args.report_to=mlflow", "sft", "grpo")):
        chosen = recipe.resolve("smoke", [override])
        run.check(chosen, [other])
        with pytest.raises(ConfigError, match="^mlflow is not installed here: pip install 'mlflow'$"):
            run.check(chosen, [asking])


def test_weights_and_biases_without_a_key_is_said_at_once(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    home = {"NETRC": str(tmp_path / "netrc"), "WANDB_CONFIG_DIR": str(tmp_path), "WANDB_API_KEY": ""}
    given = ["train", "smoke", f"out={tmp_path / 'out'}", "report_to=wandb"]
    done = command(*given, stdin=b"", WANDB_MODE="online", **home)
    assert done.returncode == 2, done.stderr.decode()
    told = done.stderr.decode().splitlines()[-1]
    assert told.startswith("error: grpo.report_to: wandb: No API key")
    assert told.endswith("Or set WANDB_API_KEY, or WANDB_MODE=offline, or give other trackers")
    assert not (tmp_path / "out" / "warm-start").exists()


def raised_in(error: Exception, *modules: str) -> None:
    """Raise an error in the last of these modules, called by those before."""
    code = (
        "def call(error, *modules):\n    raise error" if len(modules) == 1 else "def call(*given):\n    deeper(*given)"
    )
    names: dict[str, Any] = {"__name__": modules[0], "deeper": raised_in}
    exec(code, names)  # noqa: S102  (functions of modules that are not there)
    names["call"](error, *modules[1:])


def test_errors_of_trackers_and_of_missing_packages_are_a_users_and_others_are_not() -> None:
    failed = pytest.raises(
        RewardsError, match="report_to: a tracker failed: no key here. Set it up, or give report_to=no"
    )
    with failed, extras.optional():
        raised_in(ValueError("no\n key here"), "transformers.trainer", extras.CALLBACKS, "wandb.sdk")
    with (
        pytest.raises(ConfigError, match="x: it wants mlflow, please install.* pip install 'mlflow'"),
        extras.refusals("x"),
    ):
        raised_in(RuntimeError("it wants mlflow, please install"), extras.CALLBACKS)
    with pytest.raises(ConfigError, match="^x: wandb has no such project$"), extras.refusals("x"):
        raise ValueError("wandb has\n no such project")  # which is there
    with pytest.raises(RewardsError, match="failed: no key! Set it up"), extras.optional():
        raised_in(ValueError("no key!"), extras.CALLBACKS)
    with pytest.raises(ConfigError, match="asks for a package: install galore"), extras.optional():
        raised_in(ImportError("install galore"), "transformers.trainer")
    for error, through in (
        (ImportError("of a plugin"), ("transformers.trainer", extras.REWARDS, "transformers.utils")),
        (ImportError("of ours"), ("transformers.trainer", "rewards_train.order")),
        (ValueError("of the trainer"), ("transformers.trainer",)),
    ):
        with pytest.raises(type(error), match=str(error)), extras.optional():
            raised_in(error, *through)


def test_a_device_that_is_not_there_stops_before_a_warm_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"reward_device: device 'cuda:0': this machine shows 0 CUDA device\(s\)"):
        ahead.check_device("cuda:0", load_suite("default"))
    ahead.check_device("cuda:0", load_suite(str(_suite(tmp_path))))  # no model runs there
    ahead.check_device("cpu", load_suite("default"))


def test_a_recipe_is_checked_as_its_processes_would_have_it() -> None:
    chosen = recipe.resolve("smoke", ["processes=3", "deepspeed=zero2.json", "use_cpu=false", "tf32=true"])
    assert (
        ahead.in_one_process(chosen, 5).grpo["per_device_eval_batch_size"]
        == 5 * chosen.grpo["per_device_eval_batch_size"]
    )
    given = ahead.in_one_process(chosen, chosen.processes).grpo
    assert given["per_device_train_batch_size"] == 3 * chosen.grpo["per_device_train_batch_size"]
    assert given["use_cpu"] is True
    assert not {"deepspeed", "tf32"} & set(given)
    for name in ("[q_proj]", ".*self_attn.q_proj", "[self_attn.q_proj,nothing]", "all-linear"):
        ahead.check_lora(recipe.resolve("smoke", [f"lora.target_modules={name}"]))
    for name, told in (("[proj]", "proj; it has q_proj, k"), ("q_proj", "'q_proj', a pattern of whole names .a list")):
        with pytest.raises(ConfigError, match=f"lora.target_modules: the policy has no module {told}"):
            ahead.check_lora(recipe.resolve("smoke", [f"lora.target_modules={name}"]))
    with pytest.raises(ConfigError, match=r"lora.target_modules '\(q_proj' is no pattern"):
        ahead.check_lora(recipe.resolve("smoke", ["lora.target_modules=(q_proj"]))


def test_a_group_that_only_the_processes_of_the_option_fill_is_no_mistake(tmp_path: Path) -> None:
    given = [
        "per_device_train_batch_size=2",
        "num_generations=4",
        "gradient_accumulation_steps=1",
        f"out={tmp_path / 'out'}",
    ]
    chosen = recipe.resolve("smoke", given)
    run.check(chosen, ("sft", "grpo"), processes=2)
    with pytest.raises(ConfigError, match="num_generations"):
        run.check(chosen, ("sft", "grpo"))
    file = tmp_path / "accelerate.yaml"
    file.write_text("distributed_type: MULTI_CPU\nnum_processes: 2\n", encoding="utf-8")
    run.check(chosen, ("sft", "grpo"), file)
    with pytest.raises(ConfigError, match="num_generations"):
        run.check(chosen, ("sft", "grpo"), file, processes=1)


def test_what_decides_rewards_says_nothing_of_where_they_are_computed(tmp_path: Path) -> None:
    def stated(model: Path, dtype: Literal["float32", "bfloat16"] = "float32", **setting: Any) -> dict[str, Any]:
        engine = Engine(device="cpu", dtype=dtype, models={"fluency": str(model)})
        return resuming.rewards_of(rewards.suite_of(["fluency"], settings={"fluency": setting}, engine=engine))

    model = tiny.causal(tmp_path / "model")
    begun = stated(model)
    assert begun == json.loads(json.dumps(begun)) == stated(model, "bfloat16")
    settings: tuple[dict[str, Any], ...] = ({"weight": 1.0}, {"gate": True}, {"threshold": 0.25})
    for setting in settings:
        assert stated(model, **setting) != begun
    with (model / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert stated(model) != begun
    fitted = {
        "digest": "a",
        "settings": {"layer": 2},
        "device": "cpu",
        "fitted_on": [{"digest": "b", "dtype": "float32"}],
    }
    kept = {"digest": "a", "settings": {"layer": 2}, "fitted_on": [{"digest": "b", "fitted_on": []}]}
    assert resuming._files(fitted) == kept


def test_a_model_card_shows_what_strangers_wrote_and_obeys_none_of_it() -> None:
    text = "a <script>x</script>\n\n# head ![i](http://a) | b & \x1b[2J"
    assert card._text(text) == "a &lt;script>x&lt;/script> # head !\\[i\\](http://a) \\| b &amp; \\\\x1b\\[2J"


def test_a_card_without_held_out_numbers_says_whether_any_could_have_been(tmp_path: Path) -> None:
    item = data.Item("a", "Lunch?", "It is short.", ("It is short.",), [])
    suite, chosen = load_suite(_suite(tmp_path)), recipe.resolve("smoke")
    for held_out, told in (
        ((), "No arguments were kept apart, so"),
        ((item,), "The run did not evaluate the 1 argument(s) kept apart, so"),
    ):
        splits = data.Splits(data.Loaded((item,)), data.Loaded(held_out))
        assert told in card._evaluation(chosen, suite, splits, [{"step": 1, "reward": 0.5}], None)


def test_a_folder_called_like_an_embedded_model_is_not_said_to_be_that_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "smollm2-135m-instruct"
    chosen = recipe.resolve("smoke", [f"model={name}"])
    assert "[HuggingFaceTB/SmolLM2-135M-Instruct](https://huggingface.co/" in card._base(chosen)
    assert "base_model: HuggingFaceTB/SmolLM2-135M-Instruct" in card._front(chosen, "mine", {})
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert card._base(chosen) == f"`{name}`"
    assert "base_model" not in card._front(chosen, "mine", {})


def test_the_card_says_what_is_paid_what_gates_what_is_held_out_and_whom_to_cite(tmp_path: Path) -> None:
    @rewards.reward(level="edit", range=(0, 1), threshold=0.5)
    def one(edits: list[rewards.Edit]) -> list[float]:
        """One."""
        return [1.0 for _ in edits]

    three = [one, *(replace(one, name=name) for name in ("two", "three"))]
    suite = rewards.suite_of(three, settings={"one": {"gate": True}, "two": {"weight": 0.5}})
    told = card._suite(suite)
    for row in ("| one | edit | gate |", "| two | edit | 0.5 |", "| three | edit | held out |"):
        assert row in told
    item = data.Item("1", "", "A.", ("A.",), [])
    splits = data.Splits(data.Loaded((item,)), data.Loaded(()))
    whole = card.write(recipe.resolve("smoke"), suite, splits, tmp_path, [{"step": 1}], {})
    for text in ("GRPO, 1 step, ", " 1 argument of ", "2604.12770"):
        assert text in whole


ADAPTER = r"""---
base_model: gone
library_name: peft
model_name: a [b]
pipeline_tag: text-generation
tags:
- generated_from_trainer
- grpo
- trl
- text-editing
- argumentation
license: unknown
---

# a \[b\]

A \| b.

This model is a fine-tuned version of `gone`: it proposes edits that make an argument appropriate, in the format `compact`. It was trained with GRPO of [TRL](https://github.com/huggingface/trl) on the reward suite `custom` of appropriateness-rewards.

## Training procedure

GRPO, 2,000 steps, after a supervised warm start; trained: LoRA, r 4, lora_alpha 8. 2 arguments of `arguments.jsonl`. The whole recipe is in [recipe.yaml](recipe.yaml); what was earned for every completion in [rewards.parquet](rewards.parquet). These are the weights after step 1,000, whose `eval_reward` is the best.

| setting | value |
|---|---|
| learning_rate | 1e-05 |
| seed | 1 |

![curves](curves.png)

## Rewards

these rewards alone. What has a weight is paid; a gate says which edits are accepted; what is held out is only measured.

| reward | level | weight | accepts an edit | measures |
|---|---|---|---|---|
| carded | edit | gate, weight 0.5 | ≥ 0.5 | A \| b. |
| bare | edit | held out |  | A \| b. |

What they rest on (`rewards show NAME` says all of it):

- `carded`: How short. Data: A corpus, CC0; more.jsonl, licence not stated.
  - It &lt;errs>.
  - LONG…

## Evaluation

Means over 1,200 arguments of `held-out` that training did not see, sampled as in training.

| | step 0 | step 1000 |
|---|---|---|
| reward | 0.2500 | 1.0000 |
| completions with an accepted edit | – | 0.1250 |
| bare (held out) | – | – |

## Framework versions

- trl: 1.16.0
- torch: 2
"""  # noqa: E501  (lines of the card)
WHOLE = r"""---
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
library_name: transformers
model_name: a [b]
pipeline_tag: text-generation
tags:
- generated_from_trainer
- rloo
- trl
- text-editing
- argumentation
license: apache-2.0
---

# a \[b\]

A \| b.

This model is a fine-tuned version of [HuggingFaceTB/SmolLM2-135M-Instruct](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct): it proposes edits that make an argument appropriate, in the format `compact`. It was trained with RLOO of [TRL](https://github.com/huggingface/trl) on the reward suite `custom` of appropriateness-rewards.

## Training procedure

RLOO, 3 steps, from the base model; trained: every weight. 1 argument of `examples`. The whole recipe is in [recipe.yaml](recipe.yaml); what was earned for every completion in [rewards.parquet](rewards.parquet).

| setting | value |
|---|---|
| max_steps | 3 |

![curves](curves.png)

## Evaluation

Means over 1 argument of `examples` that training did not see, sampled as in training.

| | step 2 | step 3 |
|---|---|---|
| reward | 0.0000 | 0.5000 |

## Framework versions

- trl: 1.16.0
- torch: 2
"""  # noqa: E501  (lines of the card)


@pytest.mark.parametrize("adapter", [True, False])
def test_the_card_of_a_run(adapter: bool, tmp_path: Path) -> None:
    """All of it but the wording of the quick start, of the limits and of the citations; rewards once."""
    file = tmp_path / "card.json"
    stated = {
        "measures": "How\n short.",
        "data": [{"source": "A corpus", "licence": "CC0"}, {"file": "more.jsonl"}, 3],
        "limits": {"limits": ["It <errs>.", "x" * 601]},
    }
    file.write_text(json.dumps(stated), encoding="utf-8")

    def good(edits: list[rewards.Edit]) -> list[float]:
        """A | b."""
        return [1.0 for _ in edits]

    carded = rewards.reward(level="edit", range=(0, 1), name="carded", threshold=0.5, card=file)(good)
    bare = rewards.reward(level="edit", range=(0, 1), name="bare")(good)
    suite = rewards.suite_of([carded, bare], settings={"carded": {"gate": True, "weight": 0.5}})
    item = data.Item("1", "", "A.", ("A.",), [])
    history: list[dict[str, Any]]
    if adapter:
        arguments = write_lines(tmp_path / "arguments.jsonl", {})
        given = ["model=gone", "save=adapter", "lora={r: 4, lora_alpha: 8}", f"data={arguments}", "data.eval=held-out"]
        given.append("grpo={learning_rate: 1e-5, seed: 1}")
        splits = data.Splits(data.Loaded((item,) * 2), data.Loaded((item,) * 1200))
        first = {"step": 0, "eval_reward": 0.25, "eval_rewards/bare/mean": None}
        second = {**first, "step": 1000, "eval_reward": 1, "eval_suite/with_accepted_edit": 0.125}
        history = [first, second, {**second, "step": 1500, "eval_reward": 0.5}, {"step": 2000, "reward": 1.0}]
        best, expected = {"step": 1000, "metric": "eval_reward"}, ADAPTER.replace("LONG", "x" * 597)
    else:
        given = ["trainer=rloo", "grpo={max_steps: 3}", "lora=null", "sft=null"]
        splits = data.Splits(data.Loaded((item,)), data.Loaded((item,)))
        history, best, expected = [{"step": step, "eval_reward": step / 2 - 1} for step in (2, 3)], None, WHOLE
    chosen = recipe.resolve("smoke", ["description=A | b.", *given])
    written = card.write(chosen, suite, splits, tmp_path / "a [b]", history, {"trl": "1.16.0", "torch": "2"}, best)
    front, *parts = written.split("\n\n## ")
    told = {part.partition("\n")[0]: part for part in parts}
    kept = [name for name in told if name not in ("Quick start", "Intended use and limits", "Citations")]
    assert list(told) == [
        "Quick start", "Training procedure", "Rewards", "Evaluation", "Intended use and limits", "Framework versions",
        "Citations",
    ]  # fmt: skip
    if not adapter:
        kept.remove("Rewards")
    assert "\n\n## ".join([front, *(told[name] for name in kept)]) + "\n" == expected
    assert ("find it out before you pass this model on." in told["Intended use and limits"]) is adapter
    cited = [card.GRPO if adapter else card.RLOO, card.TRL, card.REFERENCE]
    assert re.findall(r"```bibtex\n(.*?)\n```", told["Citations"], re.DOTALL) == cited
    assert written.endswith("}\n```\n")


def test_a_run_that_is_online_has_its_tracker_in_its_card(monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setattr(wandb, "run", SimpleNamespace(url="https://wandb.ai/me/runs/1"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    for trackers, shown in (("wandb", True), ("[tensorboard,wandb]", True), ("tensorboard", False), ("none", False)):
        badge = card._badge(recipe.resolve("smoke", [f"report_to={trackers}"]))
        assert badge.endswith("](https://wandb.ai/me/runs/1)") if shown else badge == ""
    chosen = recipe.resolve("smoke", ["report_to=wandb"])
    assert "Weights & Biases" in card._procedure(chosen, data.Splits(data.Loaded(())), [], "GRPO", None)
    monkeypatch.setattr(wandb, "run", SimpleNamespace(url=None))
    assert card._badge(chosen) == ""
    monkeypatch.setattr(wandb, "run", None)
    assert card._badge(chosen) == ""


@pytest.mark.parametrize("content", [b'["a"]', b'{"data": "caf\xe9"}', None])
def test_a_card_that_cannot_be_read_is_told_first_and_ends_no_run(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "card.json"
    if content is not None:
        file.write_bytes(content)
    carded = rewards.reward(level="edit", range=(0, 1), name="carded", card=file)(lambda edits: [1.0 for _ in edits])
    suite = rewards.suite_of([carded])
    assert "- `carded`: its card cannot be read" in card._suite(suite)
    config = run.trainer_config(recipe.resolve("smoke"), tmp_path, [1.0], False)
    told = " ".join(" ".join(opening.summary(recipe.resolve("smoke"), suite, config)).split())
    assert f"warning reward 'carded': its card {file} cannot be read: " in told
    dry_run.DryRun(recipe.resolve("smoke"), 1)._rewards(suite)
    assert "warning    reward 'carded': its card" in capsys.readouterr().out


@pytest.mark.parametrize(("weight", "warned"), [(-1.0, True), (1.0, False)])
def test_a_suite_that_pays_for_no_gain_is_warned_of(weight: float, warned: bool) -> None:
    suite = rewards.suite_of(["format"], settings={"format": {"weight": weight}})
    told = " ".join(" ".join(opening.warnings(suite)).split())
    warning = "warning no reward of suite custom has a positive weight, so doing nothing may pay most"
    assert told.startswith(warning) if warned else not told


@pytest.mark.parametrize("steps", [0, 1, 60])
@pytest.mark.parametrize("names", [[], ["a", "$x_$"], list("abcdef")])
def test_curves_are_drawn_of_any_run(tmp_path: Path, steps: int, names: list[str]) -> None:
    history = [
        {"step": step, "reward": 0.5, "eval_reward": None, **{f"rewards/{name}/mean": step for name in names}}
        for step in range(1, steps + 1)
    ]
    curves.draw(history, names, tmp_path / "curves.png")
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_curve_of_few_steps_and_one_value_shows_whole_steps_and_no_rounding(steps: int) -> None:
    history = [{"step": step, "reward": 1 + step * 1e-12} for step in range(1, steps + 1)]
    axis = Figure().subplots()
    curves._panel(axis, "reward", {"reward": "training", "eval_reward": "held out"}, history)
    low, high = axis.get_ylim()
    assert high - low >= curves.SPAN
    shown = [step for step in axis.get_xticks() if axis.get_xlim()[0] <= step <= axis.get_xlim()[1]]
    assert shown == list(range(1, steps + 1))


def test_a_panel_without_a_value_says_so_and_components_share_one_legend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Any] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *to, **more: (figures.append(figure), save(figure, *to, **more))
    )
    curves.draw([{"step": 1, "rewards/a/mean": 0.5}], ["a", "b"], tmp_path / "curves.png")
    above, below = figures[0].subfigs
    assert [[text.get_text() for text in axis.texts] for axis in above.axes] == [["no value"]] * 3
    assert [[text.get_text() for text in axis.texts] for axis in below.axes[:2]] == [[], ["no value"]]
    assert [[text.get_text() for text in legend.get_texts()] for legend in below.legends] == [["training"]]


def test_how_long_a_run_takes_is_said_from_its_first_step_on(capsys: pytest.CaptureFixture[str]) -> None:
    console = callbacks.Console("GRPO")
    state = SimpleNamespace(global_step=0, max_steps=2, is_world_process_zero=True)
    console.on_log(None, state, None, {"eval_reward": 0.5})
    console.on_step_begin(None, state, None)
    state.global_step = 1
    console.on_log(None, state, None, {"reward": 0.5})
    first, second = capsys.readouterr().err.splitlines()
    assert first == "GRPO 0/2  held-out reward 0.500"
    assert second.startswith("GRPO 1/2  reward 0.500  ")
    assert second.endswith(" left")


def test_what_is_left_is_counted_from_the_steps_of_this_leg(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])
    console = callbacks.Console("SFT")
    state = SimpleNamespace(global_step=10, max_steps=1173, is_world_process_zero=True)
    clock[0] = 200.0  # what loading took is no step's
    console.on_step_begin(None, state, None)
    state.global_step, clock[0] = 12, 206.0
    console.on_step_begin(None, state, None)
    console.on_log(None, state, None, {"loss": 0.25, "reward": None, "unknown": 3.0})
    state.is_world_process_zero = False
    console.on_log(None, state, None, {"loss": 0.25})
    state.is_world_process_zero = True
    for nothing in (None, {}, {"unknown": 3.0}):
        console.on_log(None, state, None, nothing)
    assert capsys.readouterr().err == "SFT 12/1173  loss 0.2500  3.0 s/step, 58:03 left\n"


def test_whole_numbers_of_a_recipe_are_printed_as_such_and_read_as_they_were() -> None:
    found = recipe.resolve("smoke", ["save_steps=100", "num_train_epochs=1", "learning_rate=5e-6"])
    text = recipe.dump(found)
    lines = [line.strip() for line in text.splitlines()]
    assert [line in lines for line in ("save_steps: 100", "num_train_epochs: 1", "learning_rate: 5.0e-06")] == [
        True
    ] * 3
    assert yaml.safe_load(text) == found.model_dump(mode="json", exclude_none=True)


def test_a_misspelt_suite_is_all_that_a_dry_run_says(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RewardsError, match=r"no suite is called 'defalt' \(did you mean 'default'\?\)"):
        dry_run.DryRun(recipe.resolve("smoke", ["suite=defalt"]), 1).print()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["num_iterations=3"], "grpo.save_steps 2 must be a multiple of 3: that many steps share one generation"),
        (["steps_per_generation=4", "gradient_accumulation_steps=2", "num_iterations=2"], "a multiple of 4: "),
        (["steps_per_generation=3", "gradient_accumulation_steps=2", "save_steps=4"], "a multiple of 3: "),
        (["steps_per_generation=4", "gradient_accumulation_steps=2"], ""),
    ],
)
def test_checkpoints_lie_between_generations(tmp_path: Path, overrides: list[str], told: str) -> None:
    chosen = recipe.resolve("smoke", overrides)
    if told:
        with pytest.raises(ConfigError, match=told):
            run.trainer_config(chosen, tmp_path, [1.0], evaluates=True)
    else:
        assert run.interval(run.trainer_config(chosen, tmp_path, [1.0], evaluates=True)) == 2


def test_a_checkpoint_is_whole_once_every_process_has_written(tmp_path: Path) -> None:
    done: list[str] = []
    keeper = callbacks.Keeper(
        tmp_path,
        1,
        lambda step: done.append(f"log {step}"),
        lambda wish: bool(done.append(f"together {mark.exists()}")),
    )
    (tmp_path / "checkpoint-3").mkdir()
    mark = tmp_path / "checkpoint-3" / "rewards.json"
    state = SimpleNamespace(global_step=3, is_world_process_zero=False)
    keeper.on_save(SimpleNamespace(output_dir=str(tmp_path)), state, None)
    assert not mark.exists()
    state.is_world_process_zero = True
    keeper.on_save(SimpleNamespace(output_dir=str(tmp_path)), state, None)
    assert json.loads(mark.read_text()) == {"step": 3}
    assert done == ["log 3", "together False"] * 2


def test_a_resumed_run_knows_its_best_checkpoint_where_it_lies_now_and_makes_no_step_too_many(tmp_path: Path) -> None:
    keeper = callbacks.Keeper(tmp_path, 1, lambda step: None, lambda wish: wish)
    (tmp_path / "checkpoint-2").mkdir()
    args = SimpleNamespace(output_dir=str(tmp_path))
    for step, best, there in ((3, 2, str(tmp_path / "checkpoint-2")), (3, None, "moved"), (4, 7, "moved")):
        state = SimpleNamespace(global_step=step, max_steps=4, best_global_step=best, best_model_checkpoint="moved")
        if step == 4:
            with pytest.raises(callbacks.AllDone):
                keeper.on_train_begin(args, state, None)
        else:
            keeper.on_train_begin(args, state, None)
        assert state.best_model_checkpoint == there


def test_weights_are_said_to_be_the_best_only_where_they_were_chosen() -> None:
    from rewards_train import best

    for asked, found in ((False, "checkpoint-2"), (True, None)):
        trainer = SimpleNamespace(
            args=SimpleNamespace(load_best_model_at_end=asked), state=SimpleNamespace(best_model_checkpoint=found)
        )
        best.load(trainer)  # nothing
        assert best.kept(trainer) == {}
    assert best.settings({"load_best_model_at_end": True}, True) == {"metric_for_best_model": "reward"}
    assert best.settings({"metric_for_best_model": "loss"}, True) == {}


def test_what_is_not_logged_yet_is_logged_with_a_checkpoint_unless_nothing_is(tmp_path: Path) -> None:
    keeper = callbacks.Keeper(tmp_path, 1, lambda step: None, lambda wish: wish)
    state = SimpleNamespace(global_step=1, max_steps=4)
    for strategy, saves, logs in (("steps", True, True), ("steps", False, False), ("no", True, False)):
        control = SimpleNamespace(should_save=saves, should_log=False, should_training_stop=False)
        keeper.on_step_end(SimpleNamespace(logging_strategy=strategy), state, control)
        assert control.should_log is logs


def test_a_completion_ends_where_it_says_and_with_one_end(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    files = tiny.causal(tmp_path / "policy")
    tiny.tokenizer(files, pair=True, limit=2048)  # adds its frame where it is asked to
    tokenizer: Any = AutoTokenizer.from_pretrained(files)
    tokenizer.eos_token = "[SEP]"  # noqa: S105  (no secret)
    pair = sft.Pair([{"role": "user", "content": "Edit."}], "1 | a[SEP] | b")
    row = sft.encode(pair, tokenizer, recipe.resolve("smoke"))
    answer = [token for token, own in zip(row["input_ids"], row["completion_mask"], strict=True) if own]
    assert answer == [*tokenizer("1 | a | b", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    assert sft._fits(row, None)
    prompt = len(row["input_ids"]) - len(answer)
    assert [sft._fits(row, (most, "")) for most in (prompt - 1, prompt)] == [False, True]


def test_a_tokenizer_without_an_end_is_refused_and_one_without_padding_pads_with_its_end(tmp_path: Path) -> None:
    files = tiny.causal(tmp_path / "policy")
    with pytest.raises(RewardsError, match="has no end-of-sequence token: completions would never end"):
        policy.load_tokenizer(files)
    stated = files / "tokenizer_config.json"
    known = json.loads(stated.read_text())
    for padding, expected in (("[PAD]", "[PAD]"), (None, "[SEP]")):
        stated.write_text(json.dumps({**known, "eos_token": "[SEP]", "pad_token": padding}))
        assert policy.load_tokenizer(files).pad_token == expected
    with pytest.raises(RewardsError, match="has no tokenizer that can be loaded"):
        policy.load_tokenizer(tmp_path / "gone")


def test_processes_of_a_run_know_each_other_and_share_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(launch, "_start", lambda command, more: started.append((list(command), more)))
    monkeypatch.setattr(launch, "_wait", lambda *_: None)
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    for threads, on_cpu in ((None, True), ("3", False)):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if threads:
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
        monkeypatch.setattr(launch, "_gpus", lambda: 2)
        launch._run_stage("grpo", tmp_path, launch.Launch(2), resume=on_cpu, on_cpu=on_cpu)
    told = [{key: given.get(key) for key in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "OMP_NUM_THREADS",
                                             "ACCELERATE_USE_CPU", "MASTER_ADDR")} for _, given in started]  # fmt: skip
    for place, one in enumerate(told):
        cpu = place < 2
        assert list(one.values()) == [
            str(place % 2), str(place % 2), "2", "2", "4" if cpu else "3", "true" if cpu else None, "127.0.0.1",
        ]  # fmt: skip
    assert started[0][1]["MASTER_PORT"] == started[1][1]["MASTER_PORT"]
    assert [command[-4:] for command, _ in started[1:3]] == [
        ["train-worker", "grpo", str(tmp_path), "--resume"], ["rewards", "train-worker", "grpo", str(tmp_path)],
    ]  # fmt: skip


def test_a_stop_that_a_process_obeyed_is_one_of_the_run(tmp_path: Path) -> None:
    (tmp_path / launch.STOP).touch()
    ends = [launch._start([sys.executable, "-c", f"import sys; sys.exit({code})"], {}) for code in (130, 0)]
    with pytest.raises(KeyboardInterrupt):
        launch._wait(ends, tmp_path)
    assert not (tmp_path / launch.STOP).exists()
    soon_and_later = ("", "import time; time.sleep(0.5)")  # what has ended well ends nobody
    launch._wait([launch._start([sys.executable, "-c", code], {}) for code in soon_and_later], tmp_path)


@pytest.mark.parametrize(
    ("codes", "raised"),
    [
        ((2, "sleep"), launch.LaunchFailed),  # the disk was full
        ((130, 2), launch.LaunchFailed),
        ((-9, "sleep"), launch.LaunchFailed),  # for lack of memory
        ((1,), KeyboardInterrupt),  # accelerate's launcher, whose processes have stopped
        ((-15, "sleep"), KeyboardInterrupt),  # a scheduler's SIGTERM, while models were loaded
    ],
)
def test_a_process_that_fails_after_a_request_to_stop_is_a_failure(
    codes: tuple[int | str, ...], raised: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = iter([True])

    def pause(process: subprocess.Popen[bytes]) -> None:
        if next(asks, False):
            raise KeyboardInterrupt
        time.sleep(0.05)

    monkeypatch.setattr(launch, "_pause", pause)
    ends = {"sleep": "time.sleep(99)", -15: "os.kill(os.getpid(), 15)", -9: "os.kill(os.getpid(), 9)"}
    waits = f"import os, sys, time\nwhile not os.path.exists({str(tmp_path / launch.STOP)!r}): time.sleep(0.05)\n"
    programs = [waits + ends.get(code, f"sys.exit({code})") for code in codes]
    processes = [launch._start([sys.executable, "-c", program], {}) for program in programs]
    with pytest.raises(raised) as caught:
        launch._wait(processes, tmp_path)
    assert getattr(caught.value, "code", 2) == 2
    assert all(process.returncode is not None for process in processes)


def test_bare_names_are_those_of_the_trainer_that_is_chosen() -> None:
    with pytest.raises(ConfigError, match="^unknown key 'loss_type'"):
        recipe.resolve("smoke", ["trainer=rloo", "loss_type=grpo"])


def test_what_a_recipe_says_of_rewards_and_evaluation_reaches_them(tmp_path: Path) -> None:
    given = ["rewards=[bertscore]", "settings.format.weight=0.3", "models.fluency=x", "profile=full"]
    given += ["reward_device=cuda:3", "reward_dtype=bfloat16", "failures={share: 0.5, window: 9}"]
    assert run.reward_plan(recipe.resolve("smoke", given)) == RewardPlan(
        suite="default", rewards=("bertscore",), settings={"format": {"weight": 0.3}}, models={"fluency": "x"},
        profile="full", format="compact", device="cuda:3", dtype="bfloat16", budget=Budget(0.5, 9),
    )  # fmt: skip
    chosen = recipe.resolve("smoke", ["chat_template_kwargs={a: 1}"])
    for evaluates in (True, False):
        config = run.trainer_config(chosen, tmp_path, [0.5, 0.0], evaluates)
        assert (config.eval_strategy, config.eval_on_start) == (("steps", True) if evaluates else ("no", False))
        assert (config.reward_weights, config.remove_unused_columns) == ([0.5, 0.0], False)
        assert config.chat_template_kwargs == {**prompts.TEMPLATE_SETTINGS, "a": 1}
        assert (config.log_completions, config.num_completions_to_print, config.report_to) == (True, 0, [])
    chosen = recipe.resolve("smoke", ["log_completions=false", "num_completions_to_print=3"])
    config = run.trainer_config(chosen, tmp_path, [1.0], evaluates=True)
    assert (config.log_completions, config.num_completions_to_print) == (False, 3)  # a recipe's own goes first


def test_settings_of_the_warm_start_are_checked_too() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'sft\.lora\.lora_alfa' \(did you mean 'lora_alpha'\?\)"):
        recipe.resolve("smoke", ["sft.lora.lora_alfa=1"])
    assert recipe.resolve("smoke", ["sft.lora.lora_dropout=1e-1"]).sft.lora["lora_dropout"] == 0.1  # type: ignore[union-attr, index]


def test_the_stages_of_a_run_are_those_that_are_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[str, bool]] = []

    def stage(name: str, out: Path, *_: Any) -> None:
        ran.append((name, (out / launch.STOP).exists()))

    monkeypatch.setattr(launch, "_run_stage", stage)
    out, asked = tmp_path / "out", []
    monkeypatch.setattr(run, "check", lambda chosen, stages, *more: asked.append((stages, *more)))
    chosen = recipe.resolve("smoke", [f"out={out}"])
    wanted = launch.Launch(2, tmp_path / "a.yaml")

    def again(**options: bool) -> list[str]:
        ran.clear()
        launch.run(chosen, wanted, **{"resume": out.exists(), **options})
        assert not any(stopped for _, stopped in ran)  # nobody asks this one to stop
        return [name for name, _ in ran]

    assert again(only_sft=True) == ["sft"]
    assert "the warm start is in" in capsys.readouterr().err
    (out / launch.STOP).touch()  # as a run leaves it that was stopped at once
    assert again() == ["sft", "grpo"]
    warm = out / "warm-start"
    warm.mkdir()
    folder.write_state(warm, finished=True, **{sft.PAIRS: sft.pairs_digest(chosen)})
    assert again() == ["grpo"]
    assert again(only_sft=True) == []
    assert asked == [(stages, tmp_path / "a.yaml", 2) for stages in (["sft"], ["sft", "grpo"], ["grpo"], [])]
    folder.write_state(warm, **{sft.PAIRS: "of others"})
    with pytest.raises(ConfigError, match="warm-start: the run began with sft.data of others, and now has"):
        again()
    folder.write_state(out, finished=True)
    capsys.readouterr()
    assert again() == []
    assert capsys.readouterr().err == f"{out} is complete: nothing to resume\n"


def test_pairs_whose_edits_cannot_be_learnt_are_left_out(tmp_path: Path) -> None:
    good = {"argument": "A bad idea. We run.", "completion": "1 | bad | poor", "edits": "of somebody else"}
    rows = [
        good, {**good, "completion": "1 | bad | poor\n1 | nowhere | x"}, {**good, "completion": "1 | bad | poor\n2 | run | run"},
        {**good, "completion": "nothing of the kind"}, {"argument": "A bad idea.", "rewrite": "A poor idea."},
    ]  # fmt: skip
    file = write_lines(tmp_path / "pairs.jsonl", *rows[:3], b"\n", *rows[3:])
    read = sft.read_pairs(recipe.resolve("smoke", [f"sft.data={file}", "sft.limit=null"]))
    assert [pair.completion for pair in read.found] == ["1 | bad | poor", "1 | bad | poor"]
    assert [where for where, _ in read.dropped] == ["line 2", "line 3", "line 5"]
    for (_, reason), told in zip(
        read.dropped, ("does not occur", "changes nothing: 'run'", "no edit in format"), strict=True
    ):
        assert told in reason
    for nothing in ("sft=null", "sft.data=null"):
        with pytest.raises(ConfigError, match="there is no warm start: give sft.data=FILE"):
            sft.read_pairs(recipe.resolve("smoke", [nothing]))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("report_to=wandbb", "sft.args.report_to: 'wandbb'"), ("adam_beta1=2", "sft.args: the optimizer"),
        ("ignore_data_skip=true", "sft.args.ignore_data_skip: a resumed run"),
    ],
)  # fmt: skip
def test_a_warm_start_alone_is_refused_what_grpo_is(tmp_path: Path, override: str, told: str) -> None:
    chosen = recipe.resolve("smoke", [f"sft.args.{override}", "model=no-model-is-loaded-for-this"])
    with pytest.raises(ConfigError, match=told):
        sft._trainer(chosen, tmp_path, [], None)
