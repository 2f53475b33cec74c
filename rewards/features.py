"""The features of texts that rewards can request of models. The engine computes each distinct request once.

A request names a text and a model by role; its feature is a float32 array. A reward gets the arrays of a batch stacked
where their shapes agree; features per token always come as a list of arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

from rewards.errors import PluginError
from rewards.models.specs import Model

FEATURES_VERSION = "4"
"""Part of every cache key. Raised when the same request gives other numbers than before, so that old ones are not read."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text's unit-length embedding: (D,). `role` picks the query or document prompt of models that have them."""

    text: str
    model: Model
    role: Literal["query", "document"] = "document"


@dataclass(frozen=True, slots=True)
class TokenEmbeddings:
    """A text's contextual token vectors, special tokens left out, each of unit length: (T, D)."""

    text: str
    model: Model


@dataclass(frozen=True, slots=True)
class TokenLogProbs:
    """Natural-log probability of each token given those before it: (T,). (0,) for the empty text."""

    text: str
    model: Model


@dataclass(frozen=True, slots=True)
class HiddenState:
    """Mean over tokens of a causal model's hidden state after `layer` blocks: (D,). Zeros where there is no token.

    `skip` is the number of first tokens to leave out. The first token is an attention sink: its state is a hundred times as
    large as the others', which makes the mean depend on the text's length.
    """

    text: str
    model: Model
    layer: int
    skip: int = 0


@dataclass(frozen=True, slots=True)
class ClassProbabilities:
    """A classifier's probability of each label, for a text or a (text, pair): (C,), in the order of the model's labels."""

    text: str
    model: Model
    pair: str | None = None


Request = Embedding | TokenEmbeddings | TokenLogProbs | HiddenState | ClassProbabilities


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a feature could not be computed; takes the place of its array."""

    reason: str


def checked(requests: Iterable[Any], who: str) -> list[Request]:
    """The requests as a list. Raises PluginError, which quotes the item, where one is not a valid request."""
    found = list(requests)
    for one in found:
        if not isinstance(one, Request):
            raise PluginError(f"{who}: expected requests of rewards.features, got {type(one).__name__} {one!r:.100}")
        pair = one.pair if isinstance(one, ClassProbabilities) else None
        if not isinstance(one.text, str) or not (pair is None or isinstance(pair, str)):
            wrong = pair if isinstance(one.text, str) else one.text
            raise PluginError(f"{who}: {type(one).__name__} of a {type(wrong).__name__}: a feature is of a text (str)")
        if not isinstance(one.model, Model):
            raise PluginError(f"{who}: {type(one).__name__} names {one.model!r:.100} as its model; expected a Model")
        if isinstance(one, HiddenState):
            if not isinstance(one.layer, Integral) or one.layer < 1:
                raise PluginError(
                    f"{who}: HiddenState of layer {one.layer!r}: layers are numbers from 1, the first block's output"
                )
            if not isinstance(one.skip, Integral) or one.skip < 0:
                raise PluginError(f"{who}: HiddenState skips {one.skip!r}; expected a number of tokens, 0 or more")
        if isinstance(one, Embedding) and one.role not in ("query", "document"):
            raise PluginError(f"{who}: Embedding has the role {one.role!r}; expected 'query' or 'document'")
    return found


def stacked(requests: Sequence[Request], features: Mapping[Request, Any]) -> Any:
    """The features as one array (N, …); a list of arrays where shapes differ, and always for features per token."""
    import numpy as np  # rewards without features need no numpy

    arrays = [features[request] for request in requests]
    per_token = any(isinstance(request, (TokenEmbeddings, TokenLogProbs)) for request in requests)
    return arrays if per_token or len({array.shape for array in arrays}) > 1 else np.stack(arrays)
