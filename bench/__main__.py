"""`python -m bench [PART …]`: engine, peers and ceiling side by side; results as JSON and in docs/performance.md."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import work
from bench.machine import REWARDS, machine, timed

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def main() -> None:
    """Run the named parts; all of them without a name."""
    runs: dict[str, Callable[[argparse.Namespace], Any]] = {
        "startup": lambda given: startup(),
        "compare": lambda given: compared(given.data, given.token_budget),
        "score": lambda given: scored(given.data),
        "growth": lambda given: growth(given.data, given.token_budget),
        "throughput": lambda given: throughput(given.records),
    }
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(runs))
    parser.add_argument("--data", type=Path, default=DATA, help="folder with reference/; without it the examples serve")
    parser.add_argument("--records", type=int, default=100_000, help="of the file for `throughput`")
    parser.add_argument("--token-budget", type=int, default=0, help="as of `rewards score`")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    given = parser.parse_args()
    unknown = set(given.parts) - set(runs)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(runs)}")
    results: dict[str, Any] = {"machine": machine()}
    for name in given.parts or runs:
        began = time.perf_counter()
        results[name] = runs[name](given)
        print(json.dumps({name: results[name], "seconds": round(time.perf_counter() - began, 1)}, indent=2), flush=True)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if given.write:
        from bench import page

        page.write(results)


def compared(data: Path, token_budget: int) -> dict[str, Any]:
    """Engine, peers and ceiling, interleaved."""
    from bench import compare
    from bench.models import Models
    from rewards.engine.device import pick_device, pick_dtype
    from rewards.engine.engine import Engine
    from rewards.suite import load_suite

    device = pick_device("auto")
    everyone = compare.peers(Models(device))
    careful = [name for name in everyone if name.startswith("careful")]
    everything = {name: work.read(path) for name, path in work.files(data).items()}
    first, *others = everything
    works: dict[str, Any] = {
        first: (parts(work.every(everything[first], 16), 8), {"loop": 2, "TRL": 1, "careful": 2}),
        **{name: (parts(work.every(everything[name], 16), 8), {"loop": 1, "careful": 1}) for name in others},
        "GRPO, 8 x 8": (
            parts(work.groups(everything.values(), 16, 8), 64),
            {"TRL": 1, **dict.fromkeys(careful, 1), "careful": 2},
        ),
        "GRPO, 64 x 16": ([work.groups(everything.values(), 64, 16)], {}),
        "long arguments": (parts(work.long(everything[first], 2), 1), {"careful": 1}),
    }
    suite = load_suite(engine=Engine(dtype="float32", token_budget=token_budget))
    automatic = pick_dtype("auto", device, "causal-lm", embedded=True)
    lower = load_suite(engine=Engine(token_budget=token_budget)) if automatic != "float32" else None
    return compare.compare(suite, works, everyone, lower)


def parts(revisions: list[Any], size: int) -> list[list[Any]]:
    """The revisions in parts of this size."""
    return [revisions[start : start + size] for start in range(0, len(revisions), size)]


def scored(data: Path) -> dict[str, Any]:
    """Seconds and memory of the command on a whole file, its start included, and where the time goes."""
    name, path = next(iter(work.files(data).items()))
    with tempfile.TemporaryDirectory() as folder:
        phases, out = Path(folder) / "phases.json", f"{folder}/out.jsonl"
        watched = [sys.executable, "-m", "bench.phases", str(phases)]
        seconds, memory = timed([*watched, "score", str(path), "-o", out, "-q"])
        spent = json.loads(phases.read_text(encoding="utf-8"))
    shares = {phase: round(one / seconds, 4) for phase, one in spent.items()}
    return {
        "file": name,
        "edits": sum(len(one.edits) for one in work.read(path)),
        "seconds": round(seconds, 1),
        "peak_rss_mb": round(memory),
        "phases": {**shares, "everything else": round(1 - sum(shares.values()), 4)},
    }


def growth(data: Path, token_budget: int) -> dict[str, Any]:
    """How time and memory grow with edits, completions of a group, and rewards."""
    from bench import growth
    from rewards.engine.engine import Engine
    from rewards.suite import load_suite

    rows = growth.with_edits()
    engine = Engine(token_budget=token_budget)
    systems = [work.read(path) for path in work.files(data).values()]
    return {
        "edits": rows,
        "exponent": round(growth.exponent(rows), 3),
        "group": growth.with_group(systems, load_suite(engine=engine)),
        "third_reward": growth.with_rewards(work.every(systems[0], 2), engine),
    }


def throughput(records: int) -> dict[str, Any]:
    """Records per second and memory for a reward without a model."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.jsonl"
        work.synthetic(source, records * 2, distinct=1.0)
        seconds, memory = timed(
            [*REWARDS, "score", str(source), "-o", f"{folder}/out.jsonl", "--reward", "format", "-q"]
        )
    return {
        "records": records,
        "seconds": round(seconds, 1),
        "records_per_second": round(records / seconds),
        "peak_rss_mb": round(memory),
    }


def startup() -> dict[str, float]:
    """Median seconds of commands that compute nothing."""
    found = {}
    for command in (["--help"], ["list"], ["plugins"], ["score", "--help"]):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([*REWARDS, *command], capture_output=True, check=True)
            times.append(time.perf_counter() - began)
        found[" ".join(["rewards", *command])] = round(statistics.median(times), 3)
    return found


if __name__ == "__main__":
    main()
