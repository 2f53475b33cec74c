"""`python -m bench.learning DATA OUT`: a policy of 135 million parameters learns on this machine; before and after, measured.

DATA is a folder with `arguments/appropriateness_corpus.jsonl`, `toxicity/paradetox.jsonl` and
`toxicity/toxic_spans_train.jsonl`. OUT gets the run, both evaluations,
`learning.md` with the tables, `learning.json` with the numbers, `learning.png` with the curve. Started again, it goes on.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import need
from bench.page import table
from bench.starts import start_pairs
from rewards.engine.engine import Engine
from rewards.records import read_revision
from rewards.result import Result
from rewards.suite import Suite, suite_of
from rewards_train import data, folder, policy, recipe
from rewards_train.launch import Launch, run
from rewards_train.metrics import tracked
from rewards_train.recipe import Recipe
from rewards_train.run import quiet, reward_plan

FILES = (
    "arguments/appropriateness_corpus.jsonl", "toxicity/paradetox.jsonl", "toxicity/toxic_spans_train.jsonl",
)  # fmt: skip
FOLD = "fold0.0"
PAIRS = 750
PLAIN = "a plain reward: .4 valid share + .6 gain"
Measure = Callable[[Result], float | None]


MEASURES: dict[str, Measure] = {
    "reward": lambda r: r.reward,
    "completions with an accepted edit": lambda r: float(bool(r.accepted)),
    "edits": lambda r: float(len(r.revision.edits)),
    "valid edits": lambda r: float(sum(e.valid for e in r.revision.edits)),
    "accepted edits": lambda r: float(len(r.accepted)),
    "valid share of the edits": lambda r: (
        sum(e.valid for e in r.revision.edits) / len(r.revision.edits) if r.revision.edits else 0.0
    ),
    "accepted share of the edits": lambda r: len(r.accepted) / len(r.revision.edits) if r.revision.edits else 0.0,
    "edits that change nothing": lambda r: float(sum(e.valid and not e.changes for e in r.revision.edits)),
    "words after / before": lambda r: len(r.after_accepted.split()) / max(1, len(r.revision.argument.split())),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.learning", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="override the recipe `small`")
    parser.add_argument("--evaluate", type=int, default=124, help="how many unseen arguments")
    parser.add_argument("--samples", type=int, default=4, help="completions per unseen argument")
    given = parser.parse_args()
    need(given.data, FILES)
    quiet()
    given.out.mkdir(parents=True, exist_ok=True)
    arguments, unseen, starts = prepare(given.data, given.out, given.evaluate)
    seconds = {"pairs": 0.0}
    chosen = recipe.resolve(
        "small", [f"data.train={arguments}", f"sft.data={starts}", f"out={given.out / 'run'}", *given.overrides]
    )
    chosen.data.eval = None
    seconds["warm start"] = timed(lambda: run(chosen, Launch(), resume=True, only_sft=True))
    before, seconds["evaluation before"] = evaluated(
        given.out / "before.jsonl", chosen, "warm-start", unseen, given.samples
    )
    seconds["GRPO"] = timed(lambda: run(chosen, Launch(), resume=True))
    after, seconds["evaluation after"] = evaluated(given.out / "after.jsonl", chosen, ".", unseen, given.samples)
    report(given.out, chosen, before, after, given.samples, spent(given.out, seconds))


def prepare(source: Path, out: Path, count: int) -> tuple[Path, Path, Path]:
    """Inappropriate arguments of TRAIN to learn from, of VALID to evaluate on, and pairs for the warm start.

    TEST of this fold is what the reference was tested on: it is never read.
    """
    corpus = [json.loads(line) for line in (source / "arguments/appropriateness_corpus.jsonl").open(encoding="utf-8")]
    kept = {
        split: [
            {"id": str(r["post_id"]), "issue": r["issue"], "argument": r["text"]}
            for r in corpus
            if r["folds"][FOLD] == split and r["labels"]["Inappropriateness"] == 1
        ]
        for split in ("TRAIN", "VALID")
    }
    random.Random(0).shuffle(kept["VALID"])
    paths = out / "arguments.jsonl", out / "unseen.jsonl", out / "pairs.jsonl"
    write(paths[0], kept["TRAIN"])
    write(paths[1], kept["VALID"][:count])
    with paths[1].open(encoding="utf-8") as file:
        written = sum(1 for _ in file)
    if written != len(kept["VALID"][:count]):
        raise SystemExit(f"{paths[1]} holds another number of arguments than --evaluate says: give another OUT")
    if not paths[2].exists():
        took = timed(lambda: write(paths[2], start_pairs(source, kept["TRAIN"], PAIRS)))
        folder.write_state(out, pairs={"seconds": took})
    return paths


def evaluated(path: Path, chosen: Recipe, model: str, unseen: Path, samples: int) -> tuple[list[Result], float]:
    """The scored completions of a policy on the unseen arguments; generated where the file does not hold them yet."""
    began = time.monotonic()
    start = Path(chosen.out) / model
    tokenizer = policy.load_tokenizer(start)
    items = [item for item in data.read(str(unseen), chosen, tokenizer).items for _ in range(samples)]
    if not path.exists():
        texts = generate(start, chosen, tokenizer, items)
        write(path, [{"id": item.id, "completion": text} for item, text in zip(items, texts, strict=True)])
    made = [json.loads(line) for line in path.open(encoding="utf-8")]
    if [one.get("id") for one in made] != [item.id for item in items]:
        raise SystemExit(f"{path} holds completions of other arguments, or another number of each: delete it")
    suite = reward_plan(chosen).load()
    revisions = [
        read_revision(
            {
                "id": item.id,
                "issue": item.issue,
                "argument": item.argument,
                "sentences": list(item.sentences),
                "completion": one["completion"],
            },
            format=chosen.format,
        )
        for item, one in zip(items, made, strict=True)
    ]
    results = [result for at in range(0, len(revisions), 32) for result in suite.score(revisions[at : at + 32])]
    return results, time.monotonic() - began


def generate(start: Path, chosen: Recipe, tokenizer: Any, items: Sequence[data.Item], batch: int = 16) -> list[str]:
    """One completion per item, sampled as in training."""
    import torch

    from rewards import prompts

    model = policy.load_model(start, chosen.dtype).eval()
    tokenizer.padding_side = "left"
    torch.manual_seed(0)
    texts: list[str] = []
    for at in range(0, len(items), batch):
        encoded = [prompts.encode(tokenizer, item.messages) for item in items[at : at + batch]]
        padded = tokenizer.pad({"input_ids": encoded}, return_tensors="pt")
        with torch.inference_mode():
            made = model.generate(
                **padded, max_new_tokens=chosen.grpo["max_completion_length"], do_sample=True, top_k=0, top_p=1.0,
                temperature=chosen.grpo["temperature"], pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )  # fmt: skip
        texts += tokenizer.batch_decode(made[:, padded["input_ids"].shape[1] :], skip_special_tokens=True)
        print(f"generated {len(texts)}/{len(items)}", flush=True)
    return texts


def report(
    out: Path, chosen: Recipe, before: list[Result], after: list[Result], samples: int, seconds: dict[str, float]
) -> None:
    """Write the tables, the numbers and the curve."""
    suite = reward_plan(chosen).load()
    rows = {name: compare(measure, before, after, samples) for name, measure in MEASURES.items()}
    rows[PLAIN] = compare(float, plain(before, suite.engine), plain(after, suite.engine), samples)
    components = {c.name: compare(value_of(c.name), before, after, samples) for c in suite.components}
    shown = [cells(name, row) for name, row in rows.items()]
    shown += [cells(f"{c.name} ({kind(c)})", components[c.name]) for c in suite.components]
    lines = table(("", "before", "after", "difference [95 %]", "n"), shown)
    total = sum(value for name, value in seconds.items() if not name.startswith("evaluation"))
    lines += ["", "Held out (weight 0, not optimised): " + (audit(suite, components) or "nothing was measured.")]
    parts = {**seconds, "pairs, warm start and GRPO together": total}
    lines += ["", *table(("part", "seconds"), [(name, f"{value:,.0f}") for name, value in parts.items()])]
    lines += ["", *examples(before, after, samples)]
    (out / "learning.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    numbers = {"measures": rows, "rewards": components, "seconds": seconds, "arguments": len(before) // samples}
    (out / "learning.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    curve(Path(chosen.out) / "rewards.parquet", out / "learning.png")
    print((out / "learning.md").read_text(encoding="utf-8"))


def plain(results: Sequence[Result], engine: Engine) -> list[float]:
    """.4 · the share of valid edits + .6 · the gain of all valid edits in appropriateness, if over 60 % of the words stay.

    A reward without gates; on this scale a plain trial of GRPO with this policy went from .258 to .336.
    """
    ungated = suite_of(("appropriateness_gain",), engine=engine).score([result.revision for result in results])
    found = []
    for result in ungated:
        words, kept = Counter(result.revision.argument.split()), Counter(result.after_all.split())
        gain = result.rewards["appropriateness_gain"] or 0.0 if (words & kept).total() > 0.6 * words.total() else 0.0
        found.append(0.4 * (MEASURES["valid share of the edits"](result) or 0.0) + 0.6 * gain)
    return found


def compare(
    measure: Callable[[Any], float | None], before: Sequence[Any], after: Sequence[Any], samples: int
) -> dict[str, Any]:
    """Means before and after and a paired bootstrap interval of the difference, over arguments."""
    first, last = by_argument(measure, before, samples), by_argument(measure, after, samples)
    both = ~np.isnan(first) & ~np.isnan(last)
    differences = (last - first)[both]
    draw = np.random.default_rng(0)
    if not len(differences):
        return {"before": None, "after": None, "difference": None, "low": None, "high": None, "n": 0}
    means = draw.choice(differences, (10_000, len(differences))).mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    values = {
        "before": first[both].mean(),
        "after": last[both].mean(),
        "difference": differences.mean(),
        "low": low,
        "high": high,
    }
    return {**{name: float(value) for name, value in values.items()}, "n": int(both.sum())}


def value_of(name: str) -> Measure:
    return lambda result: result.rewards[name]


def by_argument(measure: Callable[[Any], float | None], results: Sequence[Any], samples: int) -> Any:
    """(arguments,): the mean over the samples of each; NaN where none has a value."""
    values = np.array([np.nan if (v := measure(r)) is None else v for r in results], dtype=float).reshape(-1, samples)
    counts = (~np.isnan(values)).sum(1)
    return np.where(counts > 0, np.nansum(values, 1) / np.maximum(1, counts), np.nan)


def audit(suite: Suite, components: dict[str, dict[str, Any]]) -> str:
    """How the rewards that have neither weight nor gate changed, in one line; empty where none was measured."""
    changes = []
    for c in suite.components:
        row = components[c.name]
        if not c.weight and not c.gate and row["n"]:
            better = row["difference"] if c.reward.higher_is_better else -row["difference"]
            bound = row["high"] if c.reward.higher_is_better else -row["low"]
            changes.append(
                f"{c.name} {'better' if better > 0 else 'worse'} by {abs(better):.4f}, {'FELL' if bound < 0 else 'did not fall'}"
            )
    return "; ".join(changes) + "." if changes else ""


def kind(component: Any) -> str:
    return f"weight {component.weight:g}" if component.weight else "gate" if component.gate else "held out"


def cells(name: str, row: dict[str, Any]) -> list[Any]:
    if not row["n"]:
        return [name, "–", "–", "–", 0]
    spread = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
    return [name, f"{row['before']:.3f}", f"{row['after']:.3f}", spread, row["n"]]


def examples(before: list[Result], after: list[Result], samples: int, count: int = 3) -> list[str]:
    """The first of the unseen arguments, not selected by their results."""
    lines = ["`[-old-]{+new+}` was accepted, `[~old~]{~new~}` was not.", ""]
    for index in range(0, min(count * samples, len(before)), samples):
        lines += [f"**{before[index].revision.issue}**", ""]
        for title, result in (("before", before[index]), ("after", after[index])):
            lines += [
                f"{title}, reward {result.reward if result.reward is None else round(result.reward, 3)}:",
                "",
                "```text",
            ]
            lines += [tracked(result) or "(no valid edit)", "```", ""]
    return lines


def curve(log: Path, to: Path) -> None:
    """The mean reward of every step, and a running mean of ten steps."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from pyarrow import parquet

    steps = parquet.read_table(log, columns=["step", "reward"]).to_pandas().dropna()
    means = steps.groupby("step").reward.mean()
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    axis.plot(means.index, means, alpha=0.4, label="step")
    axis.plot(means.index, means.rolling(10, min_periods=1).mean(), label="mean of ten steps")
    axis.set_xlabel("step")
    axis.set_ylabel("reward")
    axis.legend()
    figure.savefig(to, dpi=110)


def spent(out: Path, seconds: dict[str, float]) -> dict[str, float]:
    """The seconds of all parts; for a part that an earlier run did, the seconds it took then."""
    run_folder = out / "run"
    then = {
        "pairs": folder.read_state(out).get("pairs", {}),
        "warm start": folder.read_state(run_folder / "warm-start"),
        "GRPO": folder.read_state(run_folder),
    }
    return {name: max(value, then.get(name, {}).get("seconds", 0.0)) for name, value in seconds.items()}


def timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def write(path: Path, records: Sequence[dict[str, Any]]) -> None:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if not path.exists():  # a resumed run keeps its data
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
