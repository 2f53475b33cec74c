"""Where models are stored on this machine: embedded ones verified in our cache, others by folder or hub id."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import platformdirs

from rewards.errors import DISK_FULL, ModelError, nearest
from rewards.models import folders, wheels
from rewards.models.catalog import OFFERED
from rewards.models.specs import Hub, Wheel
from rewards.paths import file_digest, user_path

if TYPE_CHECKING:
    from collections.abc import Callable

MANIFEST = "manifest.json"
_HUB_FILES = [*(f"*{suffix}" for suffix in sorted(folders.READ)), "README.md", "LICENSE*"]  # the last two for people
_HUB_UNUSED = ["original/*", "onnx/*", "openvino/*", "consolidated*"]  # the same weights again, in other formats
_verified: dict[Path, tuple[Wheel, tuple[tuple[str, int, int], ...]]] = {}


@dataclass(frozen=True, slots=True)
class Installed:
    """An embedded model in the cache. `state` says only whether its folder exists; `verify` checks the files."""

    name: str
    version: str
    folder: Path
    size: int  # bytes; 0 where missing
    state: Literal["present", "missing"]


def cache_dir() -> Path:
    """Return `$REWARDS_CACHE`, or this platform's cache folder for the toolkit."""
    chosen = os.environ.get("REWARDS_CACHE")
    return user_path(chosen) if chosen else Path(platformdirs.user_cache_dir("appropriateness-rewards", False))


def _models() -> Path:
    return cache_dir() / "models"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def ensure(wheel: Wheel, *, say: Callable[[str], None] = _to_stderr) -> Path:
    """Return the verified folder of an embedded model, fetched and converted first where it is absent.

    The files are hashed once per process, and again when one of them changes. Raises ModelError where the model cannot
    be fetched or a file is not what it should be.
    """
    folder = _models() / wheel.name
    if not folder.exists():
        _install(wheel, folder, say)
    stamp = _stamp(folder)
    if _verified.get(folder) != (wheel, stamp):
        verify(wheel)
        _verified[folder] = (wheel, stamp)
    return folder


