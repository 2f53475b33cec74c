"""Reads output records back: the revision and which edits were accepted. Nothing is parsed or located again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.drafts import joint_gate
from rewards.errors import RecordError
from rewards.text.segment import locate
from rewards.types import Edit, Revision

NUMBER, OPTIONAL_INT, OPTIONAL_TEXT = (int, float, type(None)), (int, type(None)), (str, type(None))
SHAPE: dict[str, type | tuple[type, ...]] = {
    "id": (str, int),
    "status": str,
    "reward": NUMBER,
    "rewards": dict,
    "failures": dict,
    "issue": str,
    "format": str,
    "edits": list,
    "sentences": list,
    "argument": str,
    "argument_after_accepted": str,
    "argument_after_all": str,
    "details": dict,
}

OWN = ("status", "rewards", "edits")
"""Only records of scored files have all of these keys."""
STRANGE = "is missing or of the wrong type: this is not a file that `rewards score` wrote"
CHANGED = "the record was changed after scoring"
SCORE: dict[str, type | tuple[type, ...]] = {"value": NUMBER, "passed": (bool, type(None)), "margin": NUMBER}
MAYBE: dict[str, type | tuple[type, ...]] = {
    "threshold": NUMBER,
    "failed": OPTIONAL_TEXT,
    "details": (dict, type(None)),
}


@dataclass(frozen=True, slots=True)
class ScoredRevision:
    """A scored revision: which edits were accepted, and which thresholds each valid edit passed, its sentence's included."""

    revision: Revision
    accepted: tuple[int, ...]
    passed: tuple[Mapping[str, bool], ...]


def is_meant(record: Any) -> bool:
    """Whether a record looks like one that `rewards score` wrote; `check` finds out whether it is valid."""
    return isinstance(record, Mapping) and all(key in record for key in OWN)


def is_scored(record: Any) -> bool:
    """Whether a record has the keys of one that `rewards score` wrote."""
    try:
        check(record)
    except RecordError:
        return False
    return True


def check(record: Any) -> None:
    """Raise RecordError where a record lacks a key that `rewards score` writes, or has a value of the wrong type there.

    `read_scored` checks the contents of edits and sentences.
    """
    if not isinstance(record, Mapping):
        raise RecordError("expected an object as `rewards score` writes it")
    for key, kinds in SHAPE.items():
        if key not in record or not isinstance(record[key], kinds):
            raise RecordError(STRANGE, key)
    if not isinstance(record.get("error"), OPTIONAL_TEXT):
        raise RecordError(STRANGE, "error")
    for name in record["rewards"]:
        _field(record["rewards"], name, NUMBER, "rewards")
    for name in record["details"]:
        _field(record["details"], name, dict, "details")


def read_scored(record: Any) -> ScoredRevision:
    """The scored revision in a record of a scored file. Raises RecordError where it is not as `rewards score` writes it."""
    check(record)
    sentences = tuple(_field(item, "before", str, f"sentences[{i}]") for i, item in enumerate(record["sentences"]))
    gaps = locate(record["argument"], sentences)
    if gaps is None:
        raise RecordError(f"the sentences do not make up `argument`: {CHANGED}", "sentences")
    edits = tuple(_edit(item, sentences, f"edits[{i}]") for i, item in enumerate(record["edits"]))
    revision = Revision(record["id"], record["issue"], sentences, gaps, edits, record["format"], record.get("problem"))
    by_sentence = {i: _sentence(item, i) for i, item in enumerate(record["sentences"], 1)}
    passed = tuple(
        {**(by_sentence.get(edit.sentence_id, {}) if edit.valid else {}), **_passed(record["edits"][i], f"edits[{i}]")}
        for i, edit in enumerate(edits)
    )
    accepted = tuple(i for i, item in enumerate(record["edits"]) if _field(item, "accepted", bool, f"edits[{i}]"))
    for i in accepted:
        if not edits[i].valid:
            raise RecordError(f"an invalid edit is accepted: {CHANGED}", f"edits[{i}].accepted")
    return ScoredRevision(revision, accepted, passed)


