"""A suite behind `rewards serve` as verl's reward function.

Its configuration names it, and nothing else is needed:

    reward.custom_reward_function.path=pkg://rewards_train.verl
    +reward.custom_reward_function.reward_kwargs.url=http://127.0.0.1:8000

verl's manager `naive` asks for one completion at a time from many threads; the server scores waiting ones together. From
https://github.com/volcengine/verl, `verl/experimental/reward_loop/reward_manager/naive.py` (0.9).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from rewards.errors import ConfigError
from rewards.values import listed
from rewards_train.remote import RemoteTotal


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    *,
    url: str,
    token: str | None = None,
    **given: Any,
) -> dict[str, float]:
    """The total as `score`, and everything that the suite pays for by its name, 0 where it does not apply.

    `extra_info` holds the original: `issue`, and `argument` or `sentences`. Raises ConfigError where it does not, or where the
    completion cannot be scored (verl knows no missing reward), RewardsError where the server does not answer.
    """
    label = {
        key: listed(value)
        for key in ("issue", "argument", "sentences")
        if (value := (extra_info or {}).get(key)) is not None
    }
    if not {"argument", "sentences"} & label.keys():
        raise ConfigError(
            "extra_info holds neither `argument` nor `sentences`: rewards need the original, and do not guess it from the prompt"
            " (put the columns into extra_info where the data set is made)"
        )
    server = _server(url, token)
    answer = server.ask("get_reward", {"query": [solution_str], "prompts": [""], "labels": [label]})
    try:
        logged = {name: float(values[0]) for name, values in answer["extra_logs"].items()}
        return {**logged, "score": float(answer["rewards"][0])}
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise server.stranger(f"{str(answer)[:200]!r}") from error


@cache
def _server(url: str, token: str | None) -> RemoteTotal:
    return RemoteTotal(url, token)
