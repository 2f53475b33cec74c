"""The cache keys of features: everything that an array depends on, determined without loading a model.

The cache is searched before a model is loaded, so a pass that finds all its features there loads none.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, NamedTuple

from rewards.errors import ModelError
from rewards.features import (
    FEATURES_VERSION,
    ClassProbabilities,
    Embedding,
    HiddenState,
    Request,
    TokenEmbeddings,
    TokenLogProbs,
)
from rewards.models.specs import Checkpoint, describe
from rewards.versions import version

MAX_TOKENS = 1024  # the limit of a text for a causal model and for a model that states none; longer ones are cut

_KINDS = {
    "adapted-classifier": "classifier",
    "causal-lm": "causal language model",
    "classifier": "classifier",
    "sentence-encoder": "sentence encoder",
}
# In the key by other means: the source by the digest of its files, the prompts by the text, which begins with one.
_NOT_SETTINGS = ("source", "query_prompt", "document_prompt")


def key(*parts: str) -> bytes:
    """A digest of the parts. Lengths are hashed too, so that ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


class Identity(NamedTuple):
    """A request as its model sees it: the kind of feature with its parameters, and the text or texts."""

    kind: tuple[str, ...]
    text: tuple[str, ...]

    @property
    def text_key(self) -> bytes:
        """A digest of the text and its pair, if any: cut texts are counted by it, whatever kind of feature was requested."""
        return key(*self.text)


def identity(checkpoint: Checkpoint, request: Request) -> Identity:
    """The request as this checkpoint's model sees it. Raises ModelError for a feature that such a model does not give."""
    architecture = checkpoint.architecture
    if architecture == "sentence-encoder":
        if isinstance(request, Embedding):
            prompt = checkpoint.query_prompt if request.role == "query" else checkpoint.document_prompt
            return Identity(("embedding",), (prompt + request.text,))
        if isinstance(request, TokenEmbeddings):
            return Identity(("tokens",), (request.text,))
    if architecture == "causal-lm":
        if isinstance(request, HiddenState):
            return Identity(("hidden", str(request.layer), str(request.skip)), (request.text,))
        if isinstance(request, TokenLogProbs):
            return Identity(("logprobs",), (request.text,))
    if architecture in ("classifier", "adapted-classifier") and isinstance(request, ClassProbabilities):
        paired = checkpoint.reads_pair and request.pair is not None
        return Identity(("classes",), (request.text, request.pair or "") if paired else (request.text,))
    raise ModelError(f"{describe(checkpoint)} is a {_KINDS[architecture]}: it gives no {type(request).__name__}")


def prefix(checkpoint: Checkpoint, digest: str, dtype: str, device: str) -> tuple[str, ...]:
    """The part of the key that all features of a model share: libraries, files, dtype, kind of device, settings."""
    return (FEATURES_VERSION, *_libraries(checkpoint), digest, dtype, device, str(MAX_TOKENS), settings(checkpoint))


def _libraries(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The versions of the libraries that compute, read without importing them, which would take seconds."""
    pooling = ("sentence-transformers",) if checkpoint.architecture == "sentence-encoder" else ()
    return tuple(f"{name} {version(name)}" for name in ("torch", "transformers", "tokenizers", *pooling))


def settings(checkpoint: Checkpoint) -> str:
    """The settings that change outputs, as JSON: all fields but _NOT_SETTINGS, so that a new field is part of the key."""
    found = {
        field.name: str(getattr(checkpoint, field.name))
        for field in dataclasses.fields(checkpoint)
        if field.name not in _NOT_SETTINGS
    }
    if checkpoint.adapter:
        found["adapter"] = checkpoint.adapter.digest
    return json.dumps(found, sort_keys=True)


def positions(model: Any, unstated: float = MAX_TOKENS) -> float:
    """How many tokens a transformers model has positions for; in models like RoBERTa they start after that of padding."""
    count = getattr(model.config, "max_position_embeddings", None) or unstated
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return count if padding is None else count - padding - 1


def token_limit(stated: float) -> int:
    """The most tokens of a text for a model that states this limit; MAX_TOKENS for the 1e30 of tokenizers without one."""
    return int(stated) if stated < 1_000_000 else MAX_TOKENS
