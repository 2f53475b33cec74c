"""Each argument's contribution to each metric, as a numerator and a denominator, so that any subset has a mean.

A missing value contributes (0, 0). Rates over edits add up over arguments as well, so plain means, bootstrap means and means
under permuted systems are all a sum of numerators divided by a sum of denominators.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rewards.dimensions import INAPPROPRIATE
from rewards.plugins import registry
from rewards.scored import decided, judgements
from rewards_eval import formulas
from rewards_eval.references import rouge, sari

if TYPE_CHECKING:
    import numpy as np

    from rewards_eval.systems import Common, Id

Better = Literal["higher", "lower"]
Record = Mapping[str, Any]
Pair = tuple[float, float]
References = Mapping["Id", tuple[str, ...]]
VARIANTS = {"accepted": "accepted edits", "all": "all valid edits"}
"""The two edited texts that are measured, with their labels in tables."""

TEXT_OF = {"accepted": "argument_after_accepted", "all": "argument_after_all"}


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is shown."""

    key: str
    label: str
    digits: int
    better: Better | None
    help: str
    total: bool = False  # shown as a sum over arguments rather than a mean


ARGUMENT_METRICS = (
    Metric("app", "App", 3, "higher", "share of arguments with P(Inappropriateness) < .5 after editing"),
    Metric("p", "P(inapp.)", 3, "lower", "mean P(Inappropriateness) after editing"),
    Metric("sim", "Sim", 3, "higher", "BERTScore F1 of the argument after editing against the original"),
    Metric("nes", "NES", 3, None, "normalised edit similarity of 2026: 1 − word Levenshtein / longer length"),
    Metric("nes_2024", "NES 2024", 3, None, "exp(−d/(m−d)) of a word alignment of issue and argument"),
    Metric("ppl", "PPL", 1, "lower", "perplexity of the argument after editing, mean over arguments"),
    Metric("gm", "GM", 3, "higher", "cube root of App · Sim / PPL, of the three means"),
    Metric(
        "flips", "true flips", 0, "higher", "arguments with P ≥ .5 before and < .5 after; n counts those with P ≥ .5 before",
        total=True,
    ),
)  # fmt: skip
REFERENCE_METRICS = (
    Metric("ref_sari", "SARI", 1, "higher", "SARI against the original and people's rewrites, 0 to 100"),
    Metric("ref_rouge1", "ROUGE-1", 3, "higher", "F1 of words against people's rewrites"),
    Metric("ref_rouge2", "ROUGE-2", 3, "higher", "F1 of word pairs against people's rewrites"),
    Metric("ref_rougeL", "ROUGE-L", 3, "higher", "F1 of the longest common subsequence with people's rewrites"),
    Metric("ref_nes", "NES", 3, "higher", "normalised edit similarity (2026) to people's rewrites"),
    Metric("ref_sim", "BERTScore", 3, "higher", "BERTScore F1 against people's rewrites"),
)
EDIT_METRICS = (
    Metric("edits", "edits", 0, None, "edits stated; n counts arguments", total=True),
    Metric("per_argument", "per arg.", 2, None, "edits stated per argument"),
    Metric("valid", "valid", 3, "higher", "share of edits that can be applied"),
    Metric("accepted", "accepted", 3, "higher", "share of edits that pass every gate, alone and together"),
    Metric("edit_app", "app", 3, "higher", "share of edits that alone lower P(Inappropriateness)"),
    Metric("reason_strict", "reason", 3, "higher", "share whose reason is the dimension that improves most"),
    Metric("reason_relaxed", "relaxed", 3, "higher", "share whose reason is a dimension that improves"),
)


def pass_metric(name: str) -> Metric:
    """The share of edits that pass one reward's threshold: invalid ones do not pass, those on which it failed do not count."""
    return Metric(
        f"pass:{name}",
        f"passes {name}",
        3,
        "higher",
        f"share of edits that by themselves pass {name}, or stand in a sentence that does; an invalid edit does not",
    )


def reward_metric(name: str, headers: Iterable[Mapping[str, Any]] = ()) -> Metric:
    """The mean of one reward as scored; its direction and gate threshold are stated only where all headers agree."""
    if name == "reward":
        return Metric("reward:reward", "total", 4, "higher", "mean of total over arguments, as scored")
    stated = [header.get("rewards", {}).get(name, {}) for header in headers]
    wanted: set[Better | None] = {_direction(one) for one in stated}
    limits = {one.get("threshold") if one.get("gate") else None for one in stated}
    better = wanted.pop() if len(wanted) == 1 else None
    limit = limits.pop() if len(limits) == 1 else None
    sign = "≤" if any(one.get("higher_is_better") is False for one in stated) else "≥"
    also = "" if limit is None else f"; what is scored passes at {sign} {limit:.4g}"
    return Metric(f"reward:{name}", name, 4, better, f"mean of {name} over arguments, as scored{also}")


