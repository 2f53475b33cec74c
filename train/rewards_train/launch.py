"""From a resolved recipe to a run: in this process, in several on the CPU, or through accelerate."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rewards.errors import RewardsError
from rewards_train import folder
from rewards_train.folder import STOP
from rewards_train.recipe import Recipe

STAGES = ("sft", "grpo")
EXIT_INTERRUPTED = 130
PATIENCE = 20.0  # seconds that other processes get to end once one has failed


class LaunchFailed(RewardsError):  # noqa: N818  (it says what happened to the run)
    """A process of a run failed, and has said why; its exit code becomes that of the command."""

    def __init__(self, code: int) -> None:
        super().__init__("the run stopped; see above")
        self.code = code


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start the processes of a run."""

    processes: int = 1
    accelerate_config: Path | None = None


def run(recipe: Recipe, launch: Launch, resume: bool, only_sft: bool = False) -> None:
    """Run a recipe into its output folder, the warm start first where it has one that is not there yet.

    Raises KeyboardInterrupt after an orderly stop, LaunchFailed where a process of several failed.
    """
    out = folder.open_run(recipe, resume)
    if folder.finished(out):
        print(f"{out} is complete: nothing to resume", file=sys.stderr)
        return
    (out / STOP).unlink(missing_ok=True)  # of a run that was stopped at once
    warm = recipe.sft is not None and not folder.finished(out / folder.WARM_START)
    stages = [stage for stage, wanted in zip(STAGES, (warm, not only_sft), strict=True) if wanted]
    from rewards_train.run import check  # torch, only once a run starts

    check(recipe, stages)
    for stage in stages:
        _run_stage(stage, out, launch, resume)
    if only_sft:
        told = f"the warm start is in {out / folder.WARM_START}; next: the same command without --sft and with --resume"
        print(told, file=sys.stderr)


def run_stage(stage: str, out: Path, resume: bool) -> None:
    """One stage in this process."""
    if stage == "sft":
        from rewards_train.sft import warm_start

        warm_start(out, resume)
    else:
        from rewards_train.run import train

        train(out, resume)


def _run_stage(stage: str, out: Path, launch: Launch, resume: bool) -> None:
    if launch.processes == 1 and launch.accelerate_config is None:
        run_stage(stage, out, resume)
        return
    worker = ["-m", "rewards", "train-worker", stage, str(out), *(["--resume"] if resume else [])]
    if launch.accelerate_config is not None or _gpus():
        configured = ["--config_file", str(launch.accelerate_config)] if launch.accelerate_config else ["--multi_gpu"]
        number = ["--num_processes", str(launch.processes)] if launch.processes > 1 else []
        command = [sys.executable, "-m", "accelerate.commands.launch", *configured, *number, *worker]
        _wait([_start(command, {})], out)
        return
    # accelerate starts several processes on a CPU through MPI only; gloo needs nothing but these names.
    port = _free_port()
    common = {"WORLD_SIZE": str(launch.processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(launch.processes)]
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // launch.processes)), "ACCELERATE_USE_CPU": "true"}
    _wait([_start([sys.executable, *worker], {**threads, **os.environ, **rank}) for rank in ranks], out)


def _start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches the processes through the output folder, so that all stop after one step.
    return subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)  # noqa: S603  (our own module)


def _wait(processes: list[subprocess.Popen[bytes]], out: Path) -> None:
    """Wait for all; Ctrl-C asks them to save and stop, a second one and the failure of any ends them."""
    asked = False
    while any(process.poll() is None for process in processes):
        try:
            failed = [process for process in processes if process.poll() not in (None, 0, EXIT_INTERRUPTED)]
            if failed:
                for process in processes:
                    _end(process)
                break
            for process in processes:
                if process.poll() is None:
                    _pause(process)
                    break
        except KeyboardInterrupt:
            if asked:
                for process in processes:
                    _end(process)
                raise
            asked = True
            (out / STOP).touch()
            print("finishing this step and saving; Ctrl-C again stops at once", file=sys.stderr, flush=True)
    (out / STOP).unlink(missing_ok=True)
    codes = [process.wait() for process in processes]
    if asked or EXIT_INTERRUPTED in codes:
        raise KeyboardInterrupt
    code = next((code for code in codes if code > 0), next((1 for code in codes if code), 0))
    if code:
        raise LaunchFailed(code)


def _pause(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started; it is given some time to do so itself."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
