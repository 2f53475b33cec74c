"""One flat pass over the requests of all rewards: deduplicated, looked up in the cache, computed in batches by model."""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.engine import derived, roles
from rewards.engine.cache import Cache, MemoryCache
from rewards.engine.derived import Feature
from rewards.engine.device import check_device, own_precision, pick_device, pick_dtype
from rewards.errors import ConfigError, ModelError, unknown
from rewards.features import Failure, Request, checked
from rewards.models import keys
from rewards.models.backend import Placement, Progress, load
from rewards.models.batches import isolate
from rewards.models.specs import (
    DEFAULT_PROFILE,
    DTYPES,
    PROFILES,
    Checkpoint,
    Derived,
    DType,
    Model,
    Profile,
    Spec,
    Wheel,
    describe,
    named,
)

if TYPE_CHECKING:
    from rewards.models.backend import Backend

log = logging.getLogger("rewards.engine")


@dataclass(slots=True)
class Counts:
    """What the engine did: how many features were requested, distinct, found in the cache, computed, failed."""

    requested: int = 0
    distinct: int = 0
    cached: int = 0
    computed: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Used:
    """A checkpoint in use: the folder and the digest of its files, device, dtype, and the prefix of its cache keys."""

    folder: Path
    device: str
    dtype: str
    digest: str
    prefix: tuple[str, ...]
    cut: set[bytes] = field(default_factory=set)  # the `Identity.text_key` of every text that was too long


