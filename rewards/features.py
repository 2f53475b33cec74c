"""What rewards may ask of models: requests for features of texts. The engine computes each distinct one once.

A request names a text and a model by role; what comes back is a float32 array, and the engine stacks the arrays of a
batch where their shapes agree. What there is per token comes as a list of arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rewards.models.specs import Model

FEATURES_VERSION = "3"
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

    `skip` leaves out the first tokens. Attention parks what it does not need on the first one, whose state is a hundred
    times as large as the others' and so makes the mean depend on the text's length.
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
