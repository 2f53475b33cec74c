"""The share of edits by people, by the reference and in rewrites of toxic texts that `no_praise_for_blame` passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from bench.data import SYSTEMS
from bench.validate.data import SEED, Bench, passing, share_of
from rewards.fitting import Job
from rewards.fitting.rows import read_rows
from rewards_valence import HEAD, PARAMS, no_praise_for_blame
from rewards_valence.fit import Head, fit
from rewards_valence.wording import exchanged

REWRITES = 3000


def card(bench: Bench) -> dict[str, Any]:
    """The card of the fit, done again: it takes a minute."""
    return bench.refit(PARAMS, fit)


def validate(bench: Bench) -> dict[str, Any]:
    job, head = Job((), bench.data, bench.engine, SEED), Head(**load_file(PARAMS / HEAD))
    threshold = no_praise_for_blame.thresholds["embedded"].value

    def passes(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """(N,) of sentences before and after."""
        return head.kept(job, [exchanged(*pair) for pair in pairs]) >= threshold

    people = bench.single_edits()
    rows = list(read_rows([bench.file("toxicity/paradetox.jsonl")]))[:REWRITES]
    rewrites = [(row.text("toxic"), row.texts("neutral")[0]) for row in rows if row.texts("neutral")]
    systems = {system: bench.judged_edits(system, "fluency") for system in SYSTEMS}
    return {
        "single_edits_of_people": {"all": passing(passes([edit[:2] for edit in people]), people)},
        "neutral_rewrites_of_toxic_texts": share_of(passes(rewrites), range(len(rewrites))),
        "edits_of_the_reference": {
            system: share_of(passes([edit[:2] for edit in edits]), [edit.argument for edit in edits])
            for system, edits in systems.items()
        },
    }
