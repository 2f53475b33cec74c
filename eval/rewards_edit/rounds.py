"""Rounds of editing: prompt the model, read its edits, score them on the original, keep what passes, and prompt again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rewards import prompts
from rewards.errors import RecordError
from rewards.formats import Format
from rewards.records import read_revision
from rewards.suite import Suite
from rewards.types import Revision
from rewards_edit.case import Case, Proposal
from rewards_edit.policy import Answer, Ask, Policy, Sampling, seed_of

NOTHING_LEFT = "nothing is left of the argument"
LOOKS_DELETED = "what is missing would look like deletions"
UNREAD = "unread"  # in place of a format, where a completion could not be read
NOTHING_CHANGED = "no accepted edit changes anything"


@dataclass(frozen=True, slots=True)
class EditingSetup:
    """How arguments are edited."""

    format: Format
    suite: Suite
    sampling: Sampling
    rounds: int = 1
    best_of: int = 1

    @property
    def joint(self) -> bool:
        """Whether verdicts on an edit depend on other edits, so that a draft is judged again without those rejected.

        Never in a single round: its completion is judged once, as by `rewards score`.
        """
        gates = [component for component in self.suite.components if component.gate]
        return self.rounds > 1 and any(gate.together or gate.reward.level == "sentence" for gate in gates)


def edit(plan: EditingSetup, policy: Policy, cases: Sequence[Case], progress: Callable[[int], None]) -> None:
    """Take the cases through all their rounds; `progress` is called with the number of new tokens."""
    for _ in range(plan.rounds):
        active = [case for case in cases if case.stopped is None]
        if not active:
            break
        proposals = _propose(plan, policy, active, progress)
        _judge(plan, proposals)
        for case in active:
            _settle(plan, case, [proposal for proposal in proposals if proposal.case is case])


def _propose(
    plan: EditingSetup, policy: Policy, cases: Iterable[Case], progress: Callable[[int], None]
) -> list[Proposal]:
    """The completions of one round, all cases of a chunk at once."""
    prompted: list[tuple[Case, list[tuple[int, str]], Ask]] = []
    for case in cases:
        shown = case.sentences()
        tokens = _prompt(plan, policy, case, shown)
        for candidate in range(1, plan.best_of + 1) if tokens else ():
            seed = seed_of(plan.sampling.seed, case.original.id, case.sample, len(case.rounds) + 1, candidate)
            prompted.append((case, shown, Ask(tokens, seed)))
    answers = policy.generate([ask for _, _, ask in prompted], plan.sampling, progress)
    proposals = []
    for (case, shown, _), answer in zip(prompted, answers, strict=True):
        if answer.failed is None:
            proposals.append(Proposal(case, answer, _read(plan, case, shown, answer), shown))
        elif all(proposal.case is not case for proposal in proposals):  # else other candidates are left
            case.failed = case.stopped = answer.failed
    for proposal in proposals:
        proposal.case.failed = proposal.case.stopped = None
    return proposals


def _prompt(plan: EditingSetup, policy: Policy, case: Case, shown: Sequence[tuple[int, str]]) -> tuple[int, ...]:
    """The tokens of the prompt; () with a reason in `case.stopped` where no text is left, or no room for an answer."""
    if not any(text.strip() for _, text in shown):
        case.stopped = NOTHING_LEFT
        return ()
    chat = prompts.messages(plan.format, case.original.issue, [text for _, text in shown])
    tokens = tuple(prompts.encode(policy.tokenizer, chat))
    room = plan.sampling.max_new_tokens
    if policy.window is not None and len(tokens) + room > policy.window:
        case.failed = case.stopped = (
            f"the prompt is too long: {len(tokens):,} tokens, and {room:,} for the answer; the model has room for"
            f" {policy.window:,}"
        )
        return ()
    return tokens


def _read(plan: EditingSetup, case: Case, shown: Sequence[tuple[int, str]], answer: Answer) -> Revision:
    """The completion as a revision of the text that the model was shown."""
    record: dict[str, Any] = {
        "id": case.original.id,
        "issue": case.original.issue,
        "sentences": [text for _, text in shown],
        "completion": answer.text,
    }
    if not case.rounds:
        record["argument"] = case.original.argument
    if answer.finish == "length" and not plan.format.partial:
        return _unread(record, LOOKS_DELETED)
    try:
        return read_revision(record, format=plan.format.name, formats=(plan.format,))
    except RecordError as error:  # only this completion is lost
        return _unread(record, error.reason)


def _unread(record: dict[str, Any], reason: str) -> Revision:
    """The revision of a completion that cannot be read: no edits, and why."""
    empty = read_revision({**record, "completion": None, "edits": []})
    return replace(empty, format=UNREAD, problem=reason)


def _judge(plan: EditingSetup, proposals: Sequence[Proposal]) -> None:
    """Score every proposal as a revision of the original; where verdicts are joint, until no further edit is rejected."""
    pending = list(proposals)
    while pending:
        results = plan.suite.score([proposal.draft.revision for proposal in pending])
        grown = [p for p, result in zip(pending, results, strict=True) if p.judge(result)]
        pending = grown if plan.joint else []
        for proposal in pending:
            proposal.redraft()


def _settle(plan: EditingSetup, case: Case, proposals: Sequence[Proposal]) -> None:
    """Accept the best proposal's changes, and set `case.stopped` where there is no next round."""
    if not proposals:
        return
    best = max(proposals, key=lambda proposal: proposal.reward)  # of equals the first
    assert best.result is not None  # noqa: S101  (all proposals are judged)
    before, verdicts = case.text(), best.verdicts()
    case.standing, case.unread = best.standing(), best.stated.format == UNREAD
    entry = {
        "round": best.number,
        "sentences": [text for _, text in best.shown],
        "completion": best.answer.text,
        "finish": best.answer.finish,
        "problem": best.stated.problem,
        "edits": verdicts,
        "standing": case.to_edits(),
        "after": case.text(),
        "reward": best.result.reward,
        "rewards": dict(best.result.rewards),
        "candidates": [_candidate(proposal) for proposal in proposals] if plan.best_of > 1 else None,
    }
    case.rounds.append(entry)
    if best.result.failures:
        case.failed = case.stopped = best.result.error
    elif case.text() == before:
        case.stopped = NOTHING_CHANGED


def _candidate(proposal: Proposal) -> dict[str, Any]:
    reward = proposal.result.reward if proposal.result else None
    return {"completion": proposal.answer.text, "finish": proposal.answer.finish, "reward": reward}


def reason_unchanged(case: Case) -> str:
    """Why an argument came back unchanged: a failure, or what became of the edits of its first round."""
    if case.failed is not None:
        return case.failed
    if not case.rounds:
        return case.stopped or NOTHING_LEFT
    first = case.rounds[0]
    edits = first["edits"]
    if not edits:
        cut = "the answer was cut at its limit (--max-new-tokens); " if first["finish"] == "length" else ""
        return f"{cut}no usable edit: {first['problem'] or 'the model states none'}"
    valid = [one for one in edits if one["valid"]]
    if not valid:
        return f"no stated edit can be applied: {_most(one['invalid_reason'] for one in edits)}"
    if not any(one["accepted"] for one in valid):
        return f"no valid edit passed the gates: {_most(g for one in valid for g in one['failed_gates'])}"
    return NOTHING_CHANGED


def _most(reasons: Iterable[str]) -> str:
    return ", ".join(f"{reason} {count}×" for reason, count in Counter(reasons).most_common())
