"""The data that the rewards are measured on, as the shared folder has it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rewards.engine.engine import Engine
from rewards.features import ClassProbabilities, Request
from rewards.fitting import Job
from rewards.fitting.params import read_card
from rewards.fitting.unseen import Unseen
from rewards.models.specs import Model
from rewards.models.wheels import file_digest

SEED = 20261122
SYSTEMS = ("base", "v11")


class Judged(NamedTuple):
    """A sentence before and after an edit of the reference, its verdict on it, and which argument it is of."""

    before: str
    after: str
    passed: bool
    argument: int


@dataclass(frozen=True)
class Bench:
    """Where the data lies and what computes features."""

    data: Path
    engine: Engine

    def rows(self, name: str) -> list[dict[str, Any]]:
        text = (self.data / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def job(self, params: Path, out: Path) -> tuple[Job, dict[str, Any]]:
        """The job and the options of the fit that wrote the card in `params`; exits where the data is not the same."""
        card = read_card(params)
        unseen = card.get("unseen")
        options = card["options"]
        kept = Unseen.of(self.named(unseen), options) if unseen else None
        job = Job(tuple(map(self.named, card["data"])), out, self.engine, card["seed"], unseen=kept)
        return job, options

    def named(self, described: Mapping[str, str]) -> Path:
        """The file that a card describes."""
        for file in self.data.rglob(described["file"]):
            if file_digest(file) == described["sha256"]:
                return file
        sys.exit(f"{self.data} has no {described['file']} with the SHA-256 that the card states, {described['sha256']}")

    def features(self, requests: list[Request]) -> list[np.ndarray]:
        found = self.engine.compute(requests)
        return [np.asarray(found[request], dtype=np.float64) for request in requests]

    def classes(self, model: Model, texts: list[tuple[str, str]]) -> np.ndarray:
        """(N, C) for pairs (text, pair)."""
        return np.stack(self.features([ClassProbabilities(text, model, pair) for text, pair in texts]))

    def judged_edits(self, system: str, reward: str) -> list[Judged]:
        """The reference's valid edits that change something."""
        found = []
        for number, row in enumerate(self.rows(f"reference/{system}.scored.jsonl")):
            for edit in row["edits"]:
                sentence, part = edit["original_sentence"] or "", edit["inappropriate_part"]
                if edit["valid"] and part in sentence:
                    after = sentence.replace(part, edit["rewritten_part"], 1)
                    if after != sentence:
                        found.append(Judged(sentence, after, edit["rewards"][reward] == 1.0, number))
        return found
