"""Fit the shipped parameters again: `python -m bench.refit DATA OUT` (15 minutes on two cores).

DATA is a folder with `arguments/`, `human_edits/`, `toxicity/`, `fluency/` and, for the comparisons on the cards,
`reference/`. OUT gets one folder per family; compare it with `plugins/rewards_*/params`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import rewards_appropriateness.fit
import rewards_fluency.fit
import rewards_pattern_conformity.fit
import rewards_semantic_similarity.fit
from rewards.engine.engine import Engine
from rewards.features import Embedding, HiddenState, Request
from rewards.models.catalog import CAUSAL_LM, ENCODER


def main() -> None:
    """Fit all families in turn."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    engine = Engine(dtype="float32")

    def features(requests: Sequence[Request]) -> NDArray[np.float32]:
        found = engine.compute(requests)
        return np.stack([np.asarray(found[request]) for request in requests])

    def arguments(texts: Sequence[str]) -> NDArray[np.float32]:
        layer, skip = rewards_appropriateness.LAYER, rewards_appropriateness.SKIP
        return features([HiddenState(text, CAUSAL_LM, layer, skip) for text in texts])

    def sentences(texts: Sequence[str]) -> NDArray[np.float32]:
        return features([HiddenState(text, CAUSAL_LM, rewards_fluency.LAYER) for text in texts])

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return features([Embedding(text, ENCODER) for text in texts])

    rewards_semantic_similarity.fit.fit(data, embed, out / "rewards_semantic_similarity")
    rewards_pattern_conformity.fit.fit(data, out / "rewards_pattern_conformity")
    rewards_appropriateness.fit.fit(data, arguments, out / "rewards_appropriateness")
    rewards_fluency.fit.fit(data, sentences, out / "rewards_fluency")


if __name__ == "__main__":
    main()
