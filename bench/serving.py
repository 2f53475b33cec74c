"""`python -m bench.serving`: what scoring by a server (`rewards serve`) costs, compared with scoring in the same process.

The same groups of 8 completions, always with loaded models and an empty cache: in one call in this process; over HTTP in one
request, in one request per completion with many at once, and in one per completion, one after the other.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.machine import machine
from bench.training import records_of
from rewards.records import read_revision
from rewards.suite import load_suite
from rewards_train import data
from rewards_train.recipe import EXAMPLES
from rewards_train.remote import RemoteTotal

AT_ONCE = 64
Ask = Callable[[RemoteTotal, Sequence[dict[str, Any]]], list[dict[str, Any]]]


def main() -> None:
    records = work()
    alone, expected = here(records)
    ways: dict[str, Ask] = {
        "one request": lambda client, records: client.score(records),
        f"a completion a request, {AT_ONCE} at once": at_once,
        "a completion a request, in turn": lambda client, records: [client.score([one])[0] for one in records],
    }
    seconds = {"in this process": alone}
    differences = {}
    for name, ask in ways.items():
        seconds[name], rewards = there(records, ask)
        differences[name] = max(abs(a - b) for a, b in zip(rewards, expected, strict=True))
    results = {
        "completions": len(records),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "times_in_process": {name: round(value / alone, 2) for name, value in seconds.items()},
        "largest_difference_of_a_reward": differences,
    }
    print(json.dumps({"machine": machine(), **results}, indent=2))


def work(arguments: int = 12) -> list[dict[str, Any]]:
    """Eight completions, as a policy samples them, of each of the first `arguments` of the examples."""
    records = list(data.records(EXAMPLES, "train"))[:arguments]
    return [one for number, record in enumerate(records) for one in records_of(record, random.Random(number))]


def here(records: Sequence[dict[str, Any]]) -> tuple[float, list[float]]:
    """Seconds and rewards of one call in this process."""
    suite = load_suite()
    suite.score([read_revision(records[-1], format="compact")])  # loads the models
    suite.engine.cache.clear()
    began = time.monotonic()
    results = suite.score([read_revision(record, format="compact") for record in records])
    return time.monotonic() - began, [result.reward or 0.0 for result in results]


def there(records: Sequence[dict[str, Any]], ask: Ask) -> tuple[float, list[float]]:
    """Seconds and rewards of the same by a server that is started for it."""
    command = [sys.executable, "-m", "rewards", "serve", "--format", "compact", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            client = RemoteTotal(server.stdout.readline().strip())
            began = time.monotonic()
            results = ask(client, records)
            return time.monotonic() - began, [result["reward"] for result in results]
        finally:
            server.terminate()


def at_once(client: RemoteTotal, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One completion a request, as OpenRLHF does."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: client.score([one])[0], records))


if __name__ == "__main__":
    main()
