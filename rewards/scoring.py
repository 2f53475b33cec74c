"""Records to results: plan the requests of all rewards, compute them in one pass, judge, gate, apply, total.

Two passes over the whole batch: edit and sentence level first, because their gates decide which text the global
rewards see.
"""

from __future__ import annotations

import logging
import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewards.contract import Unit, to_scores
from rewards.errors import ModelError, PluginError
from rewards.features import Failure
from rewards.result import Judgement, Result
from rewards.types import NOT_APPLICABLE, Argument, Revision, Score, Sentence

if TYPE_CHECKING:
    from rewards.features import Request
    from rewards.suite import Component, Suite

log = logging.getLogger("rewards.scoring")


@dataclass(frozen=True, slots=True)
class Column:
    """One component over all its units of a batch; `owners` says which revision each unit belongs to."""

    component: Component
    units: Sequence[Unit]
    owners: Sequence[int]


def score(suite: Suite, revisions: Sequence[Revision]) -> list[Result]:
    """One Result per revision, in order."""
    return _score(suite, revisions, None)


def score_accepted(suite: Suite, revisions: Sequence[Revision], accepted: Sequence[tuple[int, ...]]) -> list[Result]:
    """As `score`, but with the edits that are accepted decided beforehand, as indices per revision."""
    return _score(suite, revisions, accepted)


def _score(suite: Suite, revisions: Sequence[Revision], accepted: Sequence[tuple[int, ...]] | None) -> list[Result]:
    edits = [
        (i, j, edit) for i, revision in enumerate(revisions) for j, edit in enumerate(revision.edits) if edit.valid
    ]
    sentences = [(i, sentence) for i, revision in enumerate(revisions) for sentence in revision.edited_sentences()]
    units: dict[str, tuple[list[Unit], list[int]]] = {
        "edit": ([edit for _, _, edit in edits], [i for i, _, _ in edits]),
        "sentence": ([sentence for _, sentence in sentences], [i for i, _ in sentences]),
    }
    local = [Column(c, *units[c.reward.level]) for c in suite.components if c.reward.level != "global"]
    columns = dict(zip((c.component.name for c in local), _run(suite, local), strict=True))

    drafts = [_Draft(revision) for revision in revisions]
    for column in local:
        name = column.component.name
        judgements = [_judge(column.component, value) for value in columns[name]]
        for number, judgement in enumerate(judgements):
            draft = drafts[column.owners[number]]
            draft.note(name, judgement)
            if column.component.reward.level == "edit":
                draft.edits[edits[number][1]][name] = judgement
            else:
                draft.sentences[sentences[number][1].sentence_id][name] = judgement
    for i, sentence in sentences:
        draft = drafts[i]
        draft.edited.append(sentence)
    gates = [c for c in suite.components if c.gate]
    arguments = [draft.gate(gates, accepted[i] if accepted else None) for i, draft in enumerate(drafts)]

    final = [Column(c, arguments, range(len(arguments))) for c in suite.components if c.reward.level == "global"]
    for column, scores in zip(final, _run(suite, final), strict=True):
        for draft, value in zip(drafts, scores, strict=True):
            draft.totals[column.component.name] = value
    return [draft.result(suite, argument) for draft, argument in zip(drafts, arguments, strict=True)]


