"""Collects the parts of one result: each reward's judgements, which edits are accepted, alone and jointly, and the total."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rewards.result import Judgement, Result
from rewards.types import Argument, Edit, Revision, Score, apply_spans

if TYPE_CHECKING:
    from rewards.suite import Component, Suite

TOGETHER = "{} together"
"""The name in `failed_gates` for a gate that the edits of a sentence pass one by one but fail as one edit."""
NOTHING = TOGETHER.format("changes nothing")
"""The entry in `failed_gates` where edits passed one by one but cancel each other out."""


def joint_gate(name: str) -> str | None:
    """The gate in a name of the form TOGETHER; None for any other name, and for NOTHING."""
    gate = name.removesuffix(TOGETHER.format(""))
    return None if name in (gate, NOTHING) else gate


class Draft:
    """Collects the parts of one result."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self.edits: list[dict[str, Judgement]] = [{} for _ in revision.edits]
        self.sentences: dict[int, dict[str, Judgement]] = defaultdict(dict)
        self.together: dict[int, dict[str, Judgement]] = defaultdict(dict)
        self.failed_jointly: dict[int, dict[str, bool]] = defaultdict(dict)  # by sentence; the values are all False
        self.enough: dict[int, Edit] = {}  # by sentence: an edit with the same effect as all of its accepted edits
        self.edited = revision.edited_sentences()
        self.values: dict[str, list[float]] = defaultdict(list)
        self.settled: dict[str, Score] = {}
        self.failures: dict[str, str] = {}

    def judge(self, component: Component, place: int, score: Score) -> None:
        """Add a score of the edit with this index, or of the sentence with this number."""
        judgement = _judge(component, score)
        scores = self.edits[place] if component.reward.level == "edit" else self.sentences[place]
        scores[component.name] = judgement
        if judgement.failed is not None:
            self.failures.setdefault(component.name, judgement.failed)
        elif judgement.value is not None:
            self.values[component.name].append(judgement.value)

    def judge_together(self, component: Component, number: int, score: Score) -> None:
        """Add a gate's score of the accepted edits of the sentence with this number, taken as one edit."""
        self.together[number][component.name] = judgement = _judge(component, score)
        if not judgement.passed:
            self.failed_jointly[number][TOGETHER.format(component.name)] = False
        if judgement.failed is not None:
            self.failures.setdefault(component.name, judgement.failed)

    def cancel(self, joint: Joint) -> None:
        """Note that accepted edits of a sentence cancel each other out, all of them or all but one."""
        self.failed_jointly[joint.edit.sentence_id][NOTHING] = False
        if joint.enough is not None:
            self.enough[joint.edit.sentence_id] = joint.enough

    def settle(self, component: Component, score: Score) -> None:
        """Add a global reward's score."""
        self.settled[component.name] = score
        if score.failed is not None:
            self.failures[component.name] = score.failed

    def gate(self, gates: Sequence[Component]) -> Argument:
        """The argument after the edits that pass every gate. With no gates every valid edit is accepted."""
        passes = [self._passes(gates, index, edit) for index, edit in enumerate(self.revision.edits)]
        accepted = tuple(
            index
            for index, (edit, passed) in enumerate(zip(self.revision.edits, passes, strict=True))
            if edit.valid and all(passed.values())
        )
        return Argument(self.revision, accepted, self.revision.apply(accepted), tuple(passes))

    def stand_together(self, argument: Argument) -> Argument:
        """The argument without the edits of sentences that fail jointly, except no-ops and an edit in `enough`."""
        if not self.failed_jointly:
            return argument
        down = {
            index: names
            for index in argument.accepted
            if (edit := self.revision.edits[index]).before != edit.after
            and edit is not self.enough.get(edit.sentence_id)
            and (names := self.failed_jointly.get(edit.sentence_id))
        }
        accepted = tuple(index for index in argument.accepted if index not in down)
        passes = tuple({**passed, **down.get(index, {})} for index, passed in enumerate(argument.passes))
        return replace(argument, accepted=accepted, after=self.revision.apply(accepted), passes=passes)

    def _passes(self, gates: Sequence[Component], index: int, edit: Edit) -> dict[str, bool]:
        judged = {**self.sentences.get(edit.sentence_id, {}), **self.edits[index]} if edit.valid else {}
        return {gate.name: gate.name in judged and judged[gate.name].passed is True for gate in gates}

    def result(self, suite: Suite, argument: Argument | None) -> Result:
        """The finished result. `argument` is None where an earlier scoring left it unknown; then no edit counts as accepted."""
        if argument is None:
            argument = Argument(self.revision, (), self.revision.argument, ({},) * len(self.revision.edits))
        values = {component.name: self._value(component, argument) for component in suite.components}
        paid = [component for component in suite.components if component.weight]
        total = sum(component.weight * (values[component.name] or 0.0) for component in paid)
        complete = not any(c.name in self.failures for c in suite.components if c.weight or c.gate)
        return Result(
            revision=self.revision,
            reward=total if complete and paid else None,
            rewards=values,
            edits=tuple(self.edits),
            sentences=tuple((sentence, self.sentences.get(sentence.sentence_id, {})) for sentence in self.edited),
            accepted=argument.accepted,
            failed_gates=tuple(
                tuple(name for name, passed in gates.items() if edit.valid and not passed)
                for edit, gates in zip(self.revision.edits, argument.passes, strict=True)
            ),
            together={number: dict(judgements) for number, judgements in self.together.items()},
            after_accepted=argument.after,
            after_all=self.revision.apply(range(len(self.revision.edits))),
            details={name: dict(score.details) for name, score in self.settled.items() if score.details},
            failures=self.failures,
        )

    def _value(self, component: Component, argument: Argument) -> float | None:
        """The component's entry in `Result.rewards`."""
        name = component.name
        if name in self.failures:
            return None
        if component.reward.level != "global":
            return sum(found) / len(found) if (found := self.values.get(name)) else None
        if name not in self.settled:
            return None
        return 0.0 if component.empty == "zero" and not argument.accepted else self.settled[name].value