def _install(wheel: Wheel, folder: Path, say: Callable[[str], None]) -> None:
    """Build the model beside `folder` and move it into place when complete, so that no process ever sees half a model."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{wheel.name}-", dir=folder.parent) as scratch:
            built = Path(scratch) / "model"
            wheels.build(wheel, built, Path(scratch), folder, say)
            _write_manifest(wheel, built)
            _check_tensors(wheel, built)
            _move(built, folder)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise ModelError(wheels.disk_full(folder)) from error
        raise ModelError(
            f"{folder} could not be written: {error}. Set REWARDS_CACHE to a folder that you may write to."
        ) from error
    say(f"{wheel.name}: ready in {folder}")


def _move(built: Path, folder: Path) -> None:
    """Rename into place. Where another process was faster, its folder stays and is verified like any other."""
    try:
        built.replace(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _files(folder: Path) -> dict[str, Path]:
    """Return every file below `folder` except the manifest, by relative name; a link counts as a file."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix(): path for path in found if path != folder / MANIFEST}


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return names, sizes and times: when they change, the files are hashed again."""
    paths = [folder / MANIFEST, *_files(folder).values()]
    stats = [(path.name, path.lstat()) for path in paths if os.path.lexists(path)]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def _write_manifest(wheel: Wheel, folder: Path) -> None:
    files = {name: {"sha256": file_digest(path), "size": path.stat().st_size} for name, path in _files(folder).items()}
    text = json.dumps({**_source(wheel), "files": files}, indent=2)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _source(wheel: Wheel) -> dict[str, Any]:
    """Return what a manifest says about where its files come from."""
    return {
        "name": wheel.name,
        "requirement": wheel.requirement,
        "wheel_sha256": wheel.sha256,
        "weights_sha256": wheel.weights_sha256,
        "conversion": wheels.CONVERSION,
    }


def verify(wheel: Wheel) -> None:
    """Raise ModelError, naming the file, unless the folder holds exactly the files that were made from `wheel`.

    Every file is hashed and compared with the manifest; the manifest's sources and the weights' tensors are compared
    with the catalog, so that a manifest rewritten along with the weights does not pass.
    """
    folder = _models() / wheel.name
    if not folder.is_dir():
        raise ModelError(
            f"model {wheel.name!r} is not installed in {_models()}; run `rewards models pull {wheel.name}`"
        )
    manifest = _read_manifest(wheel, folder)
    for key, expected in _source(wheel).items():
        if manifest.get(key) != expected:
            raise _refused(wheel, folder / MANIFEST, f"{key} should be {expected!r}, found {manifest.get(key)!r}")
    _check_files(wheel, folder, manifest["files"])
    _check_tensors(wheel, folder)


def _read_manifest(wheel: Wheel, folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not all({"sha256", "size"} <= entry.keys() for entry in manifest["files"].values()):
            raise ValueError("an entry lacks its digest or size")
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise _refused(wheel, path, f"it cannot be read ({error})") from error
    return dict(manifest)


def _check_files(wheel: Wheel, folder: Path, expected: dict[str, dict[str, Any]]) -> None:
    found = _files(folder)
    for name in sorted(expected.keys() - found.keys()):
        raise _refused(wheel, folder / name, "the file is missing")
    for name in sorted(found.keys() - expected.keys()):
        raise _refused(wheel, found[name], "the file does not belong to the model")
    for name, entry in expected.items():
        actual = file_digest(found[name]) if found[name].is_file() else "no regular file"
        if actual != entry["sha256"] or found[name].stat().st_size != entry["size"]:
            raise _refused(wheel, found[name], f"expected SHA-256 {entry['sha256']}, found {actual}")


def _check_tensors(wheel: Wheel, folder: Path) -> None:
    path = folder / wheels.WEIGHTS
    if not path.is_file():
        raise _refused(wheel, path, "the file is missing")
    actual = wheels.tensor_digest(path)
    if actual != wheel.converted_sha256:
        raise _refused(wheel, path, f"expected tensors with SHA-256 {wheel.converted_sha256}, found {actual}")


def _refused(wheel: Wheel, path: Path, reason: str) -> ModelError:
    return ModelError(f"refused: {path}: {reason}; remove with `rewards models remove {wheel.name}` and fetch it again")


def digest(source: Wheel | Hub, folder: Path) -> str:
    """Return 16 hexadecimal digits that identify a model in result files and cache keys, by all files that loading reads.

    `folder` is what `resolve` returned for it. For a hub model it is `folders.digest`. For a wheel it covers the pinned
    digest of the tensors, the version of the conversion, and the digests of the other files in the manifest: these depend
    on the version of transformers that converted them.
    """
    if isinstance(source, Hub):
        return folders.digest(folder)
    files = _read_manifest(source, folder)["files"]
    others = [part for name in sorted(files) if name != wheels.WEIGHTS for part in (name, files[name]["sha256"])]
    return folders.short(source.converted_sha256, str(wheels.CONVERSION), *others)


def resolve(source: Wheel | Hub, *, say: Callable[[str], None] = _to_stderr) -> Path:
    """Return the folder that `source` is loaded from: in our cache, the local folder itself, or a hub snapshot.

    Raises ModelError where it cannot be fetched, or holds no safetensors.
    """
    if isinstance(source, Wheel):
        return ensure(source, say=say)
    local = user_path(source.id)
    folder = local if local.is_dir() else _snapshot(source)
    folders.require_safetensors(folder, source.id)
    return folder


def _snapshot(source: Hub) -> Path:
    import huggingface_hub

    try:
        path = huggingface_hub.snapshot_download(
            source.id, revision=source.revision, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_UNUSED
        )
    except Exception as error:
        # Which exceptions a failed transfer raises depends on the version of the hub client; the remedy is the same.
        near = nearest(source.id, [wheel.name for wheel in OFFERED])
        raise ModelError(f"model {source.id!r}{near} cannot be fetched: {_hub_reason(source, error)}") from error
    return Path(path)


def _hub_reason(source: Hub, error: Exception) -> str:
    """Return what went wrong, and what to do about it."""
    from huggingface_hub import errors

    if isinstance(error, errors.HFValidationError):
        return "it is neither an existing folder nor a hub id of the form owner/name"
    if isinstance(error, errors.GatedRepoError):  # before its parent class, RepositoryNotFoundError
        return (
            f"it is gated. Accept its terms at https://huggingface.co/{source.id}, then `hf auth login` or set HF_TOKEN"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the hub has no such model, or it is private. Check the id, or `hf auth login` or set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"it has no revision {source.revision!r}"
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return "the disk is full. Make room, or set HF_HOME to a folder on another disk"
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"the hub's cache cannot be written ({error}). Set HF_HOME to a folder that can"
    return (
        f"the hub cannot be reached and the local hub cache does not hold it ({type(error).__name__}). "
        f"Connect, or run `hf download {source.id}` elsewhere and name the folder; the embedded profile needs no hub"
    )


def installed() -> list[Installed]:
    """Return the known embedded models, present or missing, then any other folder in the cache."""
    versions = {wheel.name: wheel.requirement.partition("==")[2] for wheel in OFFERED}
    present = sorted(_models().glob("[!.]*")) if _models().is_dir() else []
    others = [path.name for path in present if path.is_dir() and path.name not in versions]
    return [_installed(name, versions.get(name, "?")) for name in [*versions, *others]]


def _installed(name: str, version: str) -> Installed:
    folder = _models() / name
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    return Installed(name, version, folder, size, "present" if folder.is_dir() else "missing")


def remove(name: str) -> None:
    """Delete a model's folder and what an interrupted fetch left. Raises ModelError where there is no such model."""
    present = [model.name for model in installed() if model.state == "present"]
    leftovers = list(_models().glob(f".{name}-????????")) if name in {model.name for model in installed()} else []
    if name not in present and not leftovers:
        raise ModelError(f"model {name!r} is not installed in {_models()}{nearest(name, present)}")
    _verified.pop(_models() / name, None)
    for folder in [_models() / name, *leftovers]:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