def _direction(stated: Mapping[str, Any]) -> Better | None:
    """Which values are better: by the sign of the weight in the suite, else by the reward's `higher_is_better`."""
    weight, higher = stated.get("weight"), stated.get("higher_is_better")
    if weight:
        return "higher" if weight > 0 else "lower"
    return None if higher is None else "higher" if higher else "lower"


@dataclass(frozen=True)
class Values:
    """Numerators and denominators of every metric: (systems, metrics, ids, 2)."""

    keys: tuple[str, ...]
    data: np.ndarray[Any, Any]

    def of(self, key: str) -> np.ndarray[Any, Any]:
        """The pairs of one metric: (systems, ids, 2)."""
        return self.data[:, self.keys.index(key)]

    def present(self, key: str) -> bool:
        """Whether any system has a value of this metric."""
        return key in self.keys and bool(self.of(key)[..., 1].any())


def collect(common: Common, references: References) -> Values:
    """The values of every metric that occurs in a record of the common ids."""
    import numpy as np

    nothing = np.zeros((len(common.ids), 2))
    found: list[dict[str, np.ndarray[Any, Any]]] = []
    for system in common.systems:
        records = [system.records[one] for one in common.ids]
        thresholds = tuple(dict.fromkeys([*judged_by(records), *_with_threshold(system.header)]))
        columns: dict[str, np.ndarray[Any, Any]] = {}
        for i, record in enumerate(records):
            for key, pair in contributions(record, thresholds, references.get(record["id"], ())):
                if key not in columns:
                    columns[key] = nothing.copy()
                columns[key][i] = pair
        found.append(columns)
    keys = tuple(dict.fromkeys(key for columns in found for key in columns))
    data = np.array([[columns.get(key, nothing) for key in keys] for columns in found])
    return Values(keys, data)


def judged_by(records: Iterable[Record]) -> tuple[str, ...]:
    """The rewards that pass or fail a valid edit of these records, or the sentence that holds it."""
    scores = (judgements(record, edit) for record in records for edit in record["edits"] if edit["valid"])
    return tuple(dict.fromkeys(name for one in scores for name, score in one.items() if score["passed"] is not None))


def _with_threshold(header: Mapping[str, Any]) -> Iterator[str]:
    """The edit and sentence rewards with a threshold in a file's header: needed where a system has no valid edit."""
    for name, one in header.get("rewards", {}).items():
        if one.get("threshold") is not None and one.get("level") != "global":
            yield name


def gates(header: Mapping[str, Any], key: str = "gate") -> tuple[str, ...]:
    """The gates in a file's header; with another `key`, the rewards for which that setting is true."""
    return tuple(name for name, one in header.get("rewards", {}).items() if one.get(key))


def contributions(
    record: Record, thresholds: Sequence[str], references: Sequence[str] = ()
) -> Iterator[tuple[str, Pair]]:
    """The pair that one output record contributes to each metric: `accepted.app`, `all.nes`, `edits.valid`, `reward:…`."""
    yield from _edit_rates(record, thresholds)
    for name, value in (("reward", record.get("reward")), *record["rewards"].items()):
        yield f"reward:{name}", _pair(value)
    evaluation = evaluation_of(record)
    before = probabilities_before(record)
    for variant in VARIANTS:
        if variant == "accepted" and not decided(record):
            continue
        after = probabilities_after(record, variant)
        measured = evaluation.get(variant) or {}
        for key, value in _argument_metrics(record, record[TEXT_OF[variant]], before, after).items():
            yield f"{variant}.{key}", _pair(value)
        for key in ("sim", "ppl", "ref_sim"):
            yield f"{variant}.{key}", _pair(measured.get(key))
        yield from _gm_parts(variant, after, measured)
        if references:
            for key, value in _reference_metrics(record["argument"], record[TEXT_OF[variant]], references).items():
                yield f"{variant}.{key}", _pair(value)


def _gm_parts(
    variant: str, after: Mapping[str, float] | None, measured: Mapping[str, Any]
) -> Iterator[tuple[str, Pair]]:
    """App, Sim and PPL for GM, only of a record that has all three: their means must be over the same records."""
    sim, ppl = measured.get("sim"), measured.get("ppl")
    if after is not None and sim is not None and ppl is not None:
        parts = {"app": formulas.is_appropriate(after[INAPPROPRIATE]), "sim": sim, "ppl": ppl}
        for name, value in parts.items():
            yield f"{variant}.gm.{name}", _pair(value)


def evaluation_of(record: Record) -> Mapping[str, Any]:
    """The measurements in a record's `details.evaluation`; empty where there are none."""
    return record["details"].get("evaluation") or {}


