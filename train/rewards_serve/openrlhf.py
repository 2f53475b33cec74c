"""The requests of OpenRLHF to a reward server (`--reward.remote_url`), and the answers to them.

A query is a prompt with its completion, special tokens included, and a request has one; `labels` hold the column that its
`--data.label_key` names. From https://github.com/OpenRLHF/OpenRLHF, `openrlhf/utils/agent.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, FailFast

from rewards.errors import ConfigError, RecordError
from rewards.result import Result
from rewards.suite import Suite

SPECIAL = re.compile(r"(?:<\|[^<>|\s]{1,40}\|>|</?s>|<eos>|<pad>|<end_of_turn>|\[PAD\])\Z")
MARK = re.compile(r"\S")
LONGEST = 44  # characters of the longest token that SPECIAL matches


class Query(BaseModel):
    """The body of a request; further keys, which other versions send, are ignored."""

    model_config = ConfigDict(extra="ignore")

    query: Annotated[list[str], FailFast()]
    prompts: Annotated[list[str], FailFast()] = []
    labels: list[Any] = []


def to_records(body: Query) -> list[dict[str, Any]]:
    """One input record per query. Raises ConfigError where the lists differ in length, RecordError where an entry is wrong."""
    for name, values in (("prompts", body.prompts), ("labels", body.labels)):
        if len(values) != len(body.query):
            raise ConfigError(f"the body: `{name}` has {len(values)} entries for {len(body.query)} queries")
    entries = zip(body.query, body.prompts, body.labels, strict=True)
    return [_record(index, *entry) for index, entry in enumerate(entries)]


def at_fault(index: int, error: RecordError) -> RecordError:
    """The error of reading a record, with the entry of the request that the record was made from as its field."""
    if error.field.startswith(("completion", "edits")) or not error.field:
        return RecordError(error.reason, f"query[{index}]")
    return RecordError(error.reason, f"labels[{index}].{error.field}")


def to_answer(results: Sequence[Result], suite: Suite) -> dict[str, Any]:
    """`{rewards, scores, extra_logs}`; logged are rewards with a weight, 0 where they do not apply, and counts of edits.

    Held-out rewards are left out: they may have no value, and OpenRLHF cannot represent that. Raises RecordError for a
    completion without a reward, ConfigError where no reward of the suite has a weight.
    """
    paid = [component.name for component in suite.components if component.weight]
    if not paid:
        raise ConfigError(f"suite {suite.name!r} pays nothing, so there is no reward: give one of its rewards a weight")
    for index, result in enumerate(results):
        if result.reward is None:
            raise RecordError(result.error or "the suite has no total for it", f"query[{index}]")
    totals = [result.reward for result in results]
    logged: dict[str, list[float]] = {name: [result.rewards[name] or 0.0 for result in results] for name in paid}
    logged["edits"] = [float(len(result.edits)) for result in results]
    logged["edits_accepted"] = [float(len(result.accepted)) for result in results]
    return {"rewards": totals, "scores": totals, "extra_logs": logged}


def _completion(query: str, prompt: str) -> str | None:
    """The query without its prompt, in which spaces may differ after decoding; None where the query does not begin with it."""
    if query.startswith(prompt):
        return query[len(prompt) :]
    said = "".join(prompt.split())
    if not "".join(query.split()).startswith(said):
        return None
    ends = [0, *(mark.end() for mark in islice(MARK.finditer(query), len(said)))]
    return query[ends[-1] :].lstrip()


def _record(index: int, query: str, prompt: str, label: Any) -> dict[str, Any]:
    completion = _completion(query, prompt)
    if completion is None:
        raise RecordError(
            "it does not begin with its prompt, so its completion is not known (OpenRLHF cuts a prompt that leaves no room for"
            " an answer)",
            f"query[{index}]",
        )
    if isinstance(label, str):
        try:
            label = orjson.loads(label)
        except orjson.JSONDecodeError:
            label = None
    if not isinstance(label, Mapping) or not {"argument", "sentences"} & label.keys():
        raise RecordError(
            "expected {issue, argument} or {issue, sentences}, as an object or as JSON text: rewards need the original, and do"
            " not guess it from the prompt (OpenRLHF's --data.label_key names the column)",
            f"labels[{index}]",
        )
    kept = {key: label[key] for key in ("id", "issue", "argument", "sentences") if key in label}
    return {**kept, "completion": without_special(completion)}


def without_special(text: str) -> str:
    """The text without special tokens at its end, and without space before them."""
    end = len(text.rstrip())
    while found := SPECIAL.search(text, max(0, end - LONGEST), end):
        end = len(text[: found.start()].rstrip())
    return text[:end]
