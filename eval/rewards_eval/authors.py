"""Converts the scored files of the paper's authors into records like those of `rewards score`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewards.dimensions import INAPPROPRIATE
from rewards.errors import RecordError
from rewards.records import identifier
from rewards.text.segment import split

SHAPE: dict[str, type] = {
    "issue": str,
    "argument": str,
    "argument_after_edits": str,
    "argument_after_all_edits": str,
    "metrics": dict,
    "metrics_all": dict,
    "predicted_scores_before": dict,
    "predicted_scores_after": dict,
    "predicted_scores_after_all": dict,
    "edits": list,
}
GATES = {"semantic_similarity": "semantic_similarity", "fluency": "fluency", "human_like": "pattern_conformity"}
"""The authors' names of the gates, and ours."""


def is_authors(record: Any) -> bool:
    """Whether a record has the shape of the authors' scored files."""
    return isinstance(record, Mapping) and all(key in record for key in SHAPE)


def to_record(record: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The record in the form of `rewards score`. Raises RecordError with the field that is missing or invalid.

    Texts and numbers are as the authors stored them. Their verdicts (1 or 0) become scores with the threshold .5, their
    measurements `details.evaluation`. `number` is the id of a record without one.
    """
    for key, kind in SHAPE.items():
        if not isinstance(record.get(key), kind):
            raise RecordError(f"is missing or no {kind.__name__}, as the authors' scored files have it", key)
    stated = [_stated(item, f"edits[{i}]") for i, item in enumerate(record["edits"])]
    argument = record["argument"]
    sentences = _sentences(argument, stated)
    edits = [_edit(item, sentences) for item in stated]
    after = _probabilities(record["predicted_scores_after"], "predicted_scores_after")
    evaluation = _evaluation(record, stated)
    own = identifier(record)
    return {
        "id": number if own is None else own,
        "status": "scored",
        "error": None,
        "failures": {},
        "reward": None,
        "rewards": {**_means(edits), "appropriateness": 1.0 - after[INAPPROPRIATE]},
        "issue": record["issue"],
        "format": "json_edits",
        "problem": None,
        "edits": edits,
        "sentences": _sentence_records(sentences, edits),
        "argument": argument,
        "argument_after_accepted": record["argument_after_edits"],
        "argument_after_all": record["argument_after_all_edits"],
        "details": {"appropriateness": {"before": evaluation["before"], "after": after}, "evaluation": evaluation},
    }


def _stated(item: Any, where: str) -> Mapping[str, Any]:
    kinds: dict[str, type | tuple[type, ...]] = {
        "inappropriate_part": str,
        "rewritten_part": str,
        "original_sentence": str,
        "sentence_id": int,
        "valid": bool,
        "reason_correct": bool,
        "rewards": dict,
    }
    for key, kind in kinds.items():
        if not isinstance(item, Mapping) or not isinstance(item.get(key), kind):
            raise RecordError("is missing or of the wrong type in the authors' scored file", f"{where}.{key}")
    for key in (*GATES, "app", "perfect"):
        if item["rewards"].get(key) not in (0, 1):
            raise RecordError("expected 0 or 1", f"{where}.rewards.{key}")
    stated: Mapping[str, Any] = item
    return stated


def _evaluation(record: Mapping[str, Any], stated: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The authors' measurements in the form of `details.evaluation`."""
    return {
        "before": _probabilities(record["predicted_scores_before"], "predicted_scores_before"),
        "accepted": _variant(record, "metrics", "predicted_scores_after"),
        "all": _variant(record, "metrics_all", "predicted_scores_after_all"),
        "edits": [
            {"app": bool(item["rewards"]["app"]), "strict": item["reason_correct"], "relaxed": None} for item in stated
        ],
    }


def _variant(record: Mapping[str, Any], metrics: str, scores: str) -> dict[str, Any]:
    found = {}
    for key in ("Sim", "PPL"):
        value = record[metrics].get(key)
        if value is not None and not isinstance(value, int | float):
            raise RecordError("expected a number or null", f"{metrics}.{key}")
        found[key.lower()] = value
    return {"dimensions": _probabilities(record[scores], scores), **found}


def _probabilities(scores: Mapping[str, Any], where: str) -> dict[str, float]:
    if INAPPROPRIATE not in scores or not all(isinstance(value, int | float) for value in scores.values()):
        raise RecordError(f"expected numbers, {INAPPROPRIATE!r} among them", where)
    return {name: float(value) for name, value in scores.items()}


def _sentences(argument: str, stated: Sequence[Mapping[str, Any]]) -> list[str]:
    """The argument's sentences: those that the edits state, at their numbers, and the text between them split by us.

    The authors keep only the sentences that have edits. Where the text between two of them splits into more sentences than
    the numbers leave room for, the last one takes the rest; where into fewer, empty ones follow.
    """
    named = {item["sentence_id"]: item["original_sentence"] for item in stated if item["original_sentence"]}
    sentences: list[str] = []
    position = 0
    for number, sentence in sorted(named.items()):
        start = argument.find(sentence, position)
        if start < 0 or number < 1:
            raise RecordError(f"sentence {number} of its edits does not occur in the argument", "argument")
        sentences += _pieces(argument[position:start], number - 1 - len(sentences))
        sentences.append(sentence)
        position = start + len(sentence)
    rest = list(split(argument[position:])[0])
    return [*sentences, *rest] or [argument]


def _pieces(text: str, count: int) -> list[str]:
    """The text as exactly `count` sentences (see `_sentences`)."""
    found, gaps = split(text)
    if count <= 0 and found:
        raise RecordError("the sentences of its edits are not in the order of the argument", "edits")
    if len(found) <= count:
        return [*found, *[""] * (count - len(found))]
    kept = list(found[: count - 1])
    skipped = sum(map(len, (*kept, *gaps[:count])))
    return [*kept, text[skipped:].strip()]


def _edit(item: Mapping[str, Any], sentences: Sequence[str]) -> dict[str, Any]:
    before, number = item["inappropriate_part"], item["sentence_id"]
    if item["valid"] and not (1 <= number <= len(sentences) and before in sentences[number - 1]):
        # For the authors an edit is valid if its part occurs anywhere: the first sentence that holds it is taken.
        number = next((n for n, sentence in enumerate(sentences, 1) if before in sentence), 0)
        if not number:
            raise RecordError(f"a valid edit's part occurs in no sentence: {before[:80]!r}", "edits")
    known = 1 <= number <= len(sentences)
    scores = {ours: _score(item["rewards"][theirs]) for theirs, ours in GATES.items()} if item["valid"] else {}
    return {
        "sentence_id": number if known else None,
        "start": sentences[number - 1].index(before) if item["valid"] else None,
        "before": before,
        "after": item["rewritten_part"],
        "reason": item.get("reason"),
        "valid": item["valid"],
        "invalid_reason": None if item["valid"] else "invalid in the authors' file",
        "accepted": bool(item["valid"] and item["rewards"]["perfect"]),
        "failed_gates": [name for name, score in scores.items() if not score["passed"]],
        "scores": scores,
    }


def _score(verdict: float) -> dict[str, Any]:
    return {
        "value": float(verdict),
        "threshold": 0.5,
        "passed": verdict > 0.5,
        "margin": verdict - 0.5,
        "failed": None,
        "details": {},
    }


def _means(edits: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The mean of each gate over the valid edits, as `rewards score` gives it."""
    scores = [edit["scores"] for edit in edits if edit["valid"]]
    return {
        name: sum(one[name]["value"] for one in scores) / len(scores) if scores else None for name in GATES.values()
    }


def _sentence_records(sentences: Sequence[str], edits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    records = []
    for number, before in enumerate(sentences, 1):
        after = before
        for edit in edits:
            if edit["valid"] and edit["sentence_id"] == number:
                after = after.replace(edit["before"], edit["after"], 1)
        records.append({"sentence_id": number, "before": before, "after": after, "scores": {}})
    return records
