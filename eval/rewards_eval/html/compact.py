"""Output records in the compact form that the page reads: every text once, offsets instead of copies, numbers rounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from rewards.drafts import joint_gate
from rewards.errors import RecordError, RewardsError
from rewards.scored import ScoredRevision, read_scored, together
from rewards.text.segment import spans
from rewards.types import Edit
from rewards_eval.values import probabilities_after, probabilities_before

EXACT = 2**53
"""The largest integer up to which all are exact in JavaScript."""
KINDS = {"accepted": 0, "rejected": 1, "invalid": 2}


class Offsets:
    """Offsets into a text, in the units that JavaScript counts in: UTF-16 code units instead of characters."""

    def __init__(self, text: str) -> None:
        wide = max(text, default="") > "\uffff"
        self._units = [0, *accumulate(2 if char > "\uffff" else 1 for char in text)] if wide else None

    def __getitem__(self, position: int) -> int:
        """The offset of the character at `position`."""
        return self._units[position] if self._units else position


def describe_rewards(
    records: Iterable[Mapping[str, Any]], stated: Mapping[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Every reward that scores an edit or a sentence in these records: name, threshold, which side passes, whether it gates.

    The threshold is None where the records disagree or have none. `stated` is `rewards` of the file's header; a reward that
    it does not name counts as a gate unless an accepted edit fails it.
    """
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        for unit in (*record["edits"], *record["sentences"]):
            level = "edit" if "accepted" in unit else "sentence"
            for name, score in unit["scores"].items():
                entry = found.setdefault(
                    name, {"name": name, "level": level, "higher": None, "gate": True, "seen": set()}
                )
                entry["seen"].add(score.get("threshold"))
                entry["gate"] &= not (unit.get("accepted") and score.get("passed") is False)
                if entry["higher"] is None and score.get("margin"):
                    entry["higher"] = (score["margin"] > 0) == (score["value"] > score["threshold"])
    for entry in found.values():
        seen = entry.pop("seen")
        entry["gate"] = bool((stated or {}).get(entry["name"], entry)["gate"])
        entry["threshold"] = next(iter(seen)) if len(seen) == 1 else None
    return list(found.values())


def compact_argument(argument: Mapping[str, Any], rewards: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """One argument with the records of all systems. `rewards` holds the result of `describe_rewards` for each system.

    Raises RewardsError, naming id and system, where a record is not as `rewards score` writes it.
    """
    systems: dict[str, Any] = {}
    for name, record in argument["systems"].items():
        try:
            systems[name] = compact_record(record, rewards[name], argument["argument"])
        except RecordError as error:
            raise RewardsError(f"record {argument['id']!r} of {name!r}: {error}") from error
    identifier = argument["id"]
    if isinstance(identifier, int) and abs(identifier) > EXACT:
        identifier = str(identifier)
    data = {"id": identifier, "issue": argument["issue"], "text": argument["argument"], "systems": systems}
    if argument.get("reference") is not None:
        data["reference"] = argument["reference"]
    return data


def compact_record(record: Mapping[str, Any], rewards: Sequence[Mapping[str, Any]], text: str) -> dict[str, Any]:
    """One output record; its argument is left out where it equals `text`."""
    scored = read_scored(record)
    revision = scored.revision
    offsets, places = Offsets(revision.argument), spans(revision.sentences, revision.gaps)
    at_edits = [reward["name"] for reward in rewards if reward["level"] == "edit"]
    at_sentences = [reward["name"] for reward in rewards if reward["level"] == "sentence"]
    data: dict[str, Any] = {
        "status": record["status"],
        "reward": _short(record.get("reward")),
        "rewards": {name: _short(value) for name, value in record["rewards"].items()},
        "spans": [[offsets[start], offsets[end]] for start, end in places],
        "edits": [
            _edit(edit, _kind(index, scored), _place(edit, places, offsets), _scores(item["scores"], at_edits))
            | _failed_gates(record, item)
            for index, (edit, item) in enumerate(zip(revision.edits, record["edits"], strict=True))
        ],
        "sentences": {
            str(item["sentence_id"]): _scores(item["scores"], at_sentences)
            for item in record["sentences"]
            if item["scores"]
        },
    }
    for key in ("error", "problem"):
        if record.get(key):
            data[key] = record[key]
    if revision.argument != text:
        data["text"] = revision.argument
    dimensions = _dimensions(record)
    if dimensions:
        data["dimensions"] = dimensions
    return data


def _failed_gates(record: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """`failed`: the gates that an edit fails alone; `together`: those that it fails jointly, with value and threshold."""
    joint = together(record, item)
    gates = [name for name in item.get("failed_gates") or () if joint_gate(name) not in joint]
    found = [
        [gate, score.get("failed") or _short(score["value"]), _short(score.get("threshold"))]
        for gate, score in joint.items()
    ]
    return ({"failed": gates} if gates else {}) | ({"together": found} if found else {})


def _kind(index: int, scored: ScoredRevision) -> int:
    if not scored.revision.edits[index].valid:
        return KINDS["invalid"]
    return KINDS["accepted" if index in scored.accepted else "rejected"]


def _place(edit: Edit, places: Sequence[tuple[int, int]], offsets: Offsets) -> tuple[int, int] | None:
    if not edit.valid:
        return None
    base = places[edit.sentence_id - 1][0]
    return offsets[base + edit.start], offsets[base + edit.end]


def _edit(edit: Edit, kind: int, place: tuple[int, int] | None, scores: Sequence[Any]) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": kind, "after": edit.after}
    if edit.sentence_id:
        data["sentence"] = edit.sentence_id
    if place is not None:
        data["place"] = place  # the replaced words are the text between these offsets
    else:
        data |= {"before": edit.before, "why": edit.invalid_reason}
    if edit.reason:
        data["reason"] = edit.reason
    if scores:
        data["scores"] = scores
    return data


def _scores(scores: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[Any]:
    """For each reward [value, passed], the reason why it failed, or None where it has no score; [] without any score."""
    return [_score(scores[name]) if name in scores else None for name in names] if scores else []


def _score(score: Mapping[str, Any]) -> Any:
    if score.get("failed"):
        return score["failed"]
    passed = score.get("passed")
    return [_short(score.get("value")), None if passed is None else int(passed)]


def _dimensions(record: Mapping[str, Any]) -> dict[str, list[float | None]] | None:
    """`{dimension: [before, after the accepted edits]}`, the values that the tables use; None where either is unknown."""
    before, after = probabilities_before(record), probabilities_after(record, "accepted")
    if before is None or after is None:
        return None
    return {name: [_short(before.get(name)), _short(after.get(name))] for name in {**before, **after}}


def _short(value: Any) -> float | None:
    return float(f"{value:.4g}") if isinstance(value, (int, float)) else None
