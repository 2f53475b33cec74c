"""`--dry-run`: everything that can be known before a run, and what could not be checked here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rewards.cli.terminal import print_table
from rewards.errors import ConfigError, ModelError, RewardsError
from rewards.suite import Suite
from rewards.text.plain import plain
from rewards.versions import version
from rewards_train import ahead, data, extras, fields, folder, opening, policy, recipe, resuming, run, sharding
from rewards_train.adapter import Scorer, deletion
from rewards_train.launch import STAGES
from rewards_train.recipe import Recipe

BATCH = 8  # completions in the batch that is scored
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


class DryRun:
    """Prints what a run would be, section by section, and collects what could not be checked."""

    def __init__(
        self, chosen: Recipe, processes: int, accelerate_config: Path | None = None, resume: bool = False
    ) -> None:
        self._recipe = chosen
        self._resume = resume
        self._processes = processes
        self._accelerate_config = accelerate_config
        self.unchecked: list[str] = []
        self._config: Any = None

    def print(self) -> None:
        """Print all sections. Raises ConfigError for what would be wrong on any machine."""
        run.quiet()
        sharding.check(self._recipe, STAGES, self._accelerate_config)
        folder.check(self._recipe, self._resume)
        scorer = Scorer(run.reward_plan(self._recipe))
        _ = scorer.suite  # loaded now: its errors come first, and not below the whole recipe
        print(plain(recipe.dump(self._recipe)), end="")
        self._steps_of_trainer(scorer)
        tokenizer = self._tokenizer()
        splits = self._data(tokenizer)
        self._warm_start()
        self._rewards(scorer.suite)
        self._policy(splits)
        if splits is not None:
            self._batch(scorer, splits.train.items)
            if self._resume and tokenizer is not None:
                self._begun(scorer.suite, splits)
        print(f"\noutput     {self._recipe.out}")
        for text in self.unchecked:
            print(plain(f"not checked: {text}"))

    def _steps_of_trainer(self, scorer: Scorer) -> None:
        import torch

        given = ahead.together(self._recipe, self._processes)
        here = {"use_cpu": True, "bf16": False, "fp16": False, "tf32": None} if not torch.cuda.is_available() else {}
        if here and any(given.get(key) for key in ("bf16", "fp16", "tf32")):
            self.unchecked.append("bf16, fp16 and tf32: this machine shows no GPU")
        self.unchecked += extras.absent(extras.needed(self._recipe))
        stand_in = self._recipe.model_copy(update={"grpo": {**given, **here}})
        config = run.checked_config(stand_in, Path(self._recipe.out), scorer.suite, self._evaluates(), None)
        self._config = config
        prompts = config.generation_batch_size // config.num_generations
        print(
            f"\ntrainer    {self._recipe.trainer.upper()}, {self._processes} process(es): {config.generation_batch_size}"
            f" completions of {prompts} prompt(s) are generated together, for {run.interval(config)} optimizer step(s)"
        )

    def _evaluates(self) -> bool:
        return self._recipe.data.eval is not None or self._recipe.data.eval_fraction > 0

    def _tokenizer(self) -> Any:
        try:
            return policy.load_tokenizer(policy.folder_of(self._recipe.model))
        except ModelError as error:
            self.unchecked.append(f"policy: {error}; its memory, and the lengths of prompts")
            return None

    def _data(self, tokenizer: Any) -> data.Splits | None:
        if self._recipe.data.train is None:
            self.unchecked.append("data: none is given yet; data=FILE names it, a JSONL of {issue, argument}")
            return None
        splits = data.load(self._recipe, tokenizer)
        run.check_size(self._config, len(splits.train.items))
        print("\n".join(data.summary(splits, self._recipe.data)))
        if tokenizer is not None:
            counts = ", ".join(f"{name} {value:,}" for name, value in data.lengths(splits.train.items).items())
            print(f"prompts    tokens: {counts}")
        return splits

    def _warm_start(self) -> None:
        if self._recipe.sft is None:
            return
        if self._recipe.sft.data is None:
            self.unchecked.append("warm start: sft.data=FILE names its pairs, a JSONL of {issue, argument, completion}")
            return
        from rewards_train.sft import read_pairs

        print(f"warm start {read_pairs(self._recipe).summary()}")

    def _rewards(self, suite: Suite) -> None:
        rows = []
        for component in suite.components:
            gate = f"gate {passes}" if (passes := opening.bound(component)) else ""
            paid = f"weight {component.weight:g}" if component.weight else ""
            uses = ", ".join(model.role for model in component.reward.models)
            role = ", ".join(part for part in (gate, paid) if part) or "measured only"
            rows.append((component.name, component.reward.level, role, uses, component.reward.summary))
        print()
        print_table(f"suite {suite.name}", ("reward", "level", "use", "models", "measures"), rows, "measures")
        for line in opening.warnings(suite):
            print(line)

    def _begun(self, suite: Suite, splits: data.Splits) -> None:
        """Compare data, processes, version and rewards with those of the run that would be resumed."""
        now: dict[str, Any] = {"data": splits.digest(), "processes": self._processes, "version": version()}
        with suppress(ModelError):  # `_batch` has reported the missing model
            now["rewards"] = resuming.rewards_of(suite)
        folder.check_begun(Path(self._recipe.out), now)

    def _policy(self, splits: data.Splits | None) -> None:
        try:
            files = policy.folder_of(self._recipe.model)
        except ModelError:
            return
        prompt = max((item.tokens for item in splits.train.items), default=0) if splits else 0
        sizes = memory(files, self._recipe, prompt, self._config.steps_per_generation)
        print(f"\npolicy     {self._recipe.model}: {sizes['parameters']:,} parameters, {sizes['trained']:,} trained")
        parts = {name: value for name, value in sizes.items() if name.endswith("_gb")}
        shown = ", ".join(f"{name.removesuffix('_gb')} {value:.2f}" for name, value in parts.items())
        beside = "reward models and vLLM" if self._config.use_vllm else "reward models"
        print(f"memory     about {sum(parts.values()):.1f} GB per process, without {beside}: {shown} (estimated)")

    def _batch(self, scorer: Scorer, items: tuple[data.Item, ...]) -> None:
        """Score arguments with one word deleted each, so that every reward model loads and every reward is computed."""
        chosen = (items * BATCH)[:BATCH]
        revisions = [
            deletion({"id": one.id, "issue": one.issue, "argument": one.argument, "sentences": list(one.sentences)})
            for one in chosen
        ]
        try:
            scorer.suite.score(revisions[:1])
        except RewardsError as error:
            self.unchecked.append(f"rewards: {error}")
            return
        began = time.monotonic()
        results = scorer.suite.score(revisions)
        seconds = time.monotonic() - began
        failed = next((result.error for result in results if result.error), None)
        if failed:
            raise ConfigError(f"the rewards fail on this data: {failed}")
        rewards = [result.reward for result in results if result.reward is not None]
        mean = sum(rewards) / len(rewards) if rewards else 0.0
        print(
            f"rewards    {len(results)} arguments, each with its longest word deleted, scored in {seconds:.2f} s;"
            f" mean reward {mean:.3f}"
        )
        for name, model in scorer.suite.engine.describe()["models"].items():
            print(f"           {name} on {model['device']} in {model['dtype']}")


def memory(files: Path, chosen: Recipe, prompt: int, batches: int) -> Mapping[str, Any]:
    """A rough estimate of what training needs per process, in GB: weights, gradients and optimizer, activations, cache.

    `batches` are generated together. Without LoRA, a KL penalty (`beta`) also needs a copy of the policy as reference.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(files, trust_remote_code=False)
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]  # of transformers
        total = sum(parameter.numel() for parameter in model.parameters())
        if (lora := policy.lora_config(chosen.lora)) is not None:
            from peft import get_peft_model

            try:
                model = get_peft_model(model, lora)
            except ValueError as error:
                raise ConfigError(f"lora: {error}") from error
        trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    text = config.get_text_config()
    rows = int(chosen.grpo.get("per_device_train_batch_size", 8))
    answers = chosen.answer_tokens or 512
    length = (prompt or chosen.data.max_prompt_tokens or 512) + answers
    size = BYTES["bfloat16" if chosen.grpo.get("bf16") else chosen.dtype]
    layers, width = text.num_hidden_layers, text.hidden_size
    kept = layers if not chosen.grpo.get("gradient_checkpointing", True) else layers / 16 + 1
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    head = getattr(text, "head_dim", None) or width // text.num_attention_heads
    cache = 0 if chosen.grpo.get("use_vllm") else 2 * layers * heads * head * length * rows * batches
    weights = total * BYTES[chosen.dtype] / 1e9
    penalised = lora is None and chosen.grpo.get("beta", fields.default(chosen.config, "beta"))
    return {
        "parameters": total,
        "trained": trained,
        "weights_gb": weights,
        **({"reference_gb": weights} if penalised else {}),
        "optimizer_gb": trained * (4 + 8) / 1e9,
        "activations_gb": rows * (length * width * kept * 16 * size + answers * text.vocab_size * 8) / 1e9,
        "cache_gb": cache * BYTES[chosen.dtype] / 1e9,
    }