def probabilities_before(record: Record) -> Mapping[str, float] | None:
    """The dimension probabilities of the original: from `details.evaluation`, else from a reward's details; or None."""
    measured = record["details"].get("evaluation")
    if measured is not None:  # one classifier for all systems: where it failed, no other one's values replace it
        return measured.get("before") or None
    return _from_rewards(record, "before")


def probabilities_after(record: Record, variant: str) -> Mapping[str, float] | None:
    """The dimension probabilities of one of the two edited texts; None where they were not measured.

    Rewards state them after the accepted edits only. Where all edits were accepted, both texts are the same, but values of
    `all` for just these arguments would give a mean over the best ones.
    """
    measured = record["details"].get("evaluation")
    if measured is not None:
        return (measured.get(variant) or {}).get("dimensions") or None
    return _from_rewards(record, "after") if variant == "accepted" and decided(record) else None


def _from_rewards(record: Record, when: str) -> Mapping[str, float] | None:
    for detail in record["details"].values():
        if isinstance(detail, Mapping) and isinstance(found := detail.get(when), Mapping) and INAPPROPRIATE in found:
            return found
    return None


def _argument_metrics(
    record: Record, text: str, before: Mapping[str, float] | None, after: Mapping[str, float] | None
) -> dict[str, float | bool | None]:
    """The metrics of one edited text that need no models, given the dimensions before and after."""
    issue = record["issue"]
    p = None if after is None else after[INAPPROPRIATE]
    return {
        "app": None if p is None else formulas.is_appropriate(p),
        "p": p,
        "nes": formulas.nes(record["argument"], text),
        "nes_2024": formulas.nes_2024(f"{issue} {record['argument']}", f"{issue} {text}"),
        "flips": None if p is None or before is None else formulas.true_flip(before[INAPPROPRIATE], p),
    }


def _reference_metrics(argument: str, text: str, references: Sequence[str]) -> dict[str, float]:
    return {
        "ref_sari": sari(argument, text, references),
        "ref_nes": max(formulas.nes(reference, text) for reference in references),
        **{f"ref_{name}": value for name, value in rouge(text, references).items()},
    }


def _edit_rates(record: Record, thresholds: Sequence[str]) -> Iterator[tuple[str, Pair]]:
    """Counts and rates over the edits of one record; `thresholds` names the rewards whose pass rates are wanted."""
    edits = record["edits"]
    count = float(len(edits))
    yield "edits.edits", (count, 1.0)
    yield "edits.per_argument", (count, 1.0)
    yield "edits.valid", (float(sum(edit["valid"] for edit in edits)), count)
    if decided(record):
        yield "edits.accepted", (float(sum(edit["accepted"] for edit in edits)), count)
    judged = [judgements(record, edit) if edit["valid"] else {} for edit in edits]
    for name in thresholds:
        scores = [one.get(name) or {} for one in judged]
        failed = sum(bool(score.get("failed")) for score in scores)
        yield f"edits.pass:{name}", (float(sum(bool(score.get("passed")) for score in scores)), count - failed)
    yield from _single_edit_rates(record, count)


def _single_edit_rates(record: Record, count: float) -> Iterator[tuple[str, Pair]]:
    """Rates of what each edit does alone; rates of reasons are over the edits for which `is_reasoned` holds.

    An invalid edit improves nothing. A record contributes nothing to a rate where the value of one of its edits is unknown.
    """
    measured: Sequence[Mapping[str, Any]] = evaluation_of(record).get("edits") or ()
    if len(measured) != count:
        return
    edits = list(zip(record["edits"], measured, strict=True))
    reasoned = [found for edit, found in edits if is_reasoned(record, edit)]
    for key, name, chosen in (
        ("edit_app", "app", measured),
        ("reason_strict", "strict", reasoned),
        ("reason_relaxed", "relaxed", reasoned),
    ):
        values = [found[name] for found in chosen]
        if not any(value is None for value in values):
            yield f"edits.{key}", (float(sum(values)), float(len(values)))


def is_reasoned(record: Record, edit: Mapping[str, Any]) -> bool:
    """Whether an edit counts in rates of reasons: it states one, or is invalid in a format whose edits state reasons."""
    return edit["reason"] is not None or not (edit["valid"] or record["format"] in _without_reasons())


@functools.cache
def _without_reasons() -> frozenset[str]:
    """The formats in which edits state no reasons."""
    return frozenset(format.name for _, format, _ in registry().formats if not format.reasons)


def _pair(value: float | bool | None) -> Pair:
    """A value of one argument as numerator and denominator; (0, 0) where it is missing."""
    return (0.0, 0.0) if value is None else (float(value), 1.0)
