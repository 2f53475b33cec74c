"""How many revisions by people the gates on form let pass."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bench.validate.data import Bench
from rewards.fitting.rows import revised
from rewards.records import read_revision
from rewards.suite import suite_of
from rewards_format import PARAMS

GATES = {
    "plain_text": "yes or no",
    "no_new_numbers": "yes or no",
    "no_bare_negation": "yes or no",
    "no_repetition": "a quarter of the words",
}
"""What the threshold of each gate means, stated in its source."""


def card(bench: Bench) -> dict[str, Any]:
    """The thresholds with their sources: a revision passes where each of its edits does."""
    job, _ = bench.job(PARAMS, PARAMS)
    revisions = [
        read_revision({"issue": "", "argument": pair[0], "rewrite": pair[1]}, number=row.number)
        for row in job.rows()
        if (pair := revised(row, Counter()))
    ]
    suite = suite_of([*GATES], engine=bench.engine)
    results = suite.score(revisions)
    found: dict[str, Any] = {"rows": {"revised sentences": len(revisions)}}
    for component in suite.components:
        gate, threshold = component.name, component.threshold
        passed = sum(all(scores[gate].passed for scores in result.edits) for result in results)
        share = 100 * passed / len(revisions)
        found[f"threshold_{gate}"] = {
            "value": threshold and threshold.value,
            "source": f"{GATES[gate]}; {share:.3g} % of human revisions pass (ArgRewrite V2, n {len(revisions):,})",
        }
    return found
