"""Derived classifiers: which features they read, and the probabilities they compute from those."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rewards.errors import ModelError, PluginError
from rewards.features import ClassProbabilities, Failure, Request, checked, stacked
from rewards.models.backend import Array
from rewards.models.batches import isolate
from rewards.models.specs import Checkpoint, Derived, Model, Spec, describe

log = logging.getLogger("rewards.engine")
ROUNDING = 1e-4
"""How far outside [0, 1] a probability may lie, by rounding."""

Feature = Array | Failure
Reads = Mapping[Request, tuple[Request, ...]]


def _probable(found: Array, spec: Derived) -> Feature:
    """The probabilities as the head gave them; a Failure where they are not finite or outside [0, 1]."""
    if not np.isfinite(found).all():
        return Failure(f"{describe(spec)} gave NaN or infinite numbers")
    if found.min() < -ROUNDING or found.max() > 1 + ROUNDING:
        return Failure(f"{describe(spec)} gave {found.min():g} to {found.max():g}; probabilities lie in [0, 1]")
    return found


def reads(
    spec: Derived, requests: Sequence[Request]
) -> tuple[dict[Request, tuple[Request, ...]], dict[Request, Failure]]:
    """What each request reads; and a Failure for each where the head's `reads` raised or returned no valid requests."""
    found: dict[Request, tuple[Request, ...]] = {}
    failures: dict[Request, Failure] = {}

    def work(part: list[Request]) -> None:
        for request in part:
            returned = spec.reads(request)
            if isinstance(returned, Request):  # a single feature may come without a tuple
                returned = (returned,)
            try:
                found[request] = tuple(checked(returned, f"`reads` of {describe(spec)}"))
            except PluginError as error:
                failures[request] = Failure(str(error))

    def failed(request: Request, reason: str) -> None:
        failures[request] = Failure(reason)

    for request in requests:
        if not isinstance(request, ClassProbabilities):
            raise ModelError(f"{spec.name} is a classifier: it gives no {type(request).__name__}")
    isolate(([request] for request in requests), work, failed, f"`reads` of {describe(spec)}")
    return found, failures


def check_bases(spec: Derived, made: Model, read: Reads, fill: Callable[[Model], Spec]) -> None:
    """Raise ModelError where the head would read features of a model that it was not fitted on."""
    for model in dict.fromkeys(base.model for bases in read.values() for base in bases):
        base = fill(model)
        if not isinstance(base, Checkpoint):
            raise ModelError(f"role {model.role!r} is derived from other features and cannot be read from")
        if base not in spec.fitted_on:
            fitted = " and ".join(describe(one) for one in spec.fitted_on)
            instead = f"no model for role {model.role!r}"
            if any(isinstance(one, Checkpoint) for one in made.profiles.values()):  # a checkpoint can replace the head
                instead = f"another model for role {made.role!r} instead of {model.role!r}"
            raise ModelError(
                f"{describe(spec)} was fitted on {fitted}; the features of {describe(base)} mean something else to it."
                f" Name {instead}"
            )


def probabilities(spec: Derived, read: Reads, features: Mapping[Request, Feature]) -> dict[Request, Feature]:
    """The (C,) probabilities of every request, or the Failure of a feature it reads or of the head itself."""
    results: dict[Request, Feature] = {}
    ready: list[Request] = []
    for request, bases in read.items():
        broken = next((feature for base in bases if isinstance(feature := features[base], Failure)), None)
        if broken is None:
            ready.append(request)
        else:
            results[request] = broken

    def work(part: list[Request]) -> None:
        columns = zip(*(read[request] for request in part), strict=True)
        arrays = [stacked(column, features) for column in columns]
        found = np.asarray(spec.compute(*arrays), dtype=np.float32)
        if found.shape != (len(part), len(spec.labels)):
            raise ValueError(f"it returned an array {found.shape}; expected {(len(part), len(spec.labels))}")
        results.update((request, _probable(one, spec)) for request, one in zip(part, found, strict=True))

    def failed(request: Request, reason: str) -> None:
        results[request] = Failure(reason)

    if ready:
        isolate([ready], work, failed, describe(spec))
    return results
