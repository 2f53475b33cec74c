"""`python -m bench score FILE`, `python -m bench throughput`, `python -m bench startup`: results as JSON and a table."""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REWARDS = [sys.executable, "-m", "rewards"]


def main() -> None:
    """Run the named part; all of them without a name."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parts = parser.add_subparsers(dest="part")
    score = parts.add_parser(
        "score", help="the whole file through `rewards score`, and a part of it beside a plain loop"
    )
    score.add_argument("file", nargs="?", default="examples/arguments.jsonl")
    score.add_argument("--loop-records", type=int, default=64, help="how many records the plain loop scores")
    throughput = parts.add_parser("throughput", help="a large file through a reward without a model")
    throughput.add_argument("--records", type=int, default=1_000_000)
    parts.add_parser("startup", help="how long the command line takes to start")
    arguments = parser.parse_args()
    runs: dict[str, Callable[[], dict[str, Any]]] = {
        "score": lambda: bench_score(
            getattr(arguments, "file", "examples/arguments.jsonl"), getattr(arguments, "loop_records", 64)
        ),
        "throughput": lambda: bench_throughput(getattr(arguments, "records", 200_000)),
        "startup": bench_startup,
    }
    chosen = {arguments.part: runs[arguments.part]} if arguments.part else runs
    results = {"machine": machine(), **{name: run() for name, run in chosen.items()}}
    Path("build").mkdir(exist_ok=True)
    Path("build/bench.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    import torch

    from rewards.engine.device import pick_dtype

    return {
        "cpu": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "default_dtype": pick_dtype("auto", "cpu", "causal-lm"),
    }


def bench_score(file: str, count: int) -> dict[str, Any]:
    """Seconds and memory of the command on the whole file; engine and plain loop interleaved on every n-th record."""
    from bench.loop import Loop, run
    from rewards.files.reading import read_lines
    from rewards.records import read_revision
    from rewards.suite import load_suite

    with tempfile.TemporaryDirectory() as folder:
        seconds, memory = timed([*REWARDS, "score", file, "-o", f"{folder}/out.jsonl", "-q"])
    revisions = [read_revision(line.record, number=line.number) for line in read_lines(file)]
    chosen = revisions[:: max(1, len(revisions) // count)][:count]
    suite = load_suite()
    thresholds = {c.name: c.threshold.value for c in suite.components if c.gate and c.threshold}
    loop = Loop()
    suite.score(chosen[:1])  # loads the models
    engine_times, loop_times, differences, flips = [], [], [], 0
    size = max(1, len(chosen) // 2)  # parts about as large as the chunks of `rewards score`
    for start in range(0, len(chosen), size):
        part = chosen[start : start + size]
        suite.engine.cache.clear()
        began = time.perf_counter()
        found = suite.score(part)
        engine_times.append(time.perf_counter() - began)
        began = time.perf_counter()
        plain = run(part, loop, thresholds)
        loop_times.append(time.perf_counter() - began)
        for one, other in zip(found, plain, strict=True):
            flips += len(set(one.accepted) ^ set(other["accepted"]))
            for index, scores in other["edits"].items():
                differences += [abs((one.edits[index][name].value or 0.0) - value) for name, value in scores.items()]
            differences.append(
                abs(one.details["appropriateness"]["before"]["Inappropriateness"] - (1 - other["before"]))
            )
    return {
        "file": Path(file).name,
        "records": len(revisions),
        "edits": sum(len(revision.edits) for revision in revisions),
        "command_seconds": round(seconds, 1),
        "command_peak_rss_mb": round(memory),
        "compared_records": len(chosen),
        "engine_seconds": round(sum(engine_times), 2),
        "loop_seconds": round(sum(loop_times), 2),
        "ratio": round(sum(loop_times) / sum(engine_times), 2),
        "ratio_by_part": [round(b / a, 2) for a, b in zip(engine_times, loop_times, strict=True)],
        "largest_difference": max(differences),
        "gate_decisions_that_differ": flips,
    }


def bench_throughput(records: int) -> dict[str, Any]:
    """Records per second and memory for a reward without a model."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.jsonl"
        write_synthetic(source, records)
        seconds, memory = timed(
            [*REWARDS, "score", str(source), "-o", f"{folder}/out.jsonl", "--reward", "format", "-q"]
        )
    return {
        "records": records,
        "seconds": round(seconds, 1),
        "records_per_second": round(records / seconds),
        "peak_rss_mb": round(memory),
    }


def write_synthetic(path: Path, records: int) -> None:
    """Arguments of four sentences with two edits each."""
    draw = random.Random(0)
    words = [
        "schools",
        "should",
        "let",
        "pupils",
        "wear",
        "what",
        "they",
        "like",
        "because",
        "uniforms",
        "cost",
        "money",
        "and",
        "nobody",
        "chooses",
        "them",
    ]
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            sentences = [" ".join(draw.choices(words, k=12)).capitalize() + "." for _ in range(4)]
            edits = []
            for which in draw.sample(range(4), 2):
                part = " ".join(sentences[which].split()[3:6])
                edits.append(
                    {
                        "sentence_id": which + 1,
                        "inappropriate_part": part,
                        "rewritten_part": "something else",
                        "reason": "Other Reasons",
                    }
                )
            record = {
                "id": number,
                "issue": "Uniforms",
                "argument": " ".join(sentences),
                "sentences": sentences,
                "edits": edits,
            }
            file.write(json.dumps(record) + "\n")


def bench_startup() -> dict[str, Any]:
    """Median seconds of commands that compute nothing."""
    found = {}
    for command in (["--help"], ["list"], ["plugins"], ["score", "--help"]):
        times = []
        for _ in range(7):
            began = time.perf_counter()
            subprocess.run([*REWARDS, *command], capture_output=True, check=True)
            times.append(time.perf_counter() - began)
        found[" ".join(["rewards", *command])] = round(statistics.median(times), 3)
    return found


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds, and peak resident memory in MB, of a command."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr.decode())
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    main()
