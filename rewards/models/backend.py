"""The interface of a loaded model to the engine, and how a checkpoint is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rewards.errors import ModelError, RewardsError
from rewards.models.specs import Architecture, Checkpoint, describe
from rewards.versions import lacking

if TYPE_CHECKING:
    import torch

    from rewards.features import Failure, Request

Array = NDArray[np.float32]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Placement:
    """A model's device and dtype, and the number of tokens that a batch may hold, padding included."""

    device: str
    dtype: str
    token_budget: int


class Backend(Protocol):
    """A loaded model. `cut` holds the `Identity.text_key` of each text that was too long for it.

    Between calls the engine may set a `placement` with another token budget, but the same device and dtype.
    """

    cut: set[bytes]
    placement: Placement

    def compute(self, requests: Sequence[Request], progress: Progress) -> list[Array | Failure]:
        """One array (or Failure) per request, all of distinct identities; `progress` gets the number of texts just done."""
        ...


def load(checkpoint: Checkpoint, folder: Path, placement: Placement) -> Backend:
    """The model in `folder`, on its device. Raises ModelError where the files are not what the checkpoint says."""
    with loading(f"{describe(checkpoint)} cannot be loaded as a {checkpoint.architecture}"):
        return _backend(checkpoint.architecture)(checkpoint, folder, placement)


def _backend(architecture: Architecture) -> Callable[..., Backend]:
    """The class for this architecture. Imports no other: sentence-transformers takes as long to import as all the rest."""
    if architecture == "sentence-encoder":
        from rewards.models.encoder import Encoder

        return Encoder
    if architecture == "classifier":
        from rewards.models.classifier import Classifier

        return Classifier
    if architecture == "adapted-classifier":
        from rewards.models.adapted import AdaptedClassifier

        return AdaptedClassifier
    from rewards.models.causal_lm import CausalLM

    return CausalLM


@contextmanager
def loading(failure: str) -> Iterator[None]:
    """Hide progress bars, and turn any exception but a RewardsError into a ModelError that begins with `failure`.

    Damaged or foreign files raise many kinds of exceptions, also safetensors' and tokenizers' own; to users all are one.
    """
    try:
        with quiet_loading():
            yield
    except RewardsError:
        raise
    except Exception as error:
        absent = lacking() if isinstance(error, ImportError) else ""
        raise ModelError(f"{failure}: {absent or str(error) or type(error).__name__}") from error


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Hide the progress bars of transformers inside this context; the user's setting is restored afterwards."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no types here
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # as above


def weights_only(**more: Any) -> dict[str, Any]:
    """The options that every model is loaded with: safetensors only, no remote code, no network."""
    return {"use_safetensors": True, "trust_remote_code": False, "local_files_only": True, **more}


def torch_dtype(name: str) -> torch.dtype:
    """The torch dtype called `name`."""
    import torch  # only models need torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def to_numpy(tensor: torch.Tensor) -> Array:
    """The tensor on the host as float32."""
    array: Array = tensor.detach().float().cpu().numpy()
    return array
