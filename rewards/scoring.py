"""Scores revisions: plans the requests of all rewards, computes them in one pass, judges, gates, applies, totals.

There are up to three passes over the batch: edit and sentence level first, then the accepted edits of each sentence as
one edit, and last the global rewards, because the gates decide which text they see.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rewards.arguments import for_one_call
from rewards.contract import Unit
from rewards.declaring import defined_at
from rewards.drafts import Draft, joint
from rewards.errors import ModelError, RewardFailed, tell
from rewards.features import Failure, Request, stacked
from rewards.result import Result
from rewards.types import NOT_APPLICABLE, Argument, Revision, Score
from rewards.verdicts import NotPerUnit, to_requests, to_scores

if TYPE_CHECKING:
    from rewards.suite import Component, Suite

log = logging.getLogger("rewards.scoring")


@dataclass(frozen=True, slots=True)
class Column:
    """One component over all its units of a batch; `owners` says which revision of the batch each unit belongs to."""

    component: Component
    units: Sequence[Unit]
    owners: Sequence[int]
    revisions: Sequence[Revision]
    logged: set[type[BaseException]] = field(default_factory=set)  # one traceback per type of exception

    def fatal(self, index: int | None, reason: str) -> RewardFailed:
        """The error that ends a strict run: the reward, the reason, and the record of the unit, where one is at fault."""
        name = self.component.name
        named = reason if reason.startswith((f"{name}: ", f"reward {name!r} ")) else f"{name}: {reason}"
        record = "" if index is None else f" (record {self.revisions[self.owners[index]].id!r})"
        return RewardFailed(named + record)


def score(
    suite: Suite, revisions: Iterable[Revision], decided: Sequence[Argument | None] | None = None
) -> list[Result]:
    """One Result per revision, in order.

    `decided` holds the accepted edits of an earlier scoring, which then stay: one Argument per revision, or None where a
    gate failed with an error, so that they are unknown.
    """
    single = isinstance(revisions, Revision)
    revisions = [] if single else list(revisions)
    if single or not all(isinstance(one, Revision) for one in revisions):
        raise TypeError("a suite scores a list of revisions; rewards.read_revision(record) makes one of a record")
    drafts = [Draft(revision) for revision in revisions]
    _judge_alone(suite, revisions, drafts)
    gates = [c for c in suite.components if c.gate]
    if decided is None:
        decided = _judge_together(suite, revisions, drafts, [draft.gate(gates) for draft in drafts])
    # Where a gate failed, the accepted edits are unknown, so that global rewards have no text to judge.
    known = {
        i: argument
        for i, (draft, argument) in enumerate(zip(drafts, decided, strict=True))
        if argument is not None and not any(gate.name in draft.failures for gate in gates)
    }
    owners, judged = list(known), list(known.values())
    final = [Column(c, judged, owners, revisions) for c in suite.components if c.reward.level == "global"]
    for column, scores in zip(final, _run(suite, final), strict=True):
        for i, found in zip(owners, scores, strict=True):
            drafts[i].settle(column.component, found)
    return [draft.result(suite, argument) for draft, argument in zip(drafts, decided, strict=True)]


def _judge_alone(suite: Suite, revisions: Sequence[Revision], drafts: Sequence[Draft]) -> None:
    """Score every valid edit by itself, and every edited sentence with all its valid edits."""
    edits = [
        (i, j, edit) for i, revision in enumerate(revisions) for j, edit in enumerate(revision.edits) if edit.valid
    ]
    sentences = [(i, sentence) for i, draft in enumerate(drafts) for sentence in draft.edited]
    units: dict[str, tuple[list[Unit], list[int]]] = {
        "edit": ([edit for _, _, edit in edits], [i for i, _, _ in edits]),
        "sentence": ([sentence for _, sentence in sentences], [i for i, _ in sentences]),
    }
    columns = [Column(c, *units[c.reward.level], revisions) for c in suite.components if c.reward.level != "global"]
    for column, scores in zip(columns, _run(suite, columns), strict=True):
        by_edit = column.component.reward.level == "edit"
        for number, (owner, found) in enumerate(zip(column.owners, scores, strict=True)):
            place = edits[number][1] if by_edit else sentences[number][1].sentence_id
            drafts[owner].judge(column.component, place, found)


def _judge_together(
    suite: Suite, revisions: Sequence[Revision], drafts: Sequence[Draft], arguments: Sequence[Argument]
) -> Sequence[Argument]:
    """The arguments after the joint gates: as in `Draft.stand_together`."""
    gates = [c for c in suite.components if c.together]
    if not gates:
        return arguments
    found = [(i, each) for i, argument in enumerate(arguments) for each in joint(argument)]
    for i, each in found:
        if each.idle:
            drafts[i].cancel(each)
    changing = [(i, each.edit) for i, each in found if not each.idle]
    owners, edits = [i for i, _ in changing], [edit for _, edit in changing]
    columns = [Column(gate, edits, owners, revisions) for gate in gates]
    for column, scores in zip(columns, _run(suite, columns), strict=True):
        for (i, edit), score in zip(changing, scores, strict=True):
            drafts[i].judge_together(column.component, edit.sentence_id, score)
    return [draft.stand_together(argument) for draft, argument in zip(drafts, arguments, strict=True)]


def _run(suite: Suite, columns: Sequence[Column]) -> list[list[Score]]:
    """The scores of every column, after computing the features that all of them ask for in one pass."""
    plans = [_plan(column, suite.strict) for column in columns]
    requests = [request for plan in plans for entry in plan if isinstance(entry, tuple) for request in entry]
    try:
        features = suite.engine.compute(requests) if requests else {}
    except ModelError as error:
        raise _named(error, columns, plans) from error
    return [_evaluate(column, plan, features, suite.strict) for column, plan in zip(columns, plans, strict=True)]


def _named(error: ModelError, columns: Sequence[Column], plans: Sequence[Sequence[Any]]) -> ModelError:
    """The error, extended by the names of the rewards that read the failing model."""
    names = [
        column.component.name
        for column, plan in zip(columns, plans, strict=True)
        if any(isinstance(one, tuple) and any(r.model.role == error.role for r in one) for one in plan)
    ]
    return ModelError(f"{error} (asked for by {', '.join(names)})" if names else str(error), error.role)


def _plan(column: Column, strict: bool) -> list[tuple[Request, ...] | Score]:
    """The requests of each unit; a Score instead where it does not apply or `reads` failed."""
    reward = column.component.reward
    if reward.reads is None:
        return [()] * len(column.units)
    arguments = for_one_call(column.component.arguments)
    plan: list[tuple[Request, ...] | Score] = []
    for index, unit in enumerate(column.units):
        try:
            requests = reward.requests(unit, arguments)
            plan.append(NOT_APPLICABLE if requests is None else to_requests(reward, requests))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (a plugin may fail in any way; only its records with it)
            plan.append(_failure(column, index, error, strict))
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
            raise column.fatal(index, f"{column.component.name}: {broken}")
        scores.append(NOT_APPLICABLE if broken is None else Score(None, failed=f"{column.component.name}: {broken}"))
        if broken is None:
            ready.append(index)
    if not ready:
        return scores
    found, error = _attempt(column, ready, plan, features)
    if error is not None:
        found = _one_by_one(column, ready, plan, features, strict, error)
    for index, score in zip(ready, found, strict=True):
        if score.failed is not None and strict:
            raise column.fatal(index, score.failed)
        scores[index] = score
    return scores


def _call(column: Column, ready: Sequence[int], plan: Sequence[Any], features: Mapping[Request, Any]) -> list[Score]:
    reward = column.component.reward
    # A function may take `*features`, and then the number of features may differ between units.
    groups: dict[int, list[int]] = defaultdict(list)
    for i in ready:
        groups[len(plan[i])].append(i)
    scores: dict[int, Score] = {}
    for group in groups.values():
        arrays = [stacked(entries, features) for entries in zip(*(plan[i] for i in group), strict=True)]
        arguments = for_one_call(column.component.arguments)
        returned = reward.function([column.units[i] for i in group], *arrays, **arguments)
        scores.update(zip(group, to_scores(reward, returned, len(group)), strict=True))
    return [scores[i] for i in ready]


def _attempt(
    column: Column, ready: Sequence[int], plan: Sequence[Any], features: Mapping[Request, Any]
) -> tuple[list[Score], BaseException | None]:
    try:
        return _call(column, ready, plan, features), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (as above: also asyncio's CancelledError, or an exit)
        return [], error


def _one_by_one(
    column: Column,
    ready: Sequence[int],
    plan: Sequence[Any],
    features: Mapping[Request, Any],
    strict: bool,
    error: BaseException,
) -> list[Score]:
    """Score each revision alone after a batch failed, so that only those at fault fail; logs the error where none is."""
    if isinstance(error, NotPerUnit):  # not one value per unit: smaller batches would only hide it
        return [_failure(column, None, error, strict)] * len(ready)
    scores: list[Score] = []
    at_fault = 0
    for _, units in groupby(ready, column.owners.__getitem__):
        group = list(units)
        found, failed = _attempt(column, group, plan, features)
        if failed is not None:
            found = [_failure(column, group[0], failed, strict)] * len(group)
            at_fault += 1
        scores += found
    if not at_fault:
        _failure(column, None, error, strict, f" on {len(ready)} units together, on none of its records alone")
    return scores


def _failure(column: Column, index: int | None, error: BaseException, strict: bool, when: str = "") -> Score:
    reward = column.component.reward
    at = defined_at(reward.function) if isinstance(error, NotPerUnit) else ""  # the log has a traceback for the others
    reason = f"reward {reward.name!r} of {column.component.origin.of} failed{when}: {tell(error)}{at}"
    if strict:
        raise column.fatal(index, reason) from error
    if type(error) not in column.logged:  # once per type: every result states its own reason anyway
        log.error("%s", reason, exc_info=error)
    column.logged.add(type(error))
    return Score(None, failed=reason)
