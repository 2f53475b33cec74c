"""What each argument contributes to each metric: a numerator and a denominator, so that any subset has its mean.

A value that a record does not have contributes 0 of 0. Rates over edits add up over arguments; so means, resampled means
and means under swapped systems are all sums of numerators over sums of denominators.
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
"""The two texts that are judged, and what they hold."""

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
    """The pass rate of one threshold over all edits; an invalid edit does not pass."""
    return Metric(
        f"pass:{name}",
        f"passes {name}",
        3,
        "higher",
        f"share of edits that by themselves pass {name}, or stand in a sentence that does; an invalid edit does not",
    )


def reward_metric(name: str, headers: Iterable[Mapping[str, Any]] = ()) -> Metric:
    """The mean of one reward as it stands in the records; better and the limit are what all the files' headers say."""
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
    """Which values of a reward a suite wants: what it pays for, else what the reward itself says."""
    weight, higher = stated.get("weight"), stated.get("higher_is_better")
    if weight:
        return "higher" if weight > 0 else "lower"
    return None if higher is None else "higher" if higher else "lower"


@dataclass(frozen=True)
class Values:
    """Numerators and denominators of every metric: (systems, metrics, arguments, 2)."""

    keys: tuple[str, ...]
    data: np.ndarray[Any, Any]

    def of(self, key: str) -> np.ndarray[Any, Any]:
        """(systems, arguments, 2) of one metric."""
        return self.data[:, self.keys.index(key)]

    def present(self, key: str) -> bool:
        """Whether any system has any value of it."""
        return key in self.keys and bool(self.of(key)[..., 1].any())


def collect(common: Common, references: References) -> Values:
    """The values of every metric that any record of the common ids has."""
    import numpy as np

    nothing = np.zeros((len(common.ids), 2))
    found: list[dict[str, np.ndarray[Any, Any]]] = []
    for system in common.systems:
        records = [system.records[one] for one in common.ids]
        thresholds = tuple(dict.fromkeys([*judged_by(records), *_stated(system.header)]))
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
    """The rewards that judge edits of these records, or the sentences they stand in, against a threshold."""
    scores = (judgements(record, edit) for record in records for edit in record["edits"] if edit["valid"])
    return tuple(dict.fromkeys(name for one in scores for name, score in one.items() if score["passed"] is not None))


def _stated(header: Mapping[str, Any]) -> Iterator[str]:
    """The rewards with a threshold for edits or sentences that a file's header names: of a system without a valid edit too."""
    for name, one in header.get("rewards", {}).items():
        if one.get("threshold") is not None and one.get("level") != "global":
            yield name


def gates(header: Mapping[str, Any], key: str = "gate") -> tuple[str, ...]:
    """The rewards that decide which edits are accepted, as a file's header names them; by another key, those that have it."""
    return tuple(name for name, one in header.get("rewards", {}).items() if one.get(key))


def contributions(
    record: Record, thresholds: Sequence[str], references: Sequence[str] = ()
) -> Iterator[tuple[str, Pair]]:
    """What one output record contributes: `accepted.app`, `all.nes`, `edits.valid`, `reward:…`."""
    yield from _edits(record, thresholds)
    for name, value in (("reward", record.get("reward")), *record["rewards"].items()):
        yield f"reward:{name}", _one(value)
    evaluation = evaluation_of(record)
    before = probabilities_before(record)
    for variant in VARIANTS:
        if variant == "accepted" and not decided(record):
            continue
        after = probabilities_after(record, variant)
        measured = evaluation.get(variant) or {}
        for key, value in _argument(record, record[TEXT_OF[variant]], before, after).items():
            yield f"{variant}.{key}", _one(value)
        for key in ("sim", "ppl", "ref_sim"):
            yield f"{variant}.{key}", _one(measured.get(key))
        yield from _of_gm(variant, after, measured)
        if references:
            for key, value in _against(record["argument"], record[TEXT_OF[variant]], references).items():
                yield f"{variant}.{key}", _one(value)


def _of_gm(variant: str, after: Mapping[str, float] | None, measured: Mapping[str, Any]) -> Iterator[tuple[str, Pair]]:
    """The three parts of GM, of an argument that has all of them: means over different arguments make no GM."""
    sim, ppl = measured.get("sim"), measured.get("ppl")
    if after is not None and sim is not None and ppl is not None:
        parts = {"app": formulas.is_appropriate(after[INAPPROPRIATE]), "sim": sim, "ppl": ppl}
        for name, value in parts.items():
            yield f"{variant}.gm.{name}", _one(value)


def evaluation_of(record: Record) -> Mapping[str, Any]:
    """What was measured of a record; empty where nothing was."""
    return record["details"].get("evaluation") or {}


def probabilities_before(record: Record) -> Mapping[str, float] | None:
    """The dimensions of the original: as measured here, else as a reward left them in the record's details."""
    measured = record["details"].get("evaluation")
    if measured is not None:  # of one judge for all systems: another's word is not taken where it failed
        return measured.get("before") or None
    return _told(record, "before")


def probabilities_after(record: Record, variant: str) -> Mapping[str, float] | None:
    """The dimensions of one of the two edited texts, None where nobody has measured them.

    Scoring tells those after the accepted edits alone. Where all edits were accepted the other text is the same one, but
    a mean over just these arguments would be one over the best.
    """
    measured = record["details"].get("evaluation")
    if measured is not None:
        return (measured.get(variant) or {}).get("dimensions") or None
    return _told(record, "after") if variant == "accepted" and decided(record) else None


def _told(record: Record, when: str) -> Mapping[str, float] | None:
    for detail in record["details"].values():
        if isinstance(detail, Mapping) and isinstance(found := detail.get(when), Mapping) and INAPPROPRIATE in found:
            return found
    return None


def _argument(
    record: Record, text: str, before: Mapping[str, float] | None, after: Mapping[str, float] | None
) -> dict[str, float | bool | None]:
    issue = record["issue"]
    p = None if after is None else after[INAPPROPRIATE]
    return {
        "app": None if p is None else formulas.is_appropriate(p),
        "p": p,
        "nes": formulas.nes(record["argument"], text),
        "nes_2024": formulas.nes_2024(f"{issue} {record['argument']}", f"{issue} {text}"),
        "flips": None if p is None or before is None else formulas.true_flip(before[INAPPROPRIATE], p),
    }


def _against(argument: str, text: str, references: Sequence[str]) -> dict[str, float]:
    return {
        "ref_sari": sari(argument, text, references),
        "ref_nes": max(formulas.nes(reference, text) for reference in references),
        **{f"ref_{name}": value for name, value in rouge(text, references).items()},
    }


def _edits(record: Record, thresholds: Sequence[str]) -> Iterator[tuple[str, Pair]]:
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
    yield from _measured(record, count)


def _measured(record: Record, count: float) -> Iterator[tuple[str, Pair]]:
    """What single edits do; an edit that cannot be applied does nothing, one whose format has no reasons has no wrong one."""
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
    """Whether an edit's reason counts: it states one, or cannot be read and should have stated one."""
    return edit["reason"] is not None or not (edit["valid"] or record["format"] in _without_reasons())


@functools.cache
def _without_reasons() -> frozenset[str]:
    """The formats in which edits state no reasons."""
    return frozenset(format.name for _, format, _ in registry().formats if not format.reasons)


def _one(value: float | bool | None) -> Pair:
    return (0.0, 0.0) if value is None else (float(value), 1.0)
