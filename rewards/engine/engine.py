"""One flat pass: requests of all rewards, deduplicated, looked up, computed in batches by each model once, handed back."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rewards.engine.cache import Array, Cache, MemoryCache, key
from rewards.engine.device import pick_device, pick_dtype
from rewards.errors import ModelError
from rewards.features import ClassProbabilities, Failure, Request
from rewards.models.backend import Placement, Progress, describe, load
from rewards.models.specs import Checkpoint, Derived, Hub, Model, Profile, Spec

if TYPE_CHECKING:
    from rewards.models.backend import Backend

log = logging.getLogger("rewards.engine")
Feature = Array | Failure
DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(slots=True)
class Counts:
    """What the engine did: how many features were asked for, distinct, found in the cache, computed, failed."""

    requested: int = 0
    distinct: int = 0
    cached: int = 0
    computed: int = 0
    failed: int = 0


@dataclass(slots=True)
class Engine:
    """Computes features for rewards. Models load on first use and stay; everything else is per call.

    `device` is `auto`, `cpu` or `cuda:N`; `dtype` is `auto` (bfloat16 where the device is fast at it, float32
    elsewhere) or a name; `token_budget` bounds the padded tokens of one batch (0 chooses by device); `models` puts
    another hub id or local folder in the place of a role.
    """

    profile: Profile = "embedded"
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    token_budget: int = 0
    cache: Cache = field(default_factory=MemoryCache)
    models: Mapping[str, str] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    progress: Progress = field(default=lambda _: None, repr=False)
    _backends: dict[Checkpoint, Backend] = field(default_factory=dict, repr=False)
    _digests: dict[Checkpoint, str] = field(default_factory=dict, repr=False)
    _places: dict[Checkpoint, Placement] = field(default_factory=dict, repr=False)
    _roles: dict[str, str] = field(default_factory=dict, repr=False)

    def compute(self, requests: Iterable[Request]) -> dict[Request, Feature]:
        """The feature of every distinct request, or the Failure that took its place. Raises ModelError for lack of a model."""
        asked = list(requests)
        wanted = dict.fromkeys(asked)
        derived = {request: spec for request in wanted if isinstance(spec := self.spec(request.model), Derived)}
        reads = {request: spec.reads(request) for request, spec in derived.items()}
        self.counts.requested += sum(len(reads[request]) if request in reads else 1 for request in asked)
        direct = [request for request in wanted if request not in derived]
        plain = dict.fromkeys([*direct, *(base for bases in reads.values() for base in bases)])
        features = self._compute_plain(plain)
        for spec in dict.fromkeys(derived.values()):
            group = [request for request, its in derived.items() if its is spec or its == spec]
            self._roles[group[0].model.role] = f"{spec.name} {spec.digest[:16]}"
            features |= _derive(spec, group, reads, features)
        return {request: features[request] for request in wanted}

    def spec(self, model: Model) -> Spec:
        """The model that fills a role under this engine's profile and overrides."""
        if model.role in self.models:
            return _override(model, self.models[model.role], self.profile)
        spec = model.profiles.get(self.profile)
        if spec is None or (isinstance(spec, Checkpoint) and spec.source is None):
            raise ModelError(
                f"role {model.role!r} has no published model in profile {self.profile!r};"
                f" name one: --model {model.role}=FOLDER_OR_HUB_ID"
            )
        return spec

    def describe(self) -> dict[str, Any]:
        """Device, dtype and digest of every model used so far, and how many texts it cut: for result files."""
        models = {}
        for checkpoint, backend in self._backends.items():
            place = self._places[checkpoint]
            models[describe(checkpoint).removeprefix("model ").strip("'")] = {
                "digest": self._digests[checkpoint],
                "device": place.device,
                "dtype": place.dtype,
                "truncated_texts": backend.truncated,
            }
        return {"profile": self.profile, "models": models, "roles": dict(self._roles)}

    @property
    def truncated(self) -> int:
        """How many distinct texts were too long for a model and were cut."""
        return sum(backend.truncated for backend in self._backends.values())

    def _compute_plain(self, requests: Iterable[Request]) -> dict[Request, Feature]:
        groups: dict[Checkpoint, list[Request]] = defaultdict(list)
        for request in requests:
            spec = self.spec(request.model)
            if not isinstance(spec, Checkpoint):
                raise ModelError(f"role {request.model.role!r} is derived from other features and cannot be read from")
            groups[spec].append(request)
        features: dict[Request, Feature] = {}
        for checkpoint, group in groups.items():
            features |= self._compute_group(checkpoint, group)
        return features

    def _compute_group(self, checkpoint: Checkpoint, requests: list[Request]) -> dict[Request, Feature]:
        backend = self._backend(checkpoint)
        prefix = (self._digests[checkpoint], self._places[checkpoint].dtype)
        keys = {request: key(*prefix, *backend.key(request)) for request in requests}
        distinct = {name: request for request, name in keys.items()}
        found: dict[bytes, Feature] = dict(self.cache.get(distinct))
        missing = [(name, request) for name, request in distinct.items() if name not in found]
        self.counts.distinct += len(distinct)
        self.counts.cached += len(found)
        computed = backend.compute([request for _, request in missing], self.progress) if missing else []
        fresh = dict(zip((name for name, _ in missing), computed, strict=True))
        self.counts.computed += len(fresh)
        self.counts.failed += sum(isinstance(feature, Failure) for feature in fresh.values())
        self.cache.put({name: feature for name, feature in fresh.items() if not isinstance(feature, Failure)})
        found |= fresh
        return {request: found[name] for request, name in keys.items()}

    def _backend(self, checkpoint: Checkpoint) -> Backend:
        if checkpoint not in self._backends:
            from rewards.models import store  # fetching and hashing, only when a model is used

            os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else every later fork prints a warning
            source = checkpoint.source
            assert source is not None  # noqa: S101  (`spec` has seen to it)
            folder = store.resolve(source)
            device = pick_device(self.device)
            dtype = pick_dtype(self.dtype, device, checkpoint.architecture)
            placement = Placement(device, dtype, self.token_budget or (512 if device == "cpu" else 65536))
            log.info("loading %s on %s in %s", describe(checkpoint), device, dtype)
            self._places[checkpoint] = placement
            self._digests[checkpoint] = store.digest(source)
            self._backends[checkpoint] = load(checkpoint, folder, placement)
        return self._backends[checkpoint]


