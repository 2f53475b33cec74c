"""The reward log: one Parquet row per completion, written in training and read by audits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, get_type_hints

SUITE = "rewards.suite"
"""The key of the Parquet schema's metadata that holds the suite as JSON."""


class Row(TypedDict):
    """The columns, in order; `rewards` has a number or null for every component, including those of weight 0."""

    step: int
    id: str
    sample: int
    issue: str
    argument: str
    completion: str
    reward: float | None
    rewards: Mapping[str, float | None]
    failure: str | None
    edits: int
    valid: int
    accepted: int
    words_before: int
    words_after: int


AUDITED = ("step", "id", "reward", "rewards", "failure", "edits", "accepted", "words_before", "words_after")
"""The columns that an audit reads: the outcome for each completion, without the texts."""


def schema(rewards: Iterable[str], suite: Mapping[str, Any]) -> Any:
    """The schema of a log of these rewards, whose metadata holds `suite`, the result of `Suite.describe`."""
    import pyarrow as pa

    components = pa.struct([pa.field(name, pa.float64()) for name in rewards])
    kinds: dict[Any, Any] = {int: pa.int64(), str: pa.string(), str | None: pa.string(), float | None: pa.float64()}
    columns = [(name, kinds.get(kind, components)) for name, kind in get_type_hints(Row).items()]
    return pa.schema(columns, metadata={SUITE: json.dumps(suite)})
