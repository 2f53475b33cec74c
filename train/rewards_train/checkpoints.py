"""The checkpoints of a run: which are complete, and from which one can resume."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rewards.errors import ConfigError

MARK = "rewards.json"
"""The file that marks a checkpoint as complete: it is written last."""
TRAINER = "trainer_state.json"
"""The file in which the trainer states its step."""
_NAME = re.compile(r"checkpoint-(\d+)")


def numbered(folder: Path) -> Iterator[tuple[int, Path]]:
    """The step and the folder of every checkpoint, complete or not; a folder without a step in its name is no checkpoint."""
    for path in folder.glob("checkpoint-*"):
        if match := _NAME.fullmatch(path.name):
            yield int(match[1]), path


def last(folder: Path) -> tuple[Path | None, int]:
    """The newest complete checkpoint and its step; None and 0 where there is none."""
    step, path = max(((step, path) for step, path in numbered(folder) if (path / MARK).exists()), default=(0, None))
    return path, step


def check_last(folder: Path) -> None:
    """Raise ConfigError where the trainer's own state in the newest complete checkpoint is missing or damaged."""
    path, step = last(folder)
    if path is None:
        return
    remedy = f"delete the folder {path}, and --resume goes on before it"
    if read_json(path / TRAINER, remedy).get("global_step") != step:
        raise ConfigError(f"{path / TRAINER} is not that of step {step}: {remedy}")


def remove_partial(folder: Path) -> None:
    """Delete checkpoints that are not complete, so that nobody uses one."""
    for _, path in numbered(folder):
        if not (path / MARK).exists():
            shutil.rmtree(path, ignore_errors=True)  # all processes delete them after a full disk


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The mapping in a file that a run wrote. Raises ConfigError, with the remedy, where it is gone or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing: {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged ({error}): {remedy}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is damaged (it holds no mapping): {remedy}")
    return found
