"""Labels to compare rewards with: people's, one on a line, or another scorer's verdicts from its scored file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rewards.dimensions import INAPPROPRIATE
from rewards.errors import ConfigError, RewardsError, nearest
from rewards.files.reading import Line, read_lines
from rewards.scored import decided, is_meant
from rewards_eval import authors
from rewards_eval.formulas import is_appropriate
from rewards_eval.review.journal import SHAPE, latest, read_decisions
from rewards_eval.systems import Id, System, detect, id_of, read_system
from rewards_eval.values import evaluation_of, probabilities_after

DECISIONS = {
    "accept": 1.0, "accepted": 1.0, "yes": 1.0, "true": 1.0,
    "reject": 0.0, "rejected": 0.0, "no": 0.0, "false": 0.0, "amend": 0.0, "amended": 0.0,
}  # fmt: skip
"""The words that are labels, and their values; an amended edit counts as rejected, since it was not good as it stood."""

Unit = tuple[Id, Hashable]
"""What a label is on: an argument's id with None, for the argument itself, or with the key of an edit (see `keys`)."""

By = Literal["place", "place and words", "content", "start"]
Kinds = Mapping[str, Mapping[Unit, float]]


@dataclass(frozen=True)
class Labels:
    """Labels by name, each with a value per unit; several labels of one unit are averaged."""

    source: str
    by: By  # how edits are identified; see `keys`
    values: Kinds = field(default_factory=dict)
    named: Mapping[str, Kinds] = field(default_factory=dict)  # labels on one system only, by its name

    @property
    def units(self) -> set[Unit]:
        """All units with a label in `values`."""
        return {unit for found in self.values.values() for unit in found}

    def of(self, system: str) -> Labels:
        """The labels that apply to this system; those that name it override those that name none."""
        own = self.named.get(system, {})
        kinds = dict.fromkeys([*self.values, *own])
        return Labels(
            self.source, self.by, {kind: {**self.values.get(kind, {}), **own.get(kind, {})} for kind in kinds}
        )

    def check(self, systems: Sequence[str]) -> None:
        """Raise ConfigError where labels name an unknown system, or fit the edits of several systems alike."""
        for name in self.named:
            if name not in systems:
                raise ConfigError(f"{self.source}: no system is called {name!r}{nearest(name, systems)}; see --name")
        if len(systems) > 1 and self.by == "place" and any(place is not None for _, place in self.units):
            raise ConfigError(
                f"{self.source} identifies edits by their place only, and there are {len(systems)} FILEs, whose edits"
                " differ: say in each label `system`, or the edit's `before` and `after`; or evaluate one FILE at a time"
            )


def read_labels(path: str) -> Labels:
    """The labels of a file: a scored file's verdicts, decisions of `rewards review`, or lines of `{id, edit, label}`.

    `edit` counts from 0; without it a label is on the argument. `label` (or `decision`) is true or false, a number, or
    a word such as accept. `name` is the kind of label; `system` limits a label to one system. Where all labels on edits
    state `before` and `after`, these must match the edit too. Raises RewardsError with file, line and remedy for a bad line.
    """
    first = next(read_lines(path), None)
    record = first.record if first is not None else None
    if authors.is_authors(record) or is_meant(record):
        return _verdicts(read_system(path, "labels", detect(path)))
    if isinstance(record, Mapping) and record.get("kind") in tuple(SHAPE):
        return _reviewed(path)
    lines = [_label(path, line) for line in read_lines(path)]
    if not lines:
        raise RewardsError(f"{path} holds no labels")
    worded = all(words for _, _, (_, place), words, _ in lines if place is not None)
    found: dict[str | None, dict[str, dict[Unit, list[float]]]] = {}
    for system, name, (stated, place), words, value in lines:
        unit = stated, (place, *words) if words and worded else place
        found.setdefault(system, {}).setdefault(name, {}).setdefault(unit, []).append(value)
    means = {
        system: {name: {unit: sum(all_) / len(all_) for unit, all_ in units.items()} for name, units in kinds.items()}
        for system, kinds in found.items()
    }
    named = {system: kinds for system, kinds in means.items() if system is not None}
    return Labels(path, "place and words" if worded else "place", means.get(None, {}), named)


