"""App, Sim and PPL of plain texts instead of records, for the modules in `metrics/`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from rewards.dimensions import INAPPROPRIATE
from rewards.engine.device import pick_device
from rewards.engine.engine import Engine
from rewards.errors import ConfigError, ModelError
from rewards.features import ClassProbabilities, Failure, Request, TokenEmbeddings, TokenLogProbs
from rewards.plan import SuitePlan, parse_models
from rewards_eval import formulas, roles

WHOLE = ("app", "sim", "ppl")


@cache
def engine_for(
    profile: str = "embedded", device: str = "auto", dtype: str = "auto", models: tuple[str, ...] = ()
) -> Engine:
    """The engine for these options, shared by all metrics of a process, so that each model is loaded once."""
    named = parse_models(models)
    return SuitePlan(profile=profile, models=named, device=device, dtype=precision(device, dtype)).engine()


def precision(device: str, dtype: str) -> str:
    """The dtype, where `auto` is float32 on a CPU: bfloat16 moves a perplexity by a tenth, too much to compare."""
    return "float32" if dtype == "auto" and pick_device(device) == "cpu" else dtype


def judge(
    texts: Sequence[str],
    originals: Sequence[str] | None = None,
    issues: Sequence[str] | None = None,
    wanted: Collection[str] = WHOLE,
    engine: Engine | None = None,
) -> dict[str, list[float | None]]:
    """Lists of `p` (P(Inappropriateness)), `sim` and `ppl` of the texts; `wanted` selects from app (for `p`), sim and ppl.

    `sim` compares each text with its original; `issues` says what each text is about. `ppl` is None for a text without
    tokens. Raises ConfigError where lists differ in length, ModelError where a model fails.
    """
    engine = engine or engine_for()
    found = roles.find()
    issues = issues if issues is not None else [""] * len(texts)
    originals = originals if originals is not None else texts
    if not len(texts) == len(issues) == len(originals):
        raise ConfigError(
            f"{len(texts)} texts, {len(originals)} originals, {len(issues)} issues: give one for each text"
        )
    requests: dict[str, list[tuple[Request, ...]]] = {}
    if "app" in wanted:
        requests["p"] = [(ClassProbabilities(t, found.classifier, i),) for t, i in zip(texts, issues, strict=True)]
    if "sim" in wanted:
        requests["sim"] = [
            (TokenEmbeddings(t, found.similarity), TokenEmbeddings(o, found.similarity))
            for t, o in zip(texts, originals, strict=True)
        ]
    if "ppl" in wanted:
        requests["ppl"] = [(TokenLogProbs(t, found.perplexity),) for t in texts]
    features = engine.compute([one for all_ in requests.values() for pair in all_ for one in pair])
    values: dict[str, list[float | None]] = {}
    for name, all_ in requests.items():
        values[name] = [_value(name, [_known(features, one) for one in pair], found, engine) for pair in all_]
    return values


def _value(name: str, features: Sequence[Any], found: roles.Roles, engine: Engine) -> float | None:
    if name == "p":
        return float(features[0][found.labels.index(INAPPROPRIATE)])
    if name == "sim":
        return roles.rescale(formulas.bertscore(*features), found, engine)
    return formulas.perplexity(features[0])


def _known(features: Mapping[Request, Any], request: Request) -> Any:
    feature = features[request]
    if isinstance(feature, Failure):
        raise ModelError(f"a text could not be measured: {feature.reason}")
    return feature


def mean(values: Sequence[float | bool | None]) -> dict[str, Any]:
    """`{value, n}`: the mean of the values that are not None, and their number; without any, the mean is None."""
    known = [float(value) for value in values if value is not None]
    return {"value": sum(known) / len(known) if known else None, "n": len(known)}
