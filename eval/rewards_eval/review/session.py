"""The data that a page shows, and the decisions that it may send: on single suggestions, or on two systems side by side."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol

from rewards.errors import RecordError, RewardsError
from rewards.scored import judgements
from rewards.types import Revision
from rewards_eval.html.compact import KINDS, compact_argument, compact_record, describe_rewards
from rewards_eval.review.journal import DECISIONS, VERSION, Line, latest, subject
from rewards_eval.review.sources import Source

MAX_TEXT = 20_000
"""Characters of an amendment; longer ones are refused."""
VERDICTS, CHOICES = DECISIONS["edit"], DECISIONS["comparison"]


class Session(Protocol):
    """What one reviewer decides on: the data for the page, and the lines for the file of decisions."""

    script: ClassVar[str]
    """The script that draws the page."""

    @property
    def digest(self) -> str:
        """Identifies the files and the reviewer: decisions from the page of another session are refused."""
        ...

    def data(self) -> dict[str, Any]:
        """The data that the page shows."""
        ...

    def state(self, lines: Sequence[Line]) -> list[dict[str, Any]]:
        """The decisions of this reviewer that hold, as the page reads them."""
        ...

    def line(self, posted: Mapping[str, Any]) -> Line:
        """The line to write for a decision that the page sent. Raises RecordError where it is invalid."""
        ...

    def covered(self, lines: Sequence[Line]) -> tuple[int, int]:
        """How many subjects have a decision of this reviewer, and how many there are."""
        ...


@dataclass(frozen=True)
class Review:
    """Suggestions of one or several systems, each accepted, rejected or amended."""

    sources: Sequence[Source]
    reviewer: str
    script: ClassVar[str] = "review.js"

    @cached_property
    def _keys(self) -> list[str]:
        """The keys of the arguments of all systems. The page uses their index: large ids are not exact in JavaScript."""
        return list(dict.fromkeys(key for source in self.sources for key in source.records))

    @cached_property
    def _subjects(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        """For each edit that can be decided on, `{argument, system, edit}` as the page identifies it."""
        found = {}
        places = {key: place for place, key in enumerate(self._keys)}
        for source in self.sources:
            for key, record in source.records.items():
                for index, edit in enumerate(source.scored[key].revision.edits):
                    if edit.valid:
                        about = _about(source, record, source.scored[key].revision, index)
                        found[subject(about)] = {"argument": places[key], "system": source.name, "edit": index}
        return found

    @property
    def digest(self) -> str:
        """One digest of all files, their names and the reviewer."""
        return _digest(self.sources, self.reviewer)

    def data(self) -> dict[str, Any]:
        """The reviewer, the systems, their rewards, and all arguments with the records of all systems."""
        rewards = {s.name: describe_rewards(s.records.values()) for s in self.sources}
        arguments = []
        for key in self._keys:
            systems = {s.name: s.records[key] for s in self.sources if key in s.records}
            first = next(iter(systems.values()))
            entry = {"id": first["id"], "issue": first["issue"], "argument": first["argument"], "systems": systems}
            arguments.append(compact_argument(entry, rewards))
        return {"reviewer": self.reviewer, "systems": list(rewards), "rewards": rewards, "arguments": arguments}

    def state(self, lines: Sequence[Line]) -> list[dict[str, Any]]:
        """`{argument, system, edit, decision, amended}` for each edit that is decided."""
        return [
            {**self._subjects[subject(line)], "decision": line["decision"], "amended": line.get("amended")}
            for line in latest(_own(lines, self.reviewer))
            if subject(line) in self._subjects
        ]

    def line(self, posted: Mapping[str, Any]) -> Line:
        """The line of a decision, with all that is needed to learn from it without the scored file."""
        source = next((s for s in self.sources if s.name == posted.get("system")), None)
        if source is None:
            raise RecordError("no such system", "system")
        key = self._keys[_place(posted, "argument", len(self._keys))]
        if key not in source.records:
            raise RecordError("this system does not have it", "argument")
        record, revision = source.records[key], source.scored[key].revision
        index = _place(posted, "edit", len(revision.edits))
        if not revision.edits[index].valid:
            raise RecordError("an invalid edit cannot be applied, so it cannot be decided on", "edit")
        decision = _one_of(posted.get("decision"), VERDICTS)
        amended = posted.get("amended") if decision == "amend" else None
        if decision == "amend" and (not isinstance(amended, str) or len(amended) > MAX_TEXT):
            raise RecordError(f"expected a text of at most {MAX_TEXT:,} characters", "amended")
        shown = posted.get("scores_shown") is True
        about = _about(source, record, revision, index)
        return {
            **_head("edit", self.reviewer),
            **about,
            "decision": decision,
            "amended": amended,
            "scores_shown": shown,
        }

    def covered(self, lines: Sequence[Line]) -> tuple[int, int]:
        """The number of edits decided on, and of all valid edits."""
        return len(self.state(lines)), len(self._subjects)


@dataclass(frozen=True)
class Comparison:
    """Two systems' results side by side, sides and order drawn by `seed`; the page never learns which is which."""

    sources: Sequence[Source]
    reviewer: str
    seed: int = 0
    script: ClassVar[str] = "compare.js"
    trials: list[tuple[str, Source, Source]] = field(init=False)
    same: int = field(init=False)

    def __post_init__(self) -> None:
        """Draw sides and order; arguments for which both texts are the same are left out."""
        first, second = self.sources
        common = [key for key in first.records if key in second.records]
        differ = [key for key in common if _result(first, key) != _result(second, key)]
        if not common:
            raise RewardsError(f"{first.name!r} and {second.name!r} have no id in common")
        trials = []
        for key in differ:
            swapped = random.Random(f"{self.seed} {key}").random() < 0.5  # noqa: S311  (blinding, no secret)
            trials.append((key, second, first) if swapped else (key, first, second))
        random.Random(self.seed).shuffle(trials)  # noqa: S311  (an order, no secret)
        object.__setattr__(self, "trials", trials)
        object.__setattr__(self, "same", len(common) - len(differ))

    @property
    def digest(self) -> str:
        """One digest of both files, their names, the reviewer and the seed."""
        return _digest(self.sources, self.reviewer, self.seed)

    def data(self) -> dict[str, Any]:
        """The trials, without the systems' names."""
        trials = []
        for key, left, right in self.trials:
            record = left.records[key]
            sides = [self._side(source, key) for source in (left, right)]
            trials.append({"issue": record["issue"], "text": record["argument"], "sides": sides})
        return {"reviewer": self.reviewer, "same": self.same, "trials": trials}

    def state(self, lines: Sequence[Line]) -> list[dict[str, Any]]:
        """`{trial, decision}` for each that is decided, mirrored where the systems have changed sides since."""
        places = {subject(self._about(trial)): number for number, trial in enumerate(self.trials)}
        found = []
        for line in latest(_own(lines, self.reviewer)):
            number = places.get(subject(line))
            if number is not None:
                turned = line["left_system"] != self.trials[number][1].name
                mirrored = {"left": "right", "right": "left"}.get(line["decision"], line["decision"])
                found.append({"trial": number, "decision": mirrored if turned else line["decision"]})
        return found

    def line(self, posted: Mapping[str, Any]) -> Line:
        """The line of a decision, with the system on each side and the preferred one."""
        trial = self.trials[_place(posted, "trial", len(self.trials))]
        decision = _one_of(posted.get("decision"), CHOICES)
        preferred = {"left": trial[1].name, "right": trial[2].name}.get(decision)
        about = self._about(trial)
        shown = posted.get("changes_shown") is True
        return {
            **_head("comparison", self.reviewer),
            **about,
            "decision": decision,
            "preferred": preferred,
            "changes_shown": shown,
        }

    def covered(self, lines: Sequence[Line]) -> tuple[int, int]:
        """The number of trials decided, and of all trials."""
        return len(self.state(lines)), len(self.trials)

    def _side(self, source: Source, key: str) -> dict[str, Any]:
        compact = compact_record(source.records[key], (), source.records[key]["argument"])
        accepted = [edit for edit in compact["edits"] if edit["kind"] == KINDS["accepted"]]
        return {"after": _result(source, key), "edits": [{n: edit[n] for n in ("place", "after")} for edit in accepted]}

    def _about(self, trial: tuple[str, Source, Source]) -> dict[str, Any]:
        key, left, right = trial
        record = left.records[key]
        sides: dict[str, Any] = {}
        for side, source in (("left", left), ("right", right)):
            sides |= {f"{side}_system": source.name, f"{side}_text": _result(source, key)}
            sides |= {f"{side}_file": source.file, f"{side}_digest": source.digest}
        record = {key: record[key] for key in ("id", "issue", "argument")}
        return {"kind": "comparison", **record, **sides, "seed": self.seed}


