"""GM: the cube root of App · Sim / PPL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import evaluate
from datasets import Value

from rewards_eval.formulas import gm, is_appropriate
from rewards_eval.judges import engine_for, judge, mean
from rewards_eval.module import REWRITING, info

_INPUTS = """
Args:
    predictions: edited texts.
    references: the original texts.
    issues: what each is about, optional.
    profile, device, dtype: which models run, where, in which precision; `embedded` needs no hub.
    models: other models for the roles, as ROLE=MODEL.
"""


class Gm(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(__doc__, REWRITING, _INPUTS, predictions=Value("string"), references=Value("string"))

    def _compute(  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        self,
        predictions: Any,
        references: Any,
        issues: Sequence[str] | None = None,
        profile: str = "embedded",
        device: str = "auto",
        dtype: str = "auto",
        models: Sequence[str] = (),
    ) -> dict[str, Any]:
        found = judge(predictions, references, issues, engine=engine_for(profile, device, dtype, tuple(models)))
        whole = [i for i, values in enumerate(zip(*found.values(), strict=True)) if None not in values]
        p, sim, ppl = ([found[name][i] for i in whole] for name in ("p", "sim", "ppl"))
        app = mean([one is not None and is_appropriate(one) for one in p])["value"]
        parts = {"app": app, "sim": mean(sim)["value"], "ppl": mean(ppl)["value"]}
        return {"gm": gm(**parts) if whole else None, "n": len(whole), **parts}