def _override(model: Model, name: str, profile: Profile) -> Spec:
    """The checkpoint a user puts in a role's place; it is used as that role's loadable checkpoint is."""
    specs = [model.profiles[p] for p in (profile, "full", "embedded") if p in model.profiles]
    for spec in specs:
        if isinstance(spec, Checkpoint):
            folder = Path(name).expanduser()
            source = Hub(str(folder.resolve())) if folder.is_dir() else Hub(name)
            return replace(spec, source=source, start_token="")
    raise ModelError(f"role {model.role!r} is computed from other features; no checkpoint can take its place")


def _derive(
    spec: Derived,
    requests: Sequence[Request],
    reads: Mapping[Request, tuple[Request, ...]],
    features: Mapping[Request, Feature],
) -> dict[Request, Feature]:
    """Probabilities of a derived classifier for those requests whose features were all computed."""
    results: dict[Request, Feature] = {}
    ready: list[Request] = []
    for request in requests:
        if not isinstance(request, ClassProbabilities):
            raise ModelError(f"{spec.name} is a classifier: it gives no {type(request).__name__}")
        broken = next((f for base in reads[request] if isinstance(f := features[base], Failure)), None)
        if broken is None:
            ready.append(request)
        else:
            results[request] = broken
    if ready:
        columns = zip(*(reads[request] for request in ready), strict=True)
        arrays = [np.stack([_array(features[base]) for base in column]) for column in columns]
        results |= zip(ready, np.asarray(spec.compute(*arrays), dtype=np.float32), strict=True)
    return results


def _array(feature: Feature) -> Array:
    if isinstance(feature, Failure):
        raise ModelError(feature.reason)
    return feature
