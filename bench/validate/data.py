"""The data that the rewards are measured on, in the layout of the shared folder."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.data import SYSTEMS, need
from rewards.engine.engine import Engine
from rewards.features import ClassProbabilities, Request
from rewards.fitting import Job, measures
from rewards.fitting.params import read_card
from rewards.fitting.rows import Split, read_rows, revised, split_of
from rewards.fitting.unseen import Unseen
from rewards.models.specs import Model
from rewards.paths import file_digest
from rewards.records import read_revision

SEED = 20261122
FILES = (
    "arguments/appropriateness_corpus.jsonl", "arguments/ukpconvarg1.jsonl", "human_edits/argrewrite.jsonl",
    "fluency/blimp.jsonl", "fluency/jfleg_test.jsonl", "toxicity/paradetox.jsonl", "toxicity/toxic_spans_train.jsonl",
    "toxicity/toxic_spans_trial.jsonl", *(f"reference/{system}.scored.jsonl" for system in SYSTEMS),
)  # fmt: skip
"""The files that all families together are measured on."""


class Judged(NamedTuple):
    """A sentence before and after an edit of the reference, whether its gate passed it, and the index of the argument."""

    before: str
    after: str
    passed: bool
    argument: int


class Single(NamedTuple):
    """A sentence before and after one of the edits that a person made to it, the writer, and the split."""

    before: str
    after: str
    owner: str
    split: Split


def passing(passes: np.ndarray, edits: Sequence[Single]) -> dict[str, Any]:
    """The share of people's single edits that pass, with its interval over writers."""
    owners = [edit.owner for edit in edits]
    return {"n": len(edits), "writers": len(set(owners)), **share_of(passes, owners)}


def share_of(passes: np.ndarray, owners: Sequence[str | int]) -> dict[str, Any]:
    """The share that passes, with its interval over owners."""
    share = passes.astype(float)
    return {
        "n": len(share),
        "pass": round(float(share.mean()), 3),
        "pass_95": measures.interval(lambda each: float(each.mean()), share, seed=SEED, owners=owners),
    }


@dataclass(frozen=True)
class Bench:
    """The folder of the data, and the engine that computes features."""

    data: Path
    engine: Engine

    def file(self, name: str) -> Path:
        """The file of this name; exits where there is none."""
        need(self.data, [name])
        return self.data / name

    def rows(self, name: str) -> list[dict[str, Any]]:
        text = self.file(name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def job(self, params: Path, out: Path) -> tuple[Job, dict[str, Any]]:
        """The job and the options of the fit that wrote the card in `params`; exits where the data is not the same."""
        card = read_card(params)
        unseen = card.get("unseen")
        options = card["options"]
        kept = Unseen.of(self.named(unseen), options) if unseen else None
        job = Job(tuple(map(self.named, card["data"])), out, self.engine, card["seed"], unseen=kept)
        return job, options

    def refit(self, params: Path, fit: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        """The card from a repetition of the fit that wrote the card in `params`; its other files are discarded."""
        with tempfile.TemporaryDirectory() as folder:
            job, options = self.job(params, Path(folder))
            return fit(job, **options)

    def named(self, described: Mapping[str, str]) -> Path:
        """The file that a card describes; exits where there is none."""
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

    def single_edits(self) -> list[Single]:
        """Every single edit in people's revised sentences (ArgRewrite), from a word diff, as a gate would see it."""
        file = self.file("human_edits/argrewrite.jsonl")
        found = []
        for row in read_rows([file]):
            if revision := revised(row, Counter()):
                before, after = revision
                owner = row.owner(before)
                edits = read_revision({"sentences": [before], "rewrite": after}).edits
                found += [
                    Single(edit.sentence_before, edit.sentence_after, owner, split_of(row, owner, ""))
                    for edit in edits
                    if edit.valid and edit.changes
                ]
        return found

    def judged_edits(self, system: str, reward: str) -> list[Judged]:
        """The reference's valid edits that change something, judged by its gate `reward`."""
        found = []
        for number, row in enumerate(self.rows(f"reference/{system}.scored.jsonl")):
            for edit in row["edits"]:
                sentence, part = edit["original_sentence"] or "", edit["inappropriate_part"]
                if edit["valid"] and part in sentence:
                    after = sentence.replace(part, edit["rewritten_part"], 1)
                    if after != sentence:
                        found.append(Judged(sentence, after, edit["rewards"][reward] == 1.0, number))
        return found
