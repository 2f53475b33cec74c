"""A suite behind `rewards serve`, as one reward function: for trainers whose processes have no room for reward models."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from rewards.errors import ConfigError, RewardsError
from rewards.text.surrogates import without_surrogates
from rewards_train.adapter import check_sizes, rows_of, step_of, why_dropped
from rewards_train.losses import Budget, Losses

RETRIED = (502, 503, 504)
"""The status codes of a server that is busy or restarts, or of a proxy before it: the request is repeated."""


class RemoteTotal:
    """The weighted total of a served suite, called as TRL calls reward functions; None where a completion is dropped.

    `url` is the address that `rewards serve` printed, `token` the token it was given; `timeout` (seconds) limits one
    request, `patience` (seconds) how long requests to a busy or missing server are repeated. Pickles; each process counts
    its own failed completions against `budget`.
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
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ConfigError(f"{url!r} is no address of a reward server: {error}") from error
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self.timeout, self.patience = timeout, patience
        self.__name__ = "total"  # TRL logs it under this name
        self._token = token or unquote(parts.password or "") or None
        self._local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        self._losses = Losses(budget or Budget())

    def __call__(
        self, prompts: Sequence[Any] | None = None, completions: Sequence[Any] = (), **given: Any
    ) -> list[float | None]:
        """One value per completion.

        Raises RewardFailed past the budget, ConfigError where the dataset's columns do not fit, RewardsError where the
        server does not answer.
        """
        check_sizes(prompts, completions)
        rows = rows_of(completions, given)
        results = self.score([{**row.record, "completion": row.completion} for row in rows])
        dropped = [why_dropped(result["reward"], result["error"]) for result in results]
        self._losses.count(dropped, step_of(rows, given.get("trainer_state")))
        return [None if reason else result["reward"] for result, reason in zip(results, dropped, strict=True)]

    def score(self, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The output record of every input record, in order; one that cannot be read has the status `rejected`.

        Raises RewardsError where the server does not answer, ConfigError where it refuses the request.
        """
        answer = self.ask("score", {"records": [dict(record) for record in records]})
        results = answer.get("results")
        if not isinstance(results, list):
            raise self.stranger(f"{str(answer)[:200]!r}")
        if len(results) != len(records):
            raise self.stranger(f"{len(results)} results for {len(records)} records")
        return results

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The server's answer to a body posted to `path`.

        Raises RewardsError where the server does not answer, ConfigError where it refuses the request.
        """
        # A completion can hold lone surrogates, which a server could not read.
        data = without_surrogates(json.dumps(body, ensure_ascii=False)).encode()
        since: float | None = None
        while True:
            answer, problem = self._post(path, data)
            if answer is not None and answer.status_code not in RETRIED:
                break
            since = since or time.monotonic()
            if time.monotonic() - since >= self.patience:
                raise RewardsError(f"the reward server at {self.url} did not answer in {self.patience:g} s: {problem}")
            time.sleep(min(1.0, self.patience))
        if answer.status_code != 200:
            raise ConfigError(f"the reward server at {self.url} refused a request: {problem}")
        try:
            return dict(answer.json())
        except (requests.JSONDecodeError, TypeError, ValueError) as error:
            raise self.stranger(f"{answer.text[:200]!r}") from error

    def stranger(self, answer: str) -> ConfigError:
        """The error for an answer that no `rewards serve` gives. The address in it holds no token."""
        return ConfigError(f"what answers at {self.url} is not `rewards serve`: {answer}")

    def _post(self, path: str, body: bytes) -> tuple[requests.Response | None, str]:
        """The response (None where there is no server), and a description. Raises RewardsError where the request fails."""
        with requests.Session() as session:
            session.trust_env = not self._local  # no proxy between processes of one machine
            headers = {"Content-Type": "application/json"}
            try:
                answer = session.post(
                    f"{self.url}/{path}", data=body, headers=headers, auth=self._authorize, timeout=self.timeout
                )
            except requests.ConnectionError as error:
                return None, f"{error}. Is `rewards serve` running there?"
            except requests.RequestException as error:
                raise RewardsError(f"the reward server at {self.url} failed: {error}") from error
            return answer, f"{answer.status_code}: {answer.text[:500]}"

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token to a request. As its `auth`, so that no .netrc replaces it."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return f"<reward 'total' at {self.url}>"
