"""What is logged of a scoring pass besides its rewards: always the same names, always numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rewards.result import Result
from rewards.suite import Component, Suite
from rewards.text.plain import plain
from rewards.types import Edit, apply_spans

if TYPE_CHECKING:
    from rewards_train.adapter import Pass

MARKS = {True: ("[-{}-]", "{{+{}+}}"), False: ("[~{}~]", "{{~{}~}}")}  # accepted, rejected


def metrics(done: Pass, suite: Suite) -> dict[str, float]:
    """Means over the completions of one pass, by name.

    TRL logs mean and standard deviation of every reward, and the share of groups without spread, itself.
    """
    pairs = list(zip(done.results, done.dropped, strict=True)) or [(None, None)]
    return {
        **means([_counts(result, reason, suite) for result, reason in pairs]),
        "suite/seconds": done.seconds,
        "suite/share_of_time": done.share,
        "suite/features_cached": done.cached,
    }


def completions(done: Pass, suite: Suite) -> list[dict[str, float | None]]:
    """The values of each completion of a pass that go into the logged means, by name: its rewards and its counts."""
    columns = {f"rewards/{component.name}/mean": done.values(component) for component in suite.components}
    columns["reward"] = done.totals()
    return [
        {**_counts(result, reason, suite), **{name: values[index] for name, values in columns.items()}}
        for index, (result, reason) in enumerate(zip(done.results, done.dropped, strict=True))
    ]


def held_out(suite: Suite) -> list[str]:
    """The names under which an evaluation logs means over its completions, without TRL's `eval_`."""
    return ["reward", *(f"rewards/{one.name}/mean" for one in suite.components), *_counts(None, None, suite)]


def means(rows: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """The mean of each name over the rows that have a number for it."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                found.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}


def _counts(result: Result | None, reason: str | None, suite: Suite) -> dict[str, float]:
    """Counts and shares of one completion: always the same names."""
    edits = result.revision.edits if result is not None else ()
    accepted = result.accepted if result is not None else ()
    failures = result.failures if result is not None else {}
    found = {
        "suite/failed": float(reason is not None),
        "suite/not_read_in_full": float(result is not None and result.revision.problem is not None),
        "suite/edits": float(len(edits)),
        "suite/edits_valid": float(sum(edit.valid for edit in edits)),
        "suite/edits_without_change": float(sum(edit.valid and not edit.changes for edit in edits)),
        "suite/edits_accepted": float(len(accepted)),
        "suite/with_accepted_edit": float(bool(accepted)),
    }
    for component in suite.components:
        found[f"suite/{component.name}/failed"] = float(component.name in failures)
        if component.threshold is not None and component.reward.level != "global":
            found[f"suite/{component.name}/passed"] = _passed(result, component) if result is not None else 0.0
    return found


def table(done: Pass) -> dict[str, list[Any]]:
    """Columns of the completions table: the edits as tracked changes, and why edits were rejected or completions dropped."""
    return {
        "edits": ["" if result is None else tracked(result) for result in done.results],
        "rejected": ["" if result is None else rejections(result) for result in done.results],
        "failed": [reason or "" for reason in done.dropped],
    }


def tracked(result: Result) -> str:
    """The edited sentences with `[-old-]{+new+}` where an edit was accepted and `[~old~]{~new~}` where it was not."""
    accepted = set(result.accepted)
    marked: dict[int, list[Edit]] = {}
    for index, edit in enumerate(result.revision.edits):
        if edit.valid:
            old, new = MARKS[index in accepted]
            shown = (old.format(edit.before) if edit.before else "") + (new.format(edit.after) if edit.after else "")
            copy = Edit(edit.sentence_id, edit.before, shown, None, edit.sentence_before, edit.start, edit.end)
            marked.setdefault(edit.sentence_id, []).append(copy)
    lines = (
        f"{number}. {apply_spans(result.revision.sentences[number - 1], edits)}"
        for number, edits in sorted(marked.items())
    )
    return plain("\n".join(lines))


def rejections(result: Result) -> str:
    """One line for every edit that was not accepted: `old -> new (the gates it did not pass, or why it is invalid)`."""
    accepted = set(result.accepted)
    lines = []
    for index, (edit, missed) in enumerate(zip(result.revision.edits, result.failed_gates, strict=True)):
        if index not in accepted:
            why = edit.invalid_reason or ", ".join(missed)
            lines.append(f"{edit.before!r} -> {edit.after!r} ({why})")
    return plain("\n".join(lines))


def _passed(result: Result, component: Component) -> float:
    """The share of a completion's edits, or sentences, that pass this threshold; 0 where there are none."""
    name, of_sentences = component.name, component.reward.level == "sentence"
    units = [scores for _, scores in result.sentences] if of_sentences else result.edits
    passed = [name in scores and scores[name].passed is True for scores in units]
    return sum(passed) / len(passed) if passed else 0.0