def _digest(sources: Sequence[Source], *more: str | int) -> str:
    stated = [*more, *([source.name, source.digest] for source in sources)]
    return hashlib.sha256(json.dumps(stated).encode()).hexdigest()


def _head(kind: str, reviewer: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "kind": kind,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "reviewer": reviewer,
    }


def _about(source: Source, record: Mapping[str, Any], revision: Revision, index: int) -> dict[str, Any]:
    edit, stated = revision.edits[index], record["edits"][index]
    return {
        "kind": "edit",
        "id": record["id"],
        "issue": record["issue"],
        "system": source.name,
        "edit": index,
        "sentence_id": edit.sentence_id,
        "start": edit.start,
        "before": edit.before,
        "after": edit.after,
        "reason": edit.reason,
        "sentence": edit.sentence_before,
        "argument": revision.argument,
        "accepted": stated["accepted"],
        "scores": {name: score.get("value") for name, score in judgements(record, stated).items()},
        "file": source.file,
        "digest": source.digest,
    }


def _result(source: Source, key: str) -> str:
    text: str = source.records[key]["argument_after_accepted"]
    return text


def _own(lines: Sequence[Line], reviewer: str) -> list[Line]:
    return [line for line in lines if line["reviewer"] == reviewer]


def _place(posted: Mapping[str, Any], name: str, size: int) -> int:
    place = posted.get(name)
    if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < size:
        raise RecordError(f"expected a number from 0 to {size - 1}", name)
    return place


def _one_of(value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise RecordError(f"expected one of {', '.join(known)}", "decision")
    return str(value)
