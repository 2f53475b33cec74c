"""The model card: what was trained on what, how to run it as printed, what the suite pays, what it is not for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rewards import prompts
from rewards.errors import PluginError
from rewards.models.catalog import source_of
from rewards.models.specs import Wheel
from rewards.paths import user_path
from rewards.suite import Component, Suite
from rewards.text.plain import plain
from rewards_train import opening, policy
from rewards_train.data import Splits
from rewards_train.recipe import EXAMPLES, Recipe

ISSUE = "Should the town close its centre to cars?"
SENTENCES = ("Only an idiot would let cars into the old town.", "The streets are narrow and children play there.")
HUB = "https://huggingface.co/"
BADGE = "https://raw.githubusercontent.com/wandb/assets/main/wandb-github-badge-28.svg"
GRPO = """@article{shao2024deepseekmath,
  title  = {{DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models}},
  author = {Shao, Zhihong and Wang, Peiyi and Zhu, Qihao and Xu, Runxin and Song, Junxiao and Bi, Xiao and Zhang, Haowei
            and Zhang, Mingchuan and Li, Y. K. and Wu, Y. and Guo, Daya},
  year   = {2024},
  eprint = {2402.03300},
  archivePrefix = {arXiv}
}"""
RLOO = """@inproceedings{ahmadian2024back,
  title  = {{Back to Basics: Revisiting REINFORCE-Style Optimization for Learning from Human Feedback in LLMs}},
  author = {Ahmadian, Arash and Cremer, Chris and Gall{\\'e}, Matthias and Fadaee, Marzieh and Kreutzer, Julia and Pietquin,
            Olivier and {\\"U}st{\\"u}n, Ahmet and Hooker, Sara},
  booktitle = {Proceedings of ACL 2024}
}"""
REFERENCE = """@inproceedings{ziegenbein2026editing,
  title  = {{Teaching LLMs Human-Like Editing of Inappropriate Argumentation via Reinforcement Learning}},
  author = {Ziegenbein, Timon and Stahl, Maja and Wachsmuth, Henning},
  booktitle = {Proceedings of ACL 2026},
  eprint = {2604.12770},
  archivePrefix = {arXiv}
}"""
TRL = """@software{vonwerra2020trl,
  title   = {{TRL: Transformers Reinforcement Learning}},
  author  = {von Werra, Leandro and Belkada, Younes and Tunstall, Lewis and Beeching, Edward and Thrush, Tristan and
             Lambert, Nathan and Huang, Shengyi and Rasul, Kashif and Gallou{\\'e}dec, Quentin},
  license = {Apache-2.0},
  url     = {https://github.com/huggingface/trl},
  year    = {2020}
}"""


def write(
    recipe: Recipe,
    suite: Suite,
    splits: Splits,
    out: Path,
    history: Sequence[Mapping[str, Any]],
    versions: Mapping[str, str],
    best: Mapping[str, Any] | None = None,
) -> str:
    """The text of README.md; `best` gives the step of the best weights, where these were chosen."""
    name = out.resolve().name
    method = recipe.trainer.upper()
    licence = policy.licence(recipe.model)
    parts = [
        _front(recipe, name, licence),
        f"# {_text(name)}\n\n{_text(recipe.description)}\n\n"
        f"This model is a fine-tuned version of {_base(recipe)}: it proposes edits that make an argument"
        f" appropriate, in the format `{recipe.format}`. It was trained with {method} of"
        f" [TRL](https://github.com/huggingface/trl) on the reward suite `{suite.name}` of appropriateness-rewards.",
        quick_start(recipe, out),
        _procedure(recipe, splits, history, method, best),
        _suite(suite),
        _evaluation(recipe, suite, splits, history, best),
        _limits(recipe, licence),
        "## Framework versions\n\n" + "\n".join(f"- {name}: {version}" for name, version in versions.items()),
        f"## Citations\n\n{method}:\n\n```bibtex\n{GRPO if recipe.trainer == 'grpo' else RLOO}\n```\n\n"
        f"TRL:\n\n```bibtex\n{TRL}\n```\n\nThe system whose rewards are rebuilt here:\n\n```bibtex\n{REFERENCE}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def quick_start(recipe: Recipe, out: Path) -> str:
    """A section with a program that runs as printed in the model's folder."""
    messages = prompts.messages(recipe.format, ISSUE, SENTENCES)
    template = out / "chat_template.jinja"
    chat = template.read_text(encoding="utf-8") if template.exists() else ""
    prompt = f"[{{'role': 'user', 'content': text}}]" if chat else "text + '\\n\\n'"  # noqa: F541  (braces of the program)
    text = messages[0]["content"].replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    length = recipe.answer_tokens or 512
    needs_base = recipe.leaves_adapter and recipe.sft is not None
    elsewhere = "" if needs_base else ", or put the folder's name in the place of `.`"  # its base has a relative path
    known = recipe.template_settings
    settings = {name: value for name, value in known.items() if name in chat}  # those that its template reads
    options = f" tokenizer_encode_kwargs={settings!r}," if settings else ""
    return (
        f"## Quick start\n\nRun it in this folder{elsewhere}:\n\n"
        "```python\nfrom transformers import pipeline\n\n"
        f'text = """{text}"""\n\n'
        'generator = pipeline("text-generation", model=".")\n'
        f"output = generator({prompt}, max_new_tokens={length},{options} return_full_text=False)[0]\n"
        'print(output["generated_text"])\n```'
    )


def _front(recipe: Recipe, name: str, licence: Mapping[str, Any]) -> str:
    upstream = _upstream(recipe)
    base = upstream.removeprefix(HUB) if upstream else recipe.model
    fields: dict[str, Any] = {
        "library_name": "peft" if recipe.leaves_adapter else "transformers",
        "model_name": name,
        "pipeline_tag": "text-generation",
        "tags": ["generated_from_trainer", recipe.trainer, "trl", "text-editing", "argumentation"],
        **(licence or {"license": "unknown"}),
    }
    if not user_path(base).exists():
        fields = {"base_model": base, **fields}
    return "---\n" + yaml.safe_dump(fields, sort_keys=False) + "---"


def _base(recipe: Recipe) -> str:
    upstream = _upstream(recipe)
    return f"[{upstream.removeprefix(HUB)}]({upstream})" if upstream else _named(recipe.model)


def _upstream(recipe: Recipe) -> str | None:
    """The address of the model that an embedded policy is made from; None for other policies."""
    source = source_of(recipe.model)
    return source.upstream if isinstance(source, Wheel) else None


def _procedure(
    recipe: Recipe,
    splits: Splits,
    history: Sequence[Mapping[str, Any]],
    method: str,
    best: Mapping[str, Any] | None,
) -> str:
    steps = max((int(entry["step"]) for entry in history), default=0)
    start = "after a supervised warm start" if recipe.sft is not None else "from the base model"
    badge = _badge(recipe)
    plain = {name: f"{value:g}" if isinstance(value, float) else value for name, value in recipe.grpo.items()}
    settings = "\n".join(f"| {name} | {value} |" for name, value in plain.items())
    lora = "every weight" if recipe.lora is None else f"LoRA, {', '.join(f'{k} {v}' for k, v in recipe.lora.items())}"
    kept = (
        ""
        if best is None
        else f" These are the weights after step {best['step']:,}, whose `{best['metric']}` is the best."
    )
    return (
        "## Training procedure\n\n"
        + (f"{badge}\n\n" if badge else "")
        + f"{method}, {_counted(steps, 'step')}, {start}; trained:"
        f" {lora}. {_counted(len(splits.train.items), 'argument')} of {_named(recipe.data.train or EXAMPLES)}."
        f" The whole recipe is in [recipe.yaml](recipe.yaml); what was earned for every completion in"
        f" [rewards.parquet](rewards.parquet).{kept}\n\n"
        f"| setting | value |\n|---|---|\n{settings}\n\n![curves](curves.png)"
    )


def _badge(recipe: Recipe) -> str:
    """The tracker's badge with a link to the run, where that is online."""
    trackers = recipe.grpo.get("report_to")
    if (
        "wandb" not in (trackers if isinstance(trackers, list) else [trackers])
        or os.environ.get("WANDB_MODE") == "offline"
    ):
        return ""
    import wandb

    url = wandb.run.url if wandb.run is not None else None
    return f'[<img src="{BADGE}" alt="Visualize in Weights & Biases" width="150" height="24"/>]({url})' if url else ""


def _suite(suite: Suite) -> str:
    rows = []
    for component in suite.components:
        passes, measures = opening.bound(component), _text(component.reward.summary)
        rows.append(
            f"| {component.name} | {component.reward.level} | {_use(component).removeprefix('weight ')} | {passes} | {measures} |"
        )
    stated = _cards(suite)
    cards = f"\n\nWhat they rest on (`rewards show NAME` says all of it):\n\n{stated}" if stated else ""
    return (
        f"## Rewards\n\n{_text(suite.description)}. What has a weight is paid; a gate says which edits are accepted;"
        " what is held out is only measured.\n\n"
        "| reward | level | weight | accepts an edit | measures |\n|---|---|---|---|---|\n" + "\n".join(rows) + cards
    )


def _use(component: Component) -> str:
    """What the suite does with a reward: `gate`, `weight 0.5`, both, or `held out`."""
    paid = f"weight {component.weight:g}" if component.weight else ""
    return ", ".join(part for part in ("gate" if component.gate else "", paid) if part) or "held out"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _cards(suite: Suite) -> str:
    """A list of what the rewards' cards state; rewards of one card share an entry."""
    names_of: dict[str, list[str]] = {}
    for component in suite.components:
        try:
            text = _card(component.reward.card)
        except PluginError:
            text = "its card cannot be read"
        if text:
            names_of.setdefault(text, []).append(f"`{component.name}`")
    return "\n".join(f"- {', '.join(names)}: {text}" for text, names in names_of.items())


def _card(card: Mapping[str, Any]) -> str:
    """What a card states as its measure, its data with their licences, and its limits, in Markdown.

    Cards of other distributions may hold anything: what does not have the form that `rewards fit` writes is left out here.
    """
    data, limits = card.get("data"), card.get("limits")
    files = [one for one in data if isinstance(one, Mapping)] if isinstance(data, list) else []
    named = [f"{one.get('source', one.get('file'))}, {one.get('licence', 'licence not stated')}" for one in files]
    parts = [_short(card.get("measures", "")), _short(f"Data: {'; '.join(named)}.") if named else ""]
    stated = limits.get("limits") if isinstance(limits, Mapping) else None
    points = [f"\n  - {_short(one)}" for one in stated] if isinstance(stated, list) else []
    return " ".join(part for part in parts if part) + "".join(points)


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return _text(text if len(text) <= 600 else f"{text[:597]}…")


def _text(text: str) -> str:
    """Untrusted text as one line of Markdown, escaped: no HTML, links or table cells of its own."""
    return re.sub(r"[\[\]|\\]", r"\\\g<0>", plain(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;"))


def _named(name: str) -> str:
    """The name of a model or of data for the card's readers: the last part of a path that exists here."""
    path = user_path(name)
    return f"`{path.name if path.exists() else name}`"


def _evaluation(
    recipe: Recipe,
    suite: Suite,
    splits: Splits,
    history: Sequence[Mapping[str, Any]],
    best: Mapping[str, Any] | None,
) -> str:
    entries = [entry for entry in history if entry.get("eval_reward") is not None]
    if not entries:
        kept = len(splits.eval.items)
        why = (
            f"The run did not evaluate the {kept:,} argument(s) kept apart" if kept else "No arguments were kept apart"
        )
        return f"## Evaluation\n\n{why}, so there are no held-out numbers."
    first, last = entries[0], next((one for one in entries if best and one["step"] == best["step"]), entries[-1])
    keys = {"eval_reward": "reward", "eval_suite/with_accepted_edit": "completions with an accepted edit"}
    keys |= {f"eval_rewards/{c.name}/mean": f"{c.name} ({_use(c)})" for c in suite.components}
    rows = [
        f"| {label} | {_number(first.get(key))} | {_number(last.get(key))} |"
        for key, label in keys.items()
        if key in last
    ]
    source = _named(recipe.data.eval or recipe.data.train or EXAMPLES)
    return (
        f"## Evaluation\n\nMeans over {_counted(len(splits.eval.items), 'argument')} of {source} that"
        " training did not see, sampled as in training.\n\n"
        f"| | step {first['step']} | step {last['step']} |\n|---|---|---|\n" + "\n".join(rows)
    )


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "–"


def _limits(recipe: Recipe, licence: Mapping[str, Any]) -> str:
    unknown = (
        "\n\nThe licence of the base model is not stated beside its weights: find it out before you pass this model on."
    )
    return (
        "## Intended use and limits\n\n"
        "To suggest edits that a person accepts or rejects, and for research on editing arguments. Not to change or remove"
        " anybody's words unseen, and not to judge people: what counts as appropriate follows the annotators of the corpora"
        " that the rewards were fitted on, in English debates on the web. A policy learns what its rewards measure, their"
        f" errors included; read the reward log, and the rewards that are held out, before trusting an average.\n\n"
        f"The model answers in the format `{recipe.format}` and was asked in one wording of the prompt only; other wordings,"
        " languages and longer arguments than it was trained on were not tried." + ("" if licence else unknown)
    )
