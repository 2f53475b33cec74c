"""Writes what a run leaves: the model, its tokenizer, recipe, suite, versions, reward log, curves, card."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from rewards.errors import RewardsError
from rewards.paths import user_path
from rewards.suite import Suite
from rewards.versions import OWN, versions
from rewards_train import best, card, curves, folder, log, policy
from rewards_train.adapter import Scorer
from rewards_train.data import Splits
from rewards_train.recipe import Recipe

LIBRARIES = (OWN, "trl", "transformers", "torch", "datasets", "tokenizers", "peft", "accelerate")
COMPLETIONS, HISTORY, LOG, SUITE = "completions", "log.jsonl", "rewards.parquet", "suite.yaml"


def finish(trainer: Any, recipe: Recipe, scorer: Scorer, splits: Splits, out: Path, known: dict[str, Any]) -> None:
    """Write everything; the mark that the run has finished comes last. Sharded policies are saved by all processes."""
    sharded = bool(trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled)
    temporary = out / ".model"
    model = trainer.accelerator.unwrap_model(trainer.model)
    if recipe.save == "adapter":
        policy.name_base(model, recipe)
    if sharded:
        save_sharded(trainer, temporary)
    if trainer.accelerator.is_main_process:
        if not sharded:
            save(policy.merged(model) if recipe.save == "merged" else model, temporary)
        trainer.processing_class.save_pretrained(temporary)
        put(temporary, out)
        rows = log.merge(out / folder.PARTS, out)
        history = [dict(entry) for entry in trainer.state.log_history]
        chosen = best.kept(trainer)
        known = {**known, **chosen, "rows": rows, "steps": trainer.state.global_step}
        leave(recipe, scorer, splits, out, history, known)
        say(recipe, out, history, chosen.get("best"))
    trainer.accelerator.wait_for_everyone()


def save_sharded(trainer: Any, to: Path) -> None:
    """Let the trainer gather and save sharded weights. Raises RewardsError where its configuration forbids that."""
    if trainer.is_fsdp_enabled:
        # The trainer writes nothing for the type that checkpoints have by default.
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(str(to))
    if trainer.accelerator.is_main_process and not any(to.glob("*.safetensors")):
        raise RewardsError(
            "the weights are spread over processes, and the trainer's configuration does not put them together: with"
            " DeepSpeed's ZeRO-3 set zero3_save_16bit_model: true, and add --resume. Checkpoints are kept"
        )


def save(model: Any, to: Path) -> None:
    """Save the model in safetensors."""
    shutil.rmtree(to, ignore_errors=True)
    model.save_pretrained(to, safe_serialization=True)


def put(temporary: Path, out: Path) -> None:
    """Move finished files into `out`, without pickles and the model card of another library."""
    for path in sorted(temporary.iterdir()):
        if path.is_file() and path.suffix != ".bin" and path.name != "README.md":
            path.chmod(0o644)  # safetensors gives only the owner access
            path.replace(out / path.name)
    shutil.rmtree(temporary)


def leave(
    recipe: Recipe, scorer: Scorer, splits: Splits, out: Path, history: list[dict[str, Any]], known: dict[str, Any]
) -> None:
    """Write the files beside the model."""
    written = out / folder.CHECKPOINTS / COMPLETIONS
    if written.is_dir():
        (out / COMPLETIONS).mkdir(exist_ok=True)
        for table in sorted(written.iterdir()):  # an attempt that broke off later may have moved some already
            table.replace(out / COMPLETIONS / table.name)
    (out / HISTORY).write_text("".join(json.dumps(entry) + "\n" for entry in history), encoding="utf-8")
    described = scorer.suite.describe()
    (out / "suite.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    (out / SUITE).write_text(suite_file(scorer.suite), encoding="utf-8")
    plugins = {one.origin.distribution: one.origin.version for one in scorer.suite.components}
    used = {**versions(LIBRARIES), **plugins}
    (out / "versions.json").write_text(json.dumps(used, indent=2) + "\n", encoding="utf-8")
    curves.draw(history, [component.name for component in scorer.suite.components], out / "curves.png")
    text = card.write(recipe, scorer.suite, splits, out, history, used, known.get("best"))
    (out / "README.md").write_text(text, encoding="utf-8")
    folder.write_state(out, finished=True, **known)


def say(recipe: Recipe, out: Path, history: list[dict[str, Any]], best: dict[str, Any] | None) -> None:
    """Print where the results are, and which commands come next."""
    tracks = [entry["eval_reward"] for entry in history if entry.get("eval_reward") is not None]
    tracks = tracks or [entry["reward"] for entry in history if entry.get("reward") is not None]
    lines = [f"model and card in {out}; reward log {out / LOG}, curves {out / 'curves.png'}"]
    if best:
        lines.insert(
            0, f"kept: the weights after step {best['step']}, whose {best['metric']} {best['value']:.4g} is the best"
        )
    if len(tracks) > 1:
        lines.insert(0, f"reward {tracks[0]:.3f} at first, {tracks[-1]:.3f} at last")
    base = recipe.model if recipe.sft is None else out / folder.WARM_START
    start, run, suite, table = (shlex.quote(str(path)) for path in (base, out, out / SUITE, out / LOG))
    model = f"--model {start} --adapter {run}" if recipe.leaves_adapter else f"--model {run}"
    lines.append(f"next: rewards edit FILE -o edited.jsonl {model} --format {recipe.format} --suite {suite}")
    lines.append(f"      rewards audit {table}")
    print("\n".join(lines), file=sys.stderr, flush=True)


def suite_file(suite: Suite) -> str:
    """The suite as YAML that loads from any folder: with all settings, thresholds and models that it has now."""
    rewards = {}
    for component in suite.components:
        stated = component.describe()
        found = {key: stated[key] for key in ("gate", "together", "weight", "arguments") if stated[key]}
        if component.threshold is not None:
            found["threshold"] = component.threshold.value
        if component.reward.level == "global":
            found["empty"] = component.empty
        if component.params is not None:
            found["params"] = str(component.params.folder.resolve())
        rewards[component.name] = found
    models = {
        role: str(local.resolve()) if (local := user_path(name)).is_dir() else name
        for role, name in suite.engine.models.items()
    }
    whole = {"description": suite.description, "profile": suite.engine.profile, "models": models, "rewards": rewards}
    return str(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=120))
