"""The limit on completions that could not be scored."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rewards.errors import RewardFailed

log = logging.getLogger("rewards.train")


@dataclass(frozen=True, slots=True)
class Budget:
    """How many completions may fail: a run stops where more than `share` of the last `window` did."""

    share: float = 0.05
    window: int = 256

    @property
    def allowed(self) -> int:
        """How many of the last `window` completions may fail."""
        return math.floor(self.share * self.window + 1e-9)  # .29 of 100 must be 29, whatever rounding makes of it


class Losses:
    """Counts the completions that were dropped, against a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._failed: deque[bool] = deque(maxlen=budget.window)

    def count(self, dropped: Sequence[str | None], step: int) -> None:
        """Add a batch: why each of its completions was dropped, None for the others.

        Raises RewardFailed past the budget.
        """
        reasons = [reason for reason in dropped if reason is not None]
        self._failed.extend(reason is not None for reason in dropped)
        if not reasons:
            return
        log.warning("step %d: %d of %d completions dropped: %s", step, len(reasons), len(dropped), reasons[0])
        failed = sum(self._failed)
        if failed > self._budget.allowed:
            raise RewardFailed(
                f"step {step}: {failed} of the last {len(self._failed)} completions could not be scored, more than"
                f" the {self._budget.allowed} that failures.share {self._budget.share:g} of {self._budget.window} allows;"
                f" the last: {reasons[-1]}"
            )