def _label(path: str, line: Line) -> tuple[str | None, str, Unit, tuple[str, ...], float]:
    """The system, kind, unit, words (before and after, or none) and value of the label on one line."""
    where = f"{path}, line {line.number}"
    if line.error is not None:
        raise RewardsError(f"{where}: {line.error}")
    stated = id_of(line.record, where, "a label says which argument it is about")
    record = line.record
    place = record.get("edit")
    if place is not None and (isinstance(place, bool) or not isinstance(place, int) or place < 0):
        raise RewardsError(f"{where}: edit: expected an edit's place in its record's list, counted from 0")
    given = record.get("label", record.get("decision"))
    value = DECISIONS.get(given.strip().lower()) if isinstance(given, str) else given
    if not isinstance(value, bool | int | float):
        raise RewardsError(
            f"{where}: label: expected true or false, a number, or one of {', '.join(sorted(DECISIONS))}; found {given!r:.100}"
        )
    system, words = record.get("system"), (record.get("before"), record.get("after"))
    if system is not None and not isinstance(system, str):
        raise RewardsError(f"{where}: system: expected the name of one")
    known = tuple(word.strip() for word in words if isinstance(word, str)) if place is not None else ()
    return system, str(record.get("name") or "label"), (stated, place), known if len(known) == 2 else (), float(value)


def _reviewed(path: str) -> Labels:
    """The decisions of a `rewards review` file: each person's last one on an edit, averaged over people."""
    lines = [line for line in latest(read_decisions(Path(path))) if line["kind"] == "edit"]
    if not lines:
        raise RewardsError(f"{path} holds no decisions on edits that stand")
    # Identical edits of a sentence have decisions of their own, told apart by `start`; without it, all count for the first.
    placed = all(isinstance(line.get("start"), int) for line in lines)
    found: dict[Unit, list[float]] = defaultdict(list)
    for line in lines:
        content = line["before"].strip(), line["after"].strip(), line["sentence_id"], line["start"] if placed else 1
        found[line["id"], content].append(DECISIONS[line["decision"]])
    by: By = "start" if placed else "content"
    return Labels(path, by, {"decision": {unit: sum(all_) / len(all_) for unit, all_ in found.items()}})


def _verdicts(system: System) -> Labels:
    """Another scorer's verdicts as labels: on each edit by every threshold, and on the arguments."""
    found: dict[str, dict[Unit, float]] = defaultdict(dict)
    for argument, record in system.records.items():
        measured = evaluation_of(record).get("edits") or []
        known = decided(record)
        for i, (content, edit) in enumerate(zip(contents(record["edits"]), record["edits"], strict=True)):
            unit = argument, content
            found["valid"][unit] = float(edit["valid"])
            if not edit["valid"]:
                continue  # its verdicts follow from that, and say nothing about the edit
            if known:
                found["accepted"][unit] = float(edit["accepted"])
            for name, score in edit["scores"].items():
                if score["passed"] is not None:
                    found[name][unit] = float(score["passed"])
            if i < len(measured) and measured[i].get("app") is not None:
                found["app"][unit] = float(measured[i]["app"])
        if after := probabilities_after(record, "accepted"):
            found["appropriate"][argument, None] = float(is_appropriate(after[INAPPROPRIATE]))
    return Labels(system.file, "content", {name: units for name, units in found.items() if units})


def keys(edits: Sequence[Mapping[str, Any]], by: By) -> list[Hashable]:
    """A key for each edit: its index, alone or with its words; its content (see `contents`); or its words and start."""
    if by == "content":
        return list(contents(edits))
    words = [(edit["before"].strip(), edit["after"].strip()) for edit in edits]
    if by == "start":
        return [(*one, edit["sentence_id"], edit["start"]) for one, edit in zip(words, edits, strict=True)]
    return [(i, *one) if by == "place and words" else i for i, one in enumerate(words)]


def contents(edits: Sequence[Mapping[str, Any]]) -> Iterator[Hashable]:
    """A key for each edit by content: sentence, words before, words after, and a running number among identical edits."""
    seen: Counter[Hashable] = Counter()
    for edit in edits:
        content = edit["before"].strip(), edit["after"].strip(), edit["sentence_id"]
        seen[content] += 1
        yield (*content, seen[content])
