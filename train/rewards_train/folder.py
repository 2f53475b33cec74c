"""The output folder of a run: what it holds, whether the run may be resumed, what is left where it breaks off."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from rewards.config import read_yaml
from rewards.errors import DISK_FULL, ConfigError, RewardsError
from rewards.files import lock
from rewards.files.replacing import replacing
from rewards.files.writing import changes
from rewards.versions import OWN
from rewards_train import checkpoints, log
from rewards_train.recipe import Recipe, dump

CHECKPOINTS, PARTS, WARM_START, STATE = "checkpoints", "parts", "warm-start", "run.json"
FREE = {
    "grpo.gradient_checkpointing", "grpo.report_to", "grpo.vllm_gpu_memory_utilization", "reward_device",
    "sft.args.gradient_checkpointing", "sft.args.report_to",
}  # fmt: skip
"""Settings that may change when a run is resumed, since they do not change its steps."""
WARM = ("model", "dtype", "format", "data.max_prompt_tokens", "data.split", "grpo.chat_template_kwargs", "sft")
"""Settings on which a warm start depends; a section stands for all settings in it."""
RECIPE, LOCK = "recipe.yaml", ".lock"
STOP = ".stop"
"""A file of this name in the output folder asks a run to save and stop."""
_FULL = ("No space left", "File too large", "Disk quota", "PytorchStreamWriter failed", "unexpected pos")


@contextmanager
def opened(recipe: Recipe, resume: bool) -> Iterator[Path]:
    """Write the resolved recipe into the output folder, and lock the folder for this process until the context ends.

    Raises ConfigError where something in the folder is in the way, RewardsError where it is locked or cannot be written.
    """
    out = Path(recipe.out)
    with ExitStack() as held:
        try:
            _check_place(out)
            out.mkdir(parents=True, exist_ok=True)
            held.enter_context(_alone(out))
            _state_recipe(recipe, out, resume)
        except OSError as error:
            raise RewardsError(f"{out} cannot be written: {error.strerror or error}") from error
        yield out


def check(recipe: Recipe, resume: bool) -> None:
    """Raise the errors that `opened` would for the contents of the output folder, and leave everything as it is."""
    out = Path(recipe.out)
    try:
        _check_place(out)
        if _holds_run(out):
            _check_run(out, dump(recipe), resume)
        _check_writable(out)
    except OSError as error:
        raise RewardsError(f"{out} cannot be used: {error.strerror or error}") from error


def _check_place(out: Path) -> None:
    """Raise ConfigError for what is no folder, and for a folder with other contents than a run."""
    place = next((path for path in (out, *out.absolute().parents) if path.exists()), out)
    if place.exists() and not place.is_dir():
        raise ConfigError(f"out {out}{'' if place == out else f': {place}'} is a file; give another out=FOLDER")
    if not (out / RECIPE).exists() and _others(out):
        raise ConfigError(f"{out} is not empty, and holds no run; give another out=FOLDER")


def _check_writable(out: Path) -> None:
    """Raise OSError where nothing can be written. It is tried, as permissions do not show a read-only or full disk."""
    made = [path for path in (out, *out.absolute().parents) if not path.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


def _holds_run(out: Path) -> bool:
    return (out / RECIPE).exists() and bool(_others(out))


def _check_run(out: Path, text: str, resume: bool) -> None:
    """Raise ConfigError where the run in this folder may not be resumed, has another recipe, or is damaged."""
    if not resume:
        raise ConfigError(f"{out} holds a run already: add --resume to go on with it, or give another out=FOLDER")
    if change := _difference(out / RECIPE, text, out):
        raise ConfigError(f"{out} holds a run of another recipe ({change}); give the same, or another out=")
    for part in (out, out / WARM_START):
        if not finished(part):
            checkpoints.check_last(part / CHECKPOINTS)


def _others(out: Path) -> list[Path]:
    """The contents of a folder besides recipe and lock. A run that ended before it read its data leaves only these two."""
    return [path for path in out.iterdir() if path.name not in (RECIPE, LOCK)] if out.is_dir() else []


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system releases when this process ends, however it ends."""
    with (out / LOCK).open("a+", encoding="utf-8") as file:
        if not lock.take(file.fileno()):
            file.seek(0)
            raise RewardsError(
                f"{out} is in use by another `rewards train`, process {file.read().strip() or 'unknown'}: wait for it or"
                " end it, or give another out=FOLDER"
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _state_recipe(recipe: Recipe, out: Path, resume: bool) -> None:
    text = dump(recipe)
    if _holds_run(out):
        _check_run(out, text, resume)
        for part in (out, out / WARM_START):
            if not _begun(part):
                (part / STATE).unlink(missing_ok=True)  # its data and rewards are those of an attempt that made no step
    elif resume:
        print(f"nothing to resume in {out}; starting", file=sys.stderr, flush=True)
    (out / RECIPE).write_text(text, encoding="utf-8")


def finished(out: Path) -> bool:
    """Whether the run in this folder has ended and left its model."""
    return bool(read_state(out).get("finished"))


def read_state(out: Path) -> dict[str, Any]:
    """The recorded state of the run; empty where it has not begun. Raises ConfigError where the file is damaged."""
    path = out / STATE
    if not path.exists():
        return {}
    return checkpoints.read_json(
        path, "delete it, and --resume goes on at the last checkpoint; or give another out=FOLDER"
    )


def write_state(out: Path, **known: Any) -> None:
    """Add to the recorded state of the run."""
    with replacing(out / STATE) as file:
        file.write_text(json.dumps({**read_state(out), **known}, indent=2) + "\n", encoding="utf-8")


def check_same(out: Path, now: Mapping[str, Any], main: bool) -> None:
    """Raise ConfigError where something in `now`, such as the data or the rewards, is not as it was when the run began.

    The `main` process records it. A run whose recorded state lacks a part of it was begun by another version.
    """
    known = read_state(out)
    missing = [key for key in now if key not in known]
    if known and missing:
        raise ConfigError(
            f"{out}: the run was begun by another version of {OWN}, which did not note its {', '.join(missing)}: it cannot go on"
            " exactly; go on with that version, or give another out=FOLDER"
        )
    for key, value in now.items():
        if known.get(key, value) != value:
            differs = f"the run began with {key} {known[key]}, and now has {value}"
            if isinstance(value, dict):
                differs = "; ".join(islice(changes(known[key], value, key), 3))
            raise ConfigError(
                f"{out}: {differs}: it cannot go on exactly; put back what it began with, or give another out=FOLDER"
            )
    if main:
        write_state(out, **now)


def check_begun(out: Path, now: Mapping[str, Any]) -> None:
    """The check of `check_same` for a dry run: only where a step was made, and without recording anything."""
    if _begun(out):
        check_same(out, now, main=False)


def prepare(out: Path, resume: bool, accelerator: Any) -> tuple[Path | None, int]:
    """The checkpoint to resume from and its step; deletes incomplete checkpoints, and parts of the log after that step."""
    checkpoint, step = checkpoints.last(out / CHECKPOINTS) if resume else (None, 0)
    if accelerator.is_main_process:
        checkpoints.remove_partial(out / CHECKPOINTS)
        log.discard(out / PARTS, step)
    accelerator.wait_for_everyone()
    return checkpoint, step


@contextmanager
def disk(out: Path) -> Iterator[None]:
    """Turn a full disk into an error that says what is safe; an incomplete checkpoint is deleted."""
    try:
        yield
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in DISK_FULL
        if not full and not any(sign in str(error) for sign in _FULL):
            raise
        checkpoints.remove_partial(out / CHECKPOINTS)
        path, step = checkpoints.last(out / CHECKPOINTS)
        safe = f"the checkpoint of step {step} is whole" if path else "no checkpoint was written yet"
        raise RewardsError(
            f"{out} cannot be written, the disk is full: {safe}; free some space and add --resume"
        ) from error


def _begun(out: Path) -> bool:
    """Whether the run has finished or has a checkpoint, complete or not; tables and folders of trackers do not count."""
    return finished(out) or any(checkpoints.numbered(out / CHECKPOINTS))


def _difference(stated: Path, text: str, out: Path) -> str:
    """The first setting that matters and differs from the recipe of the run in the folder; empty where none does.

    Those in `FREE` may differ. Before the first checkpoint of GRPO only those that the warm start read must be the same.
    """
    try:
        old = read_yaml(stated)
    except ConfigError as error:
        raise ConfigError(
            f"{error}: put back the recipe that the run began with, or give another out=FOLDER"
        ) from error
    begun = _begun(out)
    for key, was, now in _changed(old, yaml.safe_load(text)):
        if key not in FREE and (begun or any(key == one or key.startswith(f"{one}.") for one in WARM)):
            return f"{key}: {was!r:.80} there, {now!r:.80} here"
    return ""


def _changed(old: Mapping[str, Any], new: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The settings that differ, with both values; a section that only one of them has is one setting."""
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from _changed(was, now, f"{before}{key}.")
        elif was != now:
            yield f"{before}{key}", was, now


@contextmanager
def stop_on_interrupt(out: Path) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM requests a checkpoint after the current step, the second ends at once.

    Where the request came after the last step, raises KeyboardInterrupt at the end, so that no further stage begins. A run
    that is finished by then ends normally. In processes that a launcher started, Ctrl-C is left to the launcher. SIGTERM
    only requests the checkpoint there, however often it comes, because a scheduler may send it to every process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    alone = "RANK" not in os.environ

    def request(number: int, frame: Any) -> None:
        if alone and (out / STOP).exists():
            raise KeyboardInterrupt
        (out / STOP).touch()
        if alone:
            print("finishing this step and saving; Ctrl-C again stops at once", file=sys.stderr, flush=True)

    handled = (signal.SIGINT, signal.SIGTERM) if alone else (signal.SIGTERM,)
    before = {number: signal.signal(number, request) for number in handled}
    try:
        yield
        if alone and (out / STOP).exists() and not finished(out):
            raise KeyboardInterrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if alone:
            (out / STOP).unlink(missing_ok=True)
