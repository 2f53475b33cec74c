"""Output records read back: the revision they are about, and what was decided on it. Nothing is parsed or placed anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.errors import RecordError
from rewards.text.segment import locate
from rewards.types import Edit, Revision

SHAPE: dict[str, type | tuple[type, ...]] = {
    "id": (str, int),
    "status": str,
    "rewards": dict,
    "failures": dict,
    "issue": str,
    "format": str,
    "edits": list,
    "sentences": list,
    "argument": str,
    "details": dict,
}

STRANGE = "is missing or of the wrong type: this is no file that `rewards score` wrote"
CHANGED = "the record was changed after scoring"
NUMBER, OPTIONAL_INT = (int, float, type(None)), (int, type(None))
SCORE: dict[str, type | tuple[type, ...]] = {"value": NUMBER, "passed": (bool, type(None)), "margin": NUMBER}
MAYBE: dict[str, type | tuple[type, ...]] = {
    "threshold": NUMBER,
    "failed": (str, type(None)),
    "details": (dict, type(None)),
}


@dataclass(frozen=True, slots=True)
class ScoredRevision:
    """A scored revision: which edits were accepted, and for every edit which thresholds its scores passed."""

    revision: Revision
    accepted: tuple[int, ...]
    passed: tuple[Mapping[str, bool], ...]


def is_scored(record: Mapping[str, Any]) -> bool:
    """Whether a record has the keys of one that `rewards score` wrote."""
    return all(isinstance(record.get(key), kinds) for key, kinds in SHAPE.items())


def read_scored(record: Any) -> ScoredRevision:
    """What one record of a scored file says. Raises RecordError where it is not as `rewards score` writes it."""
    if not isinstance(record, Mapping):
        raise RecordError("expected an object as `rewards score` writes it")
    for key, kinds in {**SHAPE, "reward": NUMBER}.items():
        if key not in record or not isinstance(record[key], kinds):
            raise RecordError(STRANGE, key)
    for name in record["rewards"]:
        _field(record["rewards"], name, NUMBER, "rewards")
    for name in record["details"]:
        _field(record["details"], name, dict, "details")
    sentences = tuple(_field(item, "before", str, f"sentences[{i}]") for i, item in enumerate(record["sentences"]))
    gaps = locate(record["argument"], sentences)
    if gaps is None:
        raise RecordError(f"the sentences do not make up `argument`: {CHANGED}", "sentences")
    edits = tuple(_edit(item, sentences, f"edits[{i}]") for i, item in enumerate(record["edits"]))
    revision = Revision(record["id"], record["issue"], sentences, gaps, edits, record["format"], record.get("problem"))
    by_sentence = {i: _sentence(item, i) for i, item in enumerate(record["sentences"], 1)}
    passed = tuple(
        {**by_sentence.get(item.get("sentence_id"), {}), **_passed(item, f"edits[{i}]")}
        for i, item in enumerate(record["edits"])
    )
    accepted = tuple(i for i, item in enumerate(record["edits"]) if _field(item, "accepted", bool, f"edits[{i}]"))
    for i in accepted:
        if not edits[i].valid:
            raise RecordError(f"an invalid edit is accepted: {CHANGED}", f"edits[{i}].accepted")
    return ScoredRevision(revision, accepted, passed)


def judgements(record: Mapping[str, Any], edit: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What a scored record says of one of its edits: the scores of the sentence that it stands in, and its own."""
    number = edit["sentence_id"]
    found: dict[str, Mapping[str, Any]] = {}
    for sentence in record["sentences"]:
        if sentence["sentence_id"] == number:
            found |= sentence["scores"]
    return {**found, **edit["scores"]}


def decided(record: Mapping[str, Any]) -> bool:
    """Whether it is known which edits of a scored record are accepted: no gate failed on an edit or on its sentence."""
    return not any(
        judgements(record, edit).get(gate, {}).get("failed")
        for edit in record["edits"]
        for gate in edit.get("failed_gates") or ()
    )


DECIDING = ("weight", "gate", "threshold", "empty", "arguments", "params", "version")
"""What a suite says of a reward that moves accepted edits or the total."""


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What two headers' `rewards` say differently of those that are paid or gate in either, as `NAME.SETTING`.

    Parameters are told apart by their digest, wherever they lay.
    """
    found = []
    for name in dict.fromkeys([*one, *other]):
        was, now = one.get(name), other.get(name)
        if not any(stated and (stated.get("weight") or stated.get("gate")) for stated in (was, now)):
            continue
        if was is None or now is None:
            found.append(f"{name} in one of them only")
            continue
        before, after = _deciding(was), _deciding(now)
        found += [f"{name}.{key}" for key in DECIDING if before[key] != after[key]]
    return found


def _deciding(stated: Mapping[str, Any]) -> dict[str, Any]:
    params = stated.get("params")
    return {key: stated.get(key) for key in DECIDING} | {
        "params": params.get("digest") if isinstance(params, Mapping) else params
    }


def _edit(item: Any, sentences: Sequence[str], where: str) -> Edit:
    before, after = (_field(item, key, str, where) for key in ("before", "after"))
    valid, number = _field(item, "valid", bool, where), _field(item, "sentence_id", OPTIONAL_INT, where)
    start, why = item.get("start"), _field(item, "reason", (str, type(None)), where)
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
    return _passed(item, where)


def _passed(item: Any, where: str) -> dict[str, bool]:
    scores = _field(item, "scores", dict, where)
    for name, score in scores.items():
        for key, kinds in SCORE.items():
            _field(score, key, kinds, f"{where}.scores.{name}")
        for key, kinds in MAYBE.items():
            if key in score:
                _field(score, key, kinds, f"{where}.scores.{name}")
    return {name: score["passed"] for name, score in scores.items() if score["passed"] is not None}


def _field(item: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(item, Mapping) or key not in item or not isinstance(item[key], kind):
        raise RecordError(STRANGE, f"{where}.{key}")
    return item[key]