def _judge(component: Component, score: Score) -> Judgement:
    threshold = component.threshold.value if component.threshold else None
    if score.failed is not None:
        return Judgement(None, threshold, None, None, score.failed, score.details)
    if threshold is None:
        return Judgement(score.value, None, None, None, None, score.details)
    if score.value is None:
        return Judgement(None, threshold, False, None, None, score.details)
    margin = score.value - threshold if component.reward.higher_is_better else threshold - score.value
    return Judgement(score.value, threshold, margin >= 0, margin, None, score.details)


@dataclass(frozen=True, slots=True)
class Joint:
    """The accepted edits of one sentence, taken as one edit."""

    edit: Edit  # spans from the start of the first edit to the end of the last
    enough: Edit | None  # one of them that alone has the same effect: the others cancel each other out

    @property
    def idle(self) -> bool:
        """Whether there is nothing to judge jointly: together the edits change nothing, or only what one of them does alone."""
        return self.enough is not None or not self.edit.changes


def joint(argument: Argument) -> list[Joint]:
    """The accepted edits of each sentence as one edit; leaves out sentences where at most one edit has any effect."""
    groups: dict[int, list[Edit]] = defaultdict(list)
    for index in argument.accepted:
        edit = argument.revision.edits[index]
        groups[edit.sentence_id].append(edit)
    found = []
    for edits in groups.values():
        one, changing = _one(edits), [edit for edit in edits if edit.changes]
        enough = next((edit for edit in changing if edit.sentence_after == one.sentence_after), None)
        if len(edits) > 1 and (changing or one.changes) and (enough is None or len(changing) > 1):
            found.append(Joint(one, enough))
    return found


def _one(edits: Sequence[Edit]) -> Edit:
    """The edits of one sentence as one edit, which spans from the start of the first to the end of the last."""
    sentence, number = edits[0].sentence_before, edits[0].sentence_id
    start, end = min(edit.start for edit in edits), max(edit.end for edit in edits)
    after = apply_spans(sentence, edits)
    return Edit(
        number, sentence[start:end], after[start : len(after) - (len(sentence) - end)], None, sentence, start, end
    )
