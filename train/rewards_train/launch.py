"""From a resolved recipe to a run: in this process, in several on this machine, or through accelerate."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rewards.errors import ConfigError, RewardsError
from rewards_train import folder
from rewards_train.devices import on_gpu
from rewards_train.folder import STOP
from rewards_train.recipe import Recipe

STAGES = ("sft", "grpo")
EXIT_INTERRUPTED = 130
ERRORS = frozenset([2, 3, -9])
"""Exit codes of a failure even after a request to stop; -9 is SIGKILL, and 1 is what accelerate exits with for any reason."""
WATCH = 0.5  # seconds between two looks of a worker at its launcher
LAUNCHER = "REWARDS_LAUNCHER"
"""The environment variable that tells workers the process id of their launcher."""


class LaunchFailed(RewardsError):  # noqa: N818  (it says what happened to the run)
    """A process of a run failed: it has said why, and its exit code becomes that of the command; or a signal ended it."""

    def __init__(self, code: int) -> None:
        said = "the run stopped; see above"
        if code < 0:
            said = (
                f"a process of the run was ended by signal {-code} ({signal.strsignal(-code)}), perhaps for lack of memory:"
                " lower grpo.per_device_train_batch_size, or use fewer processes; --resume goes on from the last checkpoint"
            )
        super().__init__(said)
        self.code = code if code > 0 else 2


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start the processes of a run; with a configuration of accelerate, None of them leaves the number to it."""

    processes: int | None = 1
    accelerate_config: Path | None = None


def run(recipe: Recipe, launch: Launch, resume: bool, only_sft: bool = False) -> None:
    """Run a recipe into its output folder, the warm start first where it has one that is not there yet.

    Raises KeyboardInterrupt after an orderly stop, LaunchFailed where a process of several failed, ConfigError for several on
    Windows.
    """
    if launch != Launch() and not hasattr(os, "killpg"):
        raise ConfigError(
            "several processes are not started on Windows, where they could not be ended with their launcher: give"
            " --num-processes 1 without --accelerate-config, or run it in WSL"
        )
    with folder.opened(recipe, resume) as out:
        _run_stages(recipe, out, launch, resume, only_sft)


def _run_stages(recipe: Recipe, out: Path, launch: Launch, resume: bool, only_sft: bool) -> None:
    if folder.finished(out):
        print(f"{out} is complete: nothing to resume", file=sys.stderr)
        return
    (out / STOP).unlink(missing_ok=True)  # of a run that was stopped at once
    warm = recipe.sft is not None and not folder.finished(out / folder.WARM_START)
    stages = [stage for stage, wanted in zip(STAGES, (warm, not only_sft), strict=True) if wanted]
    from rewards_train.run import check  # torch, only once a run starts

    check(recipe, stages, launch.accelerate_config, launch.processes)
    if recipe.sft is not None and not warm:
        from rewards_train.sft import check_kept

        check_kept(out, recipe)
    for stage in stages:
        _run_stage(stage, out, launch, resume, _on_cpu(recipe, stage))
        _release()
    if only_sft:
        told = f"the warm start is in {out / folder.WARM_START}; next: the same command without --sft and with --resume"
        print(told, file=sys.stderr)


def _release() -> None:
    """Free what a stage held: its trainer and model refer to each other, and the next stage loads its own beside them."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def run_worker(stage: str, out: Path, resume: bool) -> None:
    """One stage in this process, one of several."""
    watch_launcher()
    run_stage(stage, out, resume)


def watch_launcher() -> None:
    """See to it that this process ends with the launcher that started it, however that ends."""
    launcher = int(os.environ.get(LAUNCHER, "0")) or os.getppid()
    threading.Thread(target=_end_with, args=(launcher, os.getppid()), daemon=True).start()


def _end_with(launcher: int, parent: int) -> None:
    """Wait until the launcher, or what it started this process through, is gone; then end, with what was started here.

    A killed launcher can tell nobody. Others would wait for it without end, and write into a folder that is free again.
    """
    while os.getppid() == parent and _runs(launcher):
        time.sleep(WATCH)
    os.killpg(0, signal.SIGKILL)  # SIGTERM asks for a checkpoint


def _runs(process: int) -> bool:
    """Whether a process is at work; one that was killed, and that nobody has waited for yet, is not."""
    with contextlib.suppress(OSError):  # no such process, or no Linux
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as somebody else
        return True
    return True


def run_stage(stage: str, out: Path, resume: bool) -> None:
    """One stage in this process."""
    if stage == "sft":
        from rewards_train.sft import warm_start

        warm_start(out, resume)
    else:
        from rewards_train.run import train

        train(out, resume)


def _on_cpu(recipe: Recipe, stage: str) -> bool:
    """Whether a stage runs on the CPU: where its settings say so, or where there is nothing else."""
    given = recipe.grpo if stage == "grpo" else recipe.sft.args if recipe.sft is not None else {}
    return not on_gpu(given)


def _run_stage(stage: str, out: Path, launch: Launch, resume: bool, on_cpu: bool) -> None:
    if launch.processes == 1 and launch.accelerate_config is None:
        run_stage(stage, out, resume)
        return
    worker = ["-m", "rewards", "train-worker", stage, str(out), *(["--resume"] if resume else [])]
    if launch.accelerate_config is not None:
        number = [] if launch.processes is None else ["--num_processes", str(launch.processes)]
        configured = ["--config_file", str(launch.accelerate_config), *number]
        launcher = [sys.executable, "-P", "-m", "accelerate.commands.launch", *configured, *worker]
        _wait([_start(launcher, {"PYTHONSAFEPATH": "1"})], out)  # what it starts gets no -P
        return
    count = launch.processes or 1
    if not on_cpu and count > (gpus := _gpus()):
        raise ConfigError(f"{count} processes, and this machine shows {gpus} GPU(s): give --num-processes {gpus}")
    # What torchrun would set: with it an exit code would be lost, and accelerate starts processes on a CPU through MPI only.
    common = {
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    ranks = [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    shared = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count))}
    shared |= {"ACCELERATE_USE_CPU": "true"} if on_cpu else {}
    # -P keeps what lies in the current folder from being imported, as it is where this command was started.
    _wait([_start([sys.executable, "-P", *worker], {**shared, **os.environ, **rank}) for rank in ranks], out)


def _start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches the processes through the output folder, so that all stop after one step.
    given = {**os.environ, **environment, LAUNCHER: str(os.getpid())}
    return subprocess.Popen(command, env=given, start_new_session=True)  # noqa: S603  (our own module)


def _wait(processes: list[subprocess.Popen[bytes]], out: Path) -> None:
    """Wait for all; Ctrl-C asks them to save and stop, a second one and the failure of any ends them."""
    asked = False
    failed: list[int] = []  # codes of those that failed before any was ended here
    while any(process.poll() is None for process in processes):
        try:
            failed = _failed(process.poll() for process in processes)
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
    failed = failed or _failed(codes)
    if (asked or EXIT_INTERRUPTED in codes) and ERRORS.isdisjoint(failed):
        raise KeyboardInterrupt
    if failed:
        raise LaunchFailed(max(failed))  # an exit code, which comes with a message, rather than a signal


def _failed(codes: Iterable[int | None]) -> list[int]:
    return [code for code in codes if code not in (None, 0, EXIT_INTERRUPTED)]


def _pause(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started, also where it waits for another one, and heeds nothing."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
