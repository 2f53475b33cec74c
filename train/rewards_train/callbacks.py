"""What happens between steps: complete checkpoints, an orderly stop, a line of progress."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object
from transformers import PrinterCallback, TrainerCallback
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, TensorBoardCallback

from rewards_train.checkpoints import MARK
from rewards_train.folder import STOP
from rewards_train.sharing import read_prompts_once


class AllDone(Exception):  # noqa: N818  (no error: there is nothing left to do)
    """Raised where a resumed run has made its last step already, once its state is loaded."""


class Keeper(TrainerCallback):
    """Marks checkpoints as complete, and stops a run after a step where the file `STOP` is in the output folder.

    `interval` is how many steps share one generation of completions: only between generations can a run be resumed exactly.
    `flush` is called with every checkpoint's step, in every process, before the checkpoint is marked. `together` waits for
    all processes and returns what the main one gives it.
    """

    def __init__(
        self, out: Path, interval: int, flush: Callable[[int], None], together: Callable[[bool], bool]
    ) -> None:
        self._stop, self._interval, self._flush, self._together = out / STOP, interval, flush, together
        self.stopped = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Raise AllDone where no step is left. Within an epoch, transformers would notice only after one step too many.

        Sets the path of the best checkpoint to the present output folder, since a resumed run may have been moved.
        """
        there = Path(args.output_dir) / f"checkpoint-{state.best_global_step}"
        if there.is_dir():
            state.best_model_checkpoint = str(there)
        if state.global_step >= state.max_steps:
            raise AllDone

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Save and stop where that was requested, in all processes together."""
        between = state.global_step % self._interval == 0 and state.global_step < state.max_steps
        if between and self._together(self._stop.exists()):
            self.stopped = True
            control.should_save = control.should_training_stop = True
        if control.should_save and args.logging_strategy != "no":
            control.should_log = True  # a checkpoint holds only what is logged

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **more: Any) -> None:
        """Turn a metric of None into NaN, which is never the best; transformers would fail to compare None."""
        for name in [name for name, value in (metrics or {}).items() if value is None]:
            metrics[name] = math.nan

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Write the log up to this step, then the mark."""
        self._flush(state.global_step)
        self._together(False)  # waits until all processes have written
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (folder / MARK).write_text(json.dumps({"step": state.global_step}) + "\n", encoding="utf-8")


class Console(TrainerCallback):
    """One line on stderr whenever the trainer logs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()
        self._first: int | None = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Start the clock at the first step that this process makes."""
        if self._first is None:
            self._first, self._began = state.global_step, time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **more: Any) -> None:
        """Print the progress and the latest numbers."""
        if not state.is_world_process_zero or not logs:
            return
        done = state.global_step - (self._first or 0)
        parts = [f"{self._name} {state.global_step}/{state.max_steps}"]
        for key, text in _SHOWN.items():
            if isinstance(value := logs.get(key), int | float):
                parts.append(text.format(value))
        if len(parts) == 1:
            return
        if done > 0:  # the time per step is unknown before
            each = (time.monotonic() - self._began) / done
            left = each * (state.max_steps - state.global_step)
            parts.append(f"{each:.1f} s/step, {int(left // 60)}:{int(left % 60):02d} left")
        print("  ".join(parts), file=sys.stderr, flush=True)


_SHOWN = {
    "eval_reward": "held-out reward {:.3f}",
    "eval_loss": "held-out loss {:.3f}",
    "reward": "reward {:.3f}",
    "loss": "loss {:.4f}",
    "mean_token_accuracy": "token accuracy {:.3f}",
    "suite/edits": "{:.1f} edits",
    "suite/edits_accepted": "{:.1f} accepted",
    "frac_reward_zero_std": "zero spread {:.0%}",
    "suite/failed": "failed {:.0%}",
    "suite/share_of_time": "rewards {:.1%} of the time",
}


def equip(trainer: Any, name: str, target: Path, keeper: Keeper) -> None:
    """Set up a trainer for any stage: prompts computed once, its files in `target`, our callbacks, no model card of its own."""
    trainer.create_model_card = lambda *_, **__: None  # ours says more, and its quick start runs
    read_prompts_once(trainer)
    keep_trackers(trainer, target)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(keeper)
    trainer.add_callback(Console(name))


def together(wish: bool) -> bool:
    """The main process's `wish`, once all processes have called this."""
    return bool(gather_object([wish])[0])


def keep_trackers(trainer: Any, out: Path) -> None:
    """Keep missing and infinite values from trackers; put TensorBoard's files into `out`/runs unless another place is set.

    transformers puts them among the checkpoints, with which they would be deleted.
    """
    for callback in trainer.callback_handler.callbacks:
        if type(callback) in INTEGRATION_TO_CALLBACK.values():
            callback.on_log = _finite_only(callback.on_log)
        if isinstance(callback, TensorBoardCallback):
            callback.logging_dir = callback.logging_dir or str(out / "runs" / time.strftime("%Y-%m-%d_%H-%M-%S"))


def _finite_only(tell: Callable[..., Any]) -> Callable[..., Any]:
    """A tracker's `on_log` that leaves out None and numbers that are not finite, which trackers warn of or refuse.

    They are no mistake: a reward that applied to no completion of a batch has no mean.
    """

    def on_log(args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> Any:
        stated = {name: value for name, value in (logs or {}).items() if _is_finite(value)}
        return tell(args, state, control, logs=stated, **more)

    return on_log


def _is_finite(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