def judgements(record: Mapping[str, Any], edit: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The scores of one edit of a scored record, by reward: those of its sentence and its own."""
    number = edit["sentence_id"]
    found: dict[str, Mapping[str, Any]] = {}
    for sentence in record["sentences"]:
        if sentence["sentence_id"] == number:
            found |= sentence["scores"]
    return {**found, **edit["scores"]}


def together(record: Mapping[str, Any], edit: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Joint scores of the gates that an edit passed alone but failed together with other edits of its sentence."""
    failed = {gate for name in edit.get("failed_gates") or () if (gate := joint_gate(name))}
    found = (s.get("together") or {} for s in record["sentences"] if s["sentence_id"] == edit["sentence_id"])
    return {gate: score for scores in found for gate, score in scores.items() if gate in failed}


def decided(record: Mapping[str, Any]) -> bool:
    """Whether the accepted edits of a scored record are known: no gate failed with an error, on single edits or jointly."""
    alone = (
        judgements(record, edit).get(gate, {}) for edit in record["edits"] for gate in edit.get("failed_gates") or ()
    )
    jointly = (score for sentence in record["sentences"] for score in (sentence.get("together") or {}).values())
    return not any(score.get("failed") for score in (*alone, *jointly))


DECIDING = ("weight", "gate", "together", "threshold", "empty", "arguments", "params", "version")
"""The settings of a reward that can change which edits are accepted, or the total."""


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The settings that differ between two headers' `rewards`, as `NAME.SETTING`; without rewards that neither pay nor gate.

    Parameters are compared by digest, not by path.
    """
    found = []
    for name in dict.fromkeys([*one, *other]):
        was, now = one.get(name), other.get(name)
        if not any(stated and (stated.get("weight") or stated.get("gate")) for stated in (was, now)):
            continue
        if was is None or now is None:
            found.append(f"{name} in one of them only")
            continue
        before, after = deciding(was), deciding(now)
        found += [f"{name}.{key}" for key in DECIDING if before[key] != after[key]]
    return found


def deciding(stated: Mapping[str, Any]) -> dict[str, Any]:
    """The DECIDING settings of one reward in a header. Parameters are compared by digest, not by path."""
    params = stated.get("params")
    return {key: stated.get(key) for key in DECIDING} | {
        "together": stated.get("together", False),  # no file had it before 2026-11-30
        "params": params.get("digest") if isinstance(params, Mapping) else params,
    }


def _edit(item: Any, sentences: Sequence[str], where: str) -> Edit:
    before, after = (_field(item, key, str, where) for key in ("before", "after"))
    valid, number = _field(item, "valid", bool, where), _field(item, "sentence_id", OPTIONAL_INT, where)
    start, why = item.get("start"), _field(item, "reason", OPTIONAL_TEXT, where)
    gates = item.get("failed_gates") or []
    if not (isinstance(gates, list) and all(isinstance(gate, str) for gate in gates)):
        raise RecordError(STRANGE, f"{where}.failed_gates")
    known = isinstance(number, int) and 1 <= number <= len(sentences)
    sentence = sentences[number - 1] if known else ""
    if not valid:
        reason = _field(item, "invalid_reason", str, where)
        return Edit(number if known else 0, before, after, why, sentence, invalid_reason=reason)
    if not known or not isinstance(start, int) or start < 0 or sentence[start : start + len(before)] != before:
        raise RecordError(f"does not fit its sentence: {CHANGED}", where)
    return Edit(number, before, after, why, sentence, start, start + len(before))


def _sentence(item: Any, number: int) -> dict[str, bool]:
    """Which thresholds the sentence of this number passed."""
    where = f"sentences[{number - 1}]"
    if _field(item, "sentence_id", int, where) != number:
        raise RecordError(f"is not the place of its sentence: {CHANGED}", f"{where}.sentence_id")
    if item.get("together") is not None:  # no file had it before 2026-11-30
        _passed(item, where, "together")
    return _passed(item, where)


def _passed(item: Any, where: str, scored: str = "scores") -> dict[str, bool]:
    scores = _field(item, scored, dict, where)
    for name, score in scores.items():
        for key, kinds in SCORE.items():
            _field(score, key, kinds, f"{where}.{scored}.{name}")
        for key, kinds in MAYBE.items():
            if key in score:
                _field(score, key, kinds, f"{where}.{scored}.{name}")
    return {name: score["passed"] for name, score in scores.items() if score["passed"] is not None}


def _field(item: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(item, Mapping) or key not in item or not isinstance(item[key], kind):
        raise RecordError(STRANGE, f"{where}.{key}")
    return item[key]