@dataclass(slots=True)
class Engine:
    """Computes features for rewards. A model is loaded when one of its features is not in the cache, and stays loaded.

    `device` is `auto`, `cpu` or `cuda:N`; `dtype` is a name or `auto`: float32 for small models (sentence encoders and,
    on a GPU, the embedded ones), for others bfloat16 where the device is faster in it and float32 elsewhere;
    `token_budget` bounds the padded tokens of one batch (0 chooses by device); `models` maps roles to the hub ids or local
    folders of other models. One thread computes at a time; others wait.
    """

    profile: Profile = DEFAULT_PROFILE
    device: str = "auto"
    dtype: DType = "auto"
    token_budget: int = 0
    cache: Cache = field(default_factory=MemoryCache)
    models: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = field(default=lambda _: None, repr=False)
    counts: Counts = field(default_factory=Counts, init=False)
    # Init fields, so that `replace(engine, profile=…)` shares the loaded models and their lock. The fields below with
    # `init=False`, such as counts and roles, start empty in each copy.
    _loaded: dict[tuple[Checkpoint, str, str], Backend] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    _used: dict[tuple[Checkpoint, str, str], _Used] = field(default_factory=dict, init=False, repr=False)
    _claims: dict[str, Model] = field(default_factory=dict, init=False, repr=False)  # by role: the first one
    _roles: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for kind, given, known in (("profile", self.profile, PROFILES), ("dtype", self.dtype, DTYPES)):
            if problem := unknown(kind, given, known):
                raise ConfigError(problem)
        check_device(self.device)
        if not hasattr(self.cache, "get"):
            raise ConfigError(
                f"Engine(cache={self.cache!r}): expected MemoryCache() or DiskCache(FOLDER), both of rewards.engine.cache"
            )
        models: Any = self.models
        if not isinstance(models, Mapping) or not all(isinstance(name, str | Path) for name in models.values()):
            raise ConfigError(
                f"Engine(models={models!r:.100}): expected a folder or hub id for each role: {{'encoder': '…'}}"
            )
        self.models = {role: str(name) for role, name in models.items()}
        if not callable(self.progress):
            raise ConfigError(
                f"Engine(progress={self.progress!r:.100}): expected a function of how many texts are done"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("an engine, and a suite on it, cannot be pickled: load the suite in each process")

    def compute(self, requests: Iterable[Request]) -> dict[Request, Feature]:
        """The feature of every distinct request, or a Failure in its place.

        Raises ModelError where a role has no model, two different ones, or one that cannot be loaded or does not give such
        features, and PluginError where something is not a request.
        """
        asked = checked(requests, "Engine.compute")
        with self._lock:
            return self._compute(asked)

    def spec(self, model: Model) -> Spec:
        """The model that fills a role under this engine's profile and overrides. Raises ModelError where there is none."""
        return roles.fill(model, self.profile, self.models)

    def check_roles(self, known: Iterable[str]) -> None:
        """Raise ConfigError, with the nearest role, where `models` names a role that is not among the known ones."""
        roles.check(self.models, known)

    def identify(self, models: Iterable[Model]) -> dict[str, Any]:
        """What the features of each role depend on: files, dtype, kind of device, settings; determined without loading.

        Raises ModelError for a role without a model and for a model that cannot be found.
        """
        find = functools.cache(self._find)  # one model may fill several roles: ask the hub once
        return {model.role: _identity(self.spec(model), find) for model in models}

    def describe(self) -> dict[str, Any]:
        """Device, dtype and digest of every model used so far, and how many texts it cut: for result files."""
        models: dict[str, dict[str, Any]] = {}
        for (checkpoint, _, _), used in list(self._used.items()):
            name = named(checkpoint)
            fresh = {"digest": used.digest, "device": used.device, "dtype": used.dtype, "truncated_texts": 0}
            if models.get(name, fresh)["digest"] != used.digest:  # two revisions of one name
                name = f"{name} {used.digest[:16]}"
            # Two roles may use one model with different settings.
            models.setdefault(name, fresh)["truncated_texts"] += len(used.cut)
        return {"profile": self.profile, "models": models, "roles": dict(self._roles)}

    @property
    def truncated(self) -> int:
        """How many distinct texts were too long for a model and were cut, counted for each model, cached or not."""
        return sum(len(used.cut) for used in list(self._used.values()))

    def _compute(self, asked: list[Request]) -> dict[Request, Feature]:
        specs: dict[str, Spec] = {}
        groups: dict[Derived, list[Request]] = defaultdict(list)
        plain: dict[Request, None] = {}
        for request in dict.fromkeys(asked):
            spec = self._fill(request.model, specs)
            if isinstance(spec, Derived):
                groups[spec].append(request)
            else:
                plain[request] = None
        reads: dict[Derived, derived.Reads] = {}
        features: dict[Request, Feature] = {}
        for spec, group in groups.items():
            reads[spec], failures = derived.reads(spec, group)
            derived.check_bases(spec, group[0].model, reads[spec], lambda model: self._fill(model, specs))
            plain |= dict.fromkeys(base for bases in reads[spec].values() for base in bases)
            features |= failures
        read_by = {request: len(bases) for read in reads.values() for request, bases in read.items()}
        self.counts.requested += sum(read_by.get(request, 1) for request in asked)
        self.counts.failed += len(features)
        features |= self._compute_plain(plain, specs)
        for spec, read in reads.items():
            features |= self._derive(spec, read, features)
        return {request: features[request] for request in asked}

    def _fill(self, model: Model, specs: dict[str, Spec]) -> Spec:
        """The model of the role, looked up once a pass. Raises ModelError where another Model claims the same role."""
        known = self._claims.setdefault(model.role, model)
        if known != model:
            raise roles.clash(known, model)
        if model.role not in specs:
            spec = specs[model.role] = self.spec(model)
            self._roles[model.role] = f"{spec.name} {spec.digest[:16]}" if isinstance(spec, Derived) else named(spec)
        return specs[model.role]

    def _derive(
        self, spec: Derived, read: derived.Reads, features: Mapping[Request, Feature]
    ) -> dict[Request, Feature]:
        found = derived.probabilities(spec, read, features)
        for request, feature in found.items():
            # A failed feature that it reads was counted already.
            own = isinstance(feature, Failure) and not any(feature is features[base] for base in read[request])
            self.counts.failed += own
        return found

    def _compute_plain(self, requests: Iterable[Request], specs: Mapping[str, Spec]) -> dict[Request, Feature]:
        groups: dict[Checkpoint, list[Request]] = defaultdict(list)
        for request in requests:
            spec = specs[request.model.role]
            assert isinstance(spec, Checkpoint)  # noqa: S101  (`_compute` handles the others)
            groups[spec].append(request)
        features: dict[Request, Feature] = {}
        for checkpoint, group in groups.items():
            try:
                features |= self._compute_group(checkpoint, group)
            except ModelError as error:
                error.role = error.role or group[0].model.role
                raise
        return features

    def _compute_group(self, checkpoint: Checkpoint, requests: list[Request]) -> dict[Request, Feature]:
        identities = {request: keys.identity(checkpoint, request) for request in requests}
        used = self._use(checkpoint)
        names = {request: keys.key(*used.prefix, *one.kind, *one.text) for request, one in identities.items()}
        distinct = {name: request for request, name in names.items()}
        found: dict[bytes, Feature] = dict(self.cache.get(distinct))
        used.cut.update(identities[distinct[name]].text_key for name in self.cache.cut(found))
        missing = [(name, request) for name, request in distinct.items() if name not in found]
        self.counts.distinct += len(distinct)
        self.counts.cached += len(found)
        if missing:
            with own_precision(used.device):  # also while loading: that multiplies an adapter's matrices
                backend = self._backend(used, checkpoint)
                results = self._run(backend, checkpoint, [request for _, request in missing])
            used.cut |= backend.cut & {one.text_key for one in identities.values()}
            fresh = dict(zip((name for name, _ in missing), results, strict=True))
            cut = {name for name, request in missing if identities[request].text_key in used.cut}
            self.counts.computed += len(fresh)
            self.counts.failed += sum(isinstance(feature, Failure) for feature in fresh.values())
            kept = {name: feature for name, feature in fresh.items() if not isinstance(feature, Failure)}
            self.cache.put(kept, cut & kept.keys())
            for feature in kept.values():  # rewards share this array
                feature.setflags(write=False)
            found |= fresh
        return {request: found[name] for request, name in names.items()}

    def _backend(self, used: _Used, checkpoint: Checkpoint) -> Backend:
        """The model of the checkpoint, loaded on first use."""
        name = checkpoint, used.device, used.dtype
        place = Placement(used.device, used.dtype, self.token_budget or (512 if used.device == "cpu" else 65536))
        if name not in self._loaded:
            log.info("loading %s on %s in %s", describe(checkpoint), used.device, used.dtype)
            self._loaded[name] = load(checkpoint, used.folder, place)
        backend = self._loaded[name]
        backend.placement = place
        return backend

    def _run(self, backend: Backend, checkpoint: Checkpoint, requests: Sequence[Request]) -> list[Feature]:
        """The feature of each request, or its Failure; one failing request does not affect the others."""
        results: list[Feature] = [Failure("not computed")] * len(requests)

        def work(part: list[int]) -> None:
            computed = backend.compute([requests[index] for index in part], self.progress)
            for index, feature in zip(part, computed, strict=True):
                results[index] = _finite(feature, checkpoint)

        def failed(index: int, reason: str) -> None:
            results[index] = Failure(reason)

        isolate([list(range(len(requests)))], work, failed, describe(checkpoint))
        return results

    def _use(self, checkpoint: Checkpoint) -> _Used:
        name = checkpoint, self.device, self.dtype
        if name not in self._used:
            os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else every later fork prints a warning
            self._used[name] = self._find(checkpoint)
        return self._used[name]

    def _find(self, checkpoint: Checkpoint) -> _Used:
        """Folder, device, dtype and digest of the checkpoint: determined from its files, before the model is loaded."""
        from rewards.models import store  # only needed for fetching and hashing a model

        source = checkpoint.source
        if source is None:
            raise ModelError("a checkpoint without a source cannot be loaded")
        device = pick_device(self.device)
        dtype = pick_dtype(self.dtype, device, checkpoint.architecture, embedded=isinstance(source, Wheel))
        folder = store.resolve(source)
        digest = store.digest(source, folder)
        return _Used(folder, device, dtype, digest, keys.prefix(checkpoint, digest, dtype, _kind(device)))


def _identity(spec: Spec, find: Callable[[Checkpoint], _Used]) -> dict[str, Any]:
    if isinstance(spec, Derived):
        return {"digest": spec.digest[:16], "fitted_on": [_identity(one, find) for one in spec.fitted_on]}
    found = find(spec)
    return {
        "digest": found.digest,
        "dtype": found.dtype,
        "device": _kind(found.device),
        "settings": keys.key(keys.settings(spec)).hex()[:16],
    }


def _kind(device: str) -> str:
    """The device without its number: all GPUs of a machine are taken to compute the same features."""
    return device.partition(":")[0]


def _finite(feature: Feature, spec: Spec) -> Feature:
    """The array, or a Failure where it holds NaN or infinity: neither scores nor the cache may use those."""
    if isinstance(feature, Failure) or np.isfinite(feature).all():
        return feature
    return Failure(f"{describe(spec)} gave NaN or infinite numbers; float32 or bfloat16 may hold what float16 cannot")
