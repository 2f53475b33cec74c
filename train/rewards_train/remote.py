"""A suite behind `rewards serve`, as one reward function: for trainers whose processes have no room for reward models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import requests

from rewards.errors import ConfigError, RewardsError
from rewards_train.adapter import FLOAT32, check_sizes, rows_of
from rewards_train.losses import Budget, Losses

RETRIED = (502, 503, 504)
"""What a server that is busy or restarts answers, or what stands before it."""


class RemoteTotal:
    """The weighted total of a served suite, called as TRL calls reward functions; None where a completion is dropped.

    `url` is what `rewards serve` printed, `token` what it was given; `timeout` in seconds is for one answer, `patience` for
    how long a server that does not answer is asked again. Pickles; other processes count their own losses.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 600.0,
        patience: float = 60.0,
        budget: Budget | None = None,
    ) -> None:
        self.url, self.token = url.rstrip("/"), token
        self.timeout, self.patience = timeout, patience
        self.budget = budget or Budget()
        self.__name__ = "total"  # what TRL logs it as
        self._losses = Losses(self.budget)

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **given: Any) -> list[float | None]:
        """One value per completion. Raises RewardFailed past the budget, RewardsError where no server answers."""
        check_sizes(prompts, completions)
        rows = rows_of(completions, given)
        results = self.score([{**row.record, "completion": row.completion} for row in rows])
        dropped = [_why_dropped(result) for result in results]
        self._losses.count(dropped, int(getattr(given.get("trainer_state"), "global_step", 0) or 0))
        return [None if reason else result["reward"] for result, reason in zip(results, dropped, strict=True)]

    def score(self, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The output record of every input record, in order; one that cannot be read has the status `rejected`.

        Raises RewardsError where no server answers, ConfigError where it refuses the request.
        """
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        ends = time.monotonic() + self.patience
        while True:
            try:
                answer = requests.post(
                    f"{self.url}/score", json={"records": list(records)}, headers=headers, timeout=self.timeout
                )
                problem = f"{answer.status_code}: {answer.text[:500]}"
            except requests.ConnectionError as error:
                answer, problem = None, str(error)
            except requests.RequestException as error:
                raise RewardsError(f"the reward server at {self.url} failed: {error}") from error
            if answer is not None and answer.status_code not in RETRIED:
                break
            if time.monotonic() >= ends:
                raise RewardsError(
                    f"no answer from the reward server at {self.url} in {self.patience:g} s: {problem}."
                    " Is `rewards serve` running there?"
                )
            time.sleep(1)
        if answer.status_code != 200:
            raise ConfigError(f"the reward server at {self.url} refused a request: {problem}")
        return list(answer.json()["results"])

    def __repr__(self) -> str:
        return f"<reward 'total' at {self.url}>"


def _why_dropped(result: dict[str, Any]) -> str | None:
    reward = result["reward"]
    if reward is None:
        return str(result["error"] or "the suite has no total for it")
    return None if abs(reward) <= FLOAT32 else f"its reward is not a number that a tensor holds: {reward}"
