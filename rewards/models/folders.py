"""Model folders: which files loading reads, the digest of these, and which folders are refused."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from rewards.errors import ModelError
from rewards.paths import file_digest

READ = frozenset({".jinja", ".json", ".model", ".safetensors", ".txt"})
"""The suffixes of files that loading reads: weights, configurations, tokenizers. No pickles, no code."""

_PICKLES = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth"})
ADAPTER = "adapter_config.json"  # of PEFT, in a folder that holds an adapter
_MODULES = "modules.json"  # sentence-transformers' list of a model's modules and their folders
_WITH_WEIGHTS = frozenset(
    {"CNN", "Dense", "LSTM", "LayerNorm", "StaticEmbedding", "WeightedLayerPooling", "WordEmbeddings"}
)
_digests: dict[Path, tuple[tuple[tuple[str, int, int], ...], str]] = {}


def digest(folder: Path) -> str:
    """Return 16 hexadecimal digits that identify every file that loading reads: weights, tokenizer, pooling, settings.

    Files are hashed once per process, and again when one of them changes; for a hub snapshot the hub's own SHA-256 of
    a large file is used instead.
    """
    folder = folder.resolve()
    names = sorted(path.relative_to(folder).as_posix() for path in _read(folder))
    stats = [(folder / name).stat() for name in names]
    stamp = tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in zip(names, stats, strict=True))
    known = _digests.get(folder)
    if known is None or known[0] != stamp:
        known = stamp, short(*(part for name in names for part in (name, _content_digest(folder / name))))
        _digests[folder] = known
    return known[1]


def short(*parts: str) -> str:
    """Return the first 16 hexadecimal digits of the parts' SHA-256."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _read(folder: Path) -> set[Path]:
    """Return the files that loading reads: those in the folder itself and in its modules, but no checkpoints below it."""
    found = set(folder.iterdir())
    for module, _ in _modules(folder):
        if module != folder:
            found.update(module.rglob("*"))
    return {path for path in found if path.suffix in READ and path.is_file()}


def _modules(folder: Path) -> list[tuple[Path, str]]:
    """Return the folder and the class of each module of a sentence-transformers model; none for other models.

    Raises ModelError where the list cannot be read, and for a router, which has different modules for queries and documents.
    """
    path = folder / _MODULES
    if not path.is_file():
        return []
    try:
        modules: list[Any] = json.loads(path.read_text(encoding="utf-8"))
        found = [_module(folder, module) for module in modules]
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    # A router nests modules of its own, and all texts would take the same route.
    if any(kind in ("Asym", "Router") for _, kind in found):
        raise ModelError(f"{path}: routers, which read queries and documents by different modules, are not supported")
    return found


def _module(folder: Path, module: dict[str, Any]) -> tuple[Path, str]:
    place = Path(os.path.normpath(folder / module["path"]))  # not resolve(): the files of a hub snapshot are symlinks
    if not place.is_relative_to(os.path.normpath(folder)):
        raise ValueError(f"the module {module['path']!r} lies outside the folder")
    return (folder / place.relative_to(os.path.normpath(folder)), str(module["type"]).rpartition(".")[2])


def require_safetensors(folder: Path, name: str) -> None:
    """Raise ModelError, with a remedy, where the folder holds no safetensors at all, or an adapter in place of a model.

    Loading an adapter also reads its base model, whose changes would show neither in the folder nor in its digest.
    """
    if (folder / ADAPTER).is_file():
        raise ModelError(
            f"{name} is an adapter, and its model lies elsewhere: merge them with `model.merge_and_unload()`, save that with"
            " `save_pretrained(folder)` and name that folder instead."
        )
    if not any(folder.rglob("*.safetensors")):
        pickled = _pickled(folder.rglob("*"))
        raise ModelError(
            f"{name} holds no safetensors file{' but ' + pickled[0] if pickled else ''}. Pickled weights can run code and"
            " are never opened: convert them with `model.save_pretrained(folder)` and name that folder instead."
        )


def refuse_pickled_modules(folder: Path, name: str) -> None:
    """Raise ModelError where sentence-transformers would open a pickle for one of the model's modules.

    It reads a module's pytorch_model.bin wherever model.safetensors is missing. The pickle of a hub model was never
    downloaded, so there the missing safetensors file is the only sign.
    """
    for module, kind in _modules(folder):
        inner = [path for path in module.rglob("*") if path.is_dir()] if module != folder else []
        for place in [module, *inner]:
            if any((place / weights).is_file() for weights in ("model.safetensors", "model.safetensors.index.json")):
                continue
            pickled = _pickled(place.iterdir()) if place.is_dir() else []
            if pickled or (place == module and kind in _WITH_WEIGHTS):
                where = (place.relative_to(folder) / "model.safetensors").as_posix()
                raise ModelError(
                    f"{name} holds no {where}{' but ' + pickled[0] if pickled else ''}. Pickled weights can run code and"
                    " are never opened: convert them with `SentenceTransformer(model).save(folder)` and name that folder"
                    " instead."
                )


def _pickled(paths: Any) -> list[str]:
    return sorted(path.name for path in paths if path.suffix in _PICKLES)


def _content_digest(path: Path) -> str:
    """Return the file's SHA-256. The hub cache names large files by it, which saves reading tens of gigabytes."""
    name = path.resolve().name
    if path.is_symlink() and len(name) == 64 and path.resolve().parent.name == "blobs":
        return name
    return file_digest(path)
