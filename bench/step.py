"""`python -m bench.step`: the time of a GRPO step on a CPU, in TRL's way and with the prompt of a group read only once.

SmolLM2-135M with LoRA, eight completions of one example; median seconds of the parts, the ways interleaved. Rewards are not
included.
"""

from __future__ import annotations

import json
import random
import statistics
from collections import defaultdict
from typing import Any

import torch
from trl.trainer import utils

from bench.learning import timed
from bench.machine import machine
from bench.training import GROUP, sampled
from rewards import prompts
from rewards.records import read_revision
from rewards_train import data, policy, recipe
from rewards_train.projection import project_completions_only
from rewards_train.recipe import EXAMPLES
from rewards_train.sharing import ROW_TOKENS, shared

TOKENS = 24
"""The length of each generated completion."""
WAYS = ("TRL's way", "prompts not projected", "prompts read once")


def main(examples: int = 3) -> None:
    folder = policy.folder_of("smollm2-135m-instruct")
    tokenizer = policy.load_tokenizer(folder)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    everywhere = utils.__dict__["_use_triton"]
    project_completions_only()
    completions_only = utils.__dict__["_use_triton"]
    for dtype in ("float32", "autocast to bfloat16"):
        model = trained(folder)
        trunk = model.get_base_model().base_model
        plain, once = trunk.forward, shared(trunk.forward, ROW_TOKENS)
        for number, record in enumerate(list(data.records(EXAMPLES, "train"))[: examples + 1]):
            given = batch(record, random.Random(number), tokenizer)
            for way in WAYS:
                utils.__dict__["_use_triton"] = everywhere if way == WAYS[0] else completions_only
                trunk.forward = once if way == WAYS[2] else plain
                took = parts(model, given, bf16=dtype != "float32")
                if number:  # the first warms up
                    for part, spent in took.items():
                        found[f"{part}, {dtype}"][way].append(spent)
    rows = {
        part: {way: round(statistics.median(all_), 2) for way, all_ in ways.items()} for part, ways in found.items()
    }
    print(json.dumps({"machine": machine(), "completions": GROUP, "tokens": TOKENS, "seconds": rows}, indent=2))


def trained(folder: Any) -> Any:
    """The policy as the recipe `small` trains it."""
    from peft import get_peft_model

    config = policy.lora_config({**(recipe.resolve("small").lora or {}), "init_lora_weights": False})
    model = get_peft_model(policy.load_model(folder, "float32"), config)
    utils.add_fused_lm_head(model.get_base_model(), outputs=("log_probs", "entropy"))
    return model


def batch(record: dict[str, Any], draw: Any, tokenizer: Any) -> dict[str, torch.Tensor]:
    """A prompt with eight completions, padded on the right, and labels on the completions."""
    revision = read_revision(record)
    prompt = prompts.encode(tokenizer, prompts.messages("compact", revision.issue, revision.sentences))
    answers = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in sampled(record, draw)]
    width = max(len(answer) for answer in answers)
    ids = torch.tensor([[*prompt, *answer, *[0] * (width - len(answer))] for answer in answers])
    mask = torch.tensor([[1] * (len(prompt) + len(answer)) + [0] * (width - len(answer)) for answer in answers])
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, : len(prompt)] = -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "prompt": torch.tensor([prompt] * GROUP)}


def parts(model: Any, given: dict[str, torch.Tensor], bf16: bool) -> dict[str, float]:
    """Seconds of generation, of the reference's log-probabilities, and of the policy's with the backward pass."""
    scored = {name: given[name] for name in ("input_ids", "attention_mask", "labels")}
    prompt = given["prompt"]

    def generate() -> None:
        limits = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": True, "pad_token_id": 0}
        model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), **limits)

    def reference() -> None:
        with torch.no_grad(), model.disable_adapter(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            model(**scored, fused_lm_head=True)

    def learn() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(**scored, fused_lm_head=True).log_probs.sum()
        loss.backward()
        model.zero_grad()

    return {"generating": timed(generate), "reference": timed(reference), "policy and back": timed(learn)}


if __name__ == "__main__":
    main()