class _Draft:
    """The parts of one result while they come in."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self.edits: list[dict[str, Judgement]] = [{} for _ in revision.edits]
        self.sentences: dict[int, dict[str, Judgement]] = defaultdict(dict)
        self.edited: list[Sentence] = []
        self.values: dict[str, list[float]] = defaultdict(list)
        self.totals: dict[str, Score] = {}
        self.errors: list[str] = []

    def note(self, name: str, judgement: Judgement) -> None:
        if judgement.failed is not None:
            self.errors.append(judgement.failed)
        elif judgement.value is not None:
            self.values[name].append(judgement.value)

    def gate(self, gates: Sequence[Component], decided: tuple[int, ...] | None) -> Argument:
        """The argument after the edits that pass every gate, or that were decided on.

        With no gates every valid edit is accepted.
        """
        accepted: list[int] = []
        passes: list[Mapping[str, bool]] = []
        for index, edit in enumerate(self.revision.edits):
            if not edit.valid:
                passes.append({gate.name: False for gate in gates})
                continue
            passed = {}
            for gate in gates:
                by_edit = gate.reward.level == "edit"
                judgements = self.edits[index] if by_edit else self.sentences.get(edit.sentence_id, {})
                passed[gate.name] = gate.name in judgements and judgements[gate.name].passed is True
            passes.append(passed)
            if all(passed.values()):
                accepted.append(index)
        chosen = tuple(accepted) if decided is None else decided
        return Argument(self.revision, chosen, self.revision.apply(chosen), tuple(passes))

    def result(self, suite: Suite, argument: Argument) -> Result:
        """The finished result."""
        values: dict[str, float | None] = {}
        details: dict[str, Any] = {}
        for component in suite.components:
            name = component.name
            if component.reward.level != "global":
                values[name] = sum(found) / len(found) if (found := self.values.get(name)) else None
                continue
            outcome = self.totals[name]
            if outcome.details:
                details[name] = dict(outcome.details)
            if outcome.failed is not None:
                self.errors.append(outcome.failed)
            unpaid = component.empty == "zero" and not argument.accepted and outcome.failed is None
            values[name] = 0.0 if unpaid else outcome.value
        paid = [component for component in suite.components if component.weight]
        total = sum(component.weight * (values[component.name] or 0.0) for component in paid)
        error = "; ".join(dict.fromkeys(self.errors)) or None
        return Result(
            self.revision,
            total if error is None and paid else None,
            values,
            tuple(self.edits),
            tuple((sentence, self.sentences.get(sentence.sentence_id, {})) for sentence in self.edited),
            argument.accepted,
            argument.after,
            self.revision.apply(range(len(self.revision.edits))),
            details,
            error,
        )


def _judge(component: Component, score: Score) -> Judgement:
    threshold = component.threshold.value if component.threshold else None
    if score.failed is not None:
        return Judgement(None, threshold, None, None, score.failed)
    if threshold is None:
        return Judgement(score.value, None, None, None)
    if score.value is None:
        return Judgement(None, threshold, False, None)
    margin = score.value - threshold if component.reward.higher_is_better else threshold - score.value
    return Judgement(score.value, threshold, margin >= 0, margin)


def _run(suite: Suite, columns: Sequence[Column]) -> list[list[Score]]:
    """The scores of every column, after computing the features that all of them ask for in one pass."""
    plans = [_plan(column, suite.strict) for column in columns]
    requests = [request for plan in plans for entry in plan if isinstance(entry, tuple) for request in entry]
    features = suite.engine.compute(requests) if requests else {}
    return [_evaluate(column, plan, features, suite.strict) for column, plan in zip(columns, plans, strict=True)]


def _plan(column: Column, strict: bool) -> list[tuple[Request, ...] | Score]:
    """What each unit asks for; a Score where that is settled already."""
    reward, arguments = column.component.reward, column.component.arguments
    if reward.reads is None:
        return [()] * len(column.units)
    plan: list[tuple[Request, ...] | Score] = []
    for unit in column.units:
        try:
            requests = reward.requests(unit, arguments)
        except Exception as error:  # noqa: BLE001  (a plugin may fail in any way; only its records may fail with it)
            plan.append(_failure(column.component, error, strict))
        else:
            plan.append(NOT_APPLICABLE if requests is None else tuple(requests))
    return plan


def _evaluate(
    column: Column, plan: list[tuple[Request, ...] | Score], features: Mapping[Request, Any], strict: bool
) -> list[Score]:
    scores: list[Score] = []
    ready: list[int] = []
    for index, entry in enumerate(plan):
        if isinstance(entry, Score):
            scores.append(entry)
            continue
        broken = next((f.reason for request in entry if isinstance(f := features[request], Failure)), None)
        if broken is not None and strict:
            raise ModelError(f"{column.component.name}: {broken}")
        scores.append(NOT_APPLICABLE if broken is None else Score(None, f"{column.component.name}: {broken}"))
        if broken is None:
            ready.append(index)
    if not ready:
        return scores
    try:
        found = _call(column, ready, plan, features)
    except Exception as error:  # noqa: BLE001  (as above)
        found = _one_by_one(column, ready, plan, features, strict, error)
    for index, score in zip(ready, found, strict=True):
        if score.failed is not None and strict:
            raise PluginError(score.failed)
        scores[index] = score
    return scores


def _call(column: Column, ready: Sequence[int], plan: Sequence[Any], features: Mapping[Request, Any]) -> list[Score]:
    reward = column.component.reward
    arrays = [
        _stack([features[request] for request in entries]) for entries in zip(*(plan[i] for i in ready), strict=True)
    ]
    returned = reward.function([column.units[i] for i in ready], *arrays, **column.component.arguments)
    return to_scores(reward, returned, len(ready))


def _one_by_one(
    column: Column,
    ready: Sequence[int],
    plan: Sequence[Any],
    features: Mapping[Request, Any],
    strict: bool,
    error: Exception,
) -> list[Score]:
    """Score revision by revision after a batch failed, so that only the revisions at fault fail."""
    if strict:
        return [_failure(column.component, error, strict)]
    groups: dict[int, list[int]] = defaultdict(list)
    for index in ready:
        groups[column.owners[index]].append(index)
    scores: dict[int, Score] = {}
    for group in groups.values():
        try:
            scores |= zip(group, _call(column, group, plan, features), strict=True)
        except Exception as failed:  # noqa: BLE001  (as above)
            scores |= dict.fromkeys(group, _failure(column.component, failed, strict))
    return [scores[index] for index in ready]


def _failure(component: Component, error: Exception, strict: bool) -> Score:
    name, origin = component.name, component.origin
    reason = f"reward {name!r} of {origin.distribution} {origin.version} failed: {type(error).__name__}: {error}"
    if strict:
        raise PluginError(reason) from error
    log.error("%s\n%s", reason, "".join(traceback.format_exception(error)))
    return Score(None, reason)


def _stack(arrays: list[Any]) -> Any:
    """(N, …) where the shapes agree, else the list."""
    import numpy as np  # rewards without features need no numpy

    if len({array.shape for array in arrays}) == 1:
        return np.stack(arrays)
    return arrays
