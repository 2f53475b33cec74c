"""`python -m bench.evaluation DATA`: the table of docs/evaluation.md, from the shared data, by one command.

DATA is the folder with `reference/`. Systems: the unedited originals, a rewriting by rule, the reference's base and v11
completions, SmolLM2 zero-shot through `rewards edit` (unless --without-smollm2), the policy that `make learn` trained, where
it is (1 and 3 rounds), and every `--system NAME=FILE`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data import SYSTEMS, need
from bench.machine import REWARDS
from bench.page import DOCS, put, table
from rewards_eval.outputs import show, usual_n

ZERO_SHOT = ("--model", "smollm2-135m-instruct", "--format", "rewrite", "--max-new-tokens", "256")
TRAINED = ("--format", "compact", "--max-new-tokens", "96")
COLUMNS = {
    "arguments": ("app", "p", "sim", "nes", "ppl", "gm", "flips"),
    "edits": ("edits", "valid", "accepted", "edit_app", "reason_strict", "reason_relaxed"),
}


def main() -> None:
    """Make the systems' files, evaluate them, and put the table into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.evaluation", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"))
    parser.add_argument("--suite", default="default")
    parser.add_argument("--limit", type=int, help="only the first N arguments, to try it out; the page stays as it is")
    parser.add_argument("--without-smollm2", action="store_true")
    parser.add_argument("--policy", type=Path, default=Path("build/learning/run"), help="a folder of `rewards train`")
    parser.add_argument("--system", action="append", default=[], metavar="NAME=FILE")
    given = parser.parse_args()
    need(given.data, (f"reference/{name}.generated.jsonl" for name in SYSTEMS))
    given.out.mkdir(parents=True, exist_ok=True)
    files = make_files(given.data, given.out, given.limit)
    if not given.without_smollm2:
        files["SmolLM2 zero-shot"] = edit(files["unedited"], given.out / "smollm2.jsonl", ZERO_SHOT)
    if (given.policy / "model.safetensors").exists():
        for rounds in ("1", "3"):
            name = f"small, {rounds} round{'s' * (rounds != '1')}"
            options = ("--model", str(given.policy), "--rounds", rounds, *TRAINED)
            files[name] = edit(files["unedited"], given.out / f"small-{rounds}.jsonl", options)
    for one in given.system:
        name, _, file = one.partition("=")
        files[name] = Path(file)
    names = [part for name in files for part in ("--name", name)]
    subprocess.run(
        [*REWARDS, "eval", *map(str, files.values()), *names, "--suite", given.suite, "-o", str(given.out / "report")],
        check=True,
    )
    report = json.loads((given.out / "report" / "report.json").read_text(encoding="utf-8"))
    lines = page(report)
    print("\n".join(lines))
    if given.limit is None:
        put(DOCS / "evaluation.md", "evaluation", lines)


def make_files(data: Path, out: Path, limit: int | None) -> dict[str, Path]:
    """One file of records for each system, all of the same arguments."""
    from rewards_eval.baselines.cleanup import clean_up

    files = {}
    for name in SYSTEMS:
        lines = (data / "reference" / f"{name}.generated.jsonl").read_text(encoding="utf-8").splitlines()[:limit]
        files[name] = write(out / f"{name}.jsonl", [json.loads(line) for line in lines])
    arguments = [json.loads(line) for line in files["base"].read_text(encoding="utf-8").splitlines()]
    plain = [{"id": one["post_id"], "issue": one["issue"], "argument": one["argument"]} for one in arguments]
    return {
        "unedited": write(out / "unedited.jsonl", [one | {"rewrite": one["argument"]} for one in plain]),
        "clean-up by rule": write(
            out / "cleanup.jsonl", [one | {"rewrite": clean_up(one["argument"])} for one in plain]
        ),
        **files,
    }


def write(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    """A JSONL file of records; not touched where it holds them already, so that a run can be resumed."""
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def edit(arguments: Path, target: Path, options: Sequence[str]) -> Path:
    """The file `target`, with a policy's edits of the arguments."""
    command = [*REWARDS, "edit", str(arguments), "-o", str(target), *options, "--batch-size", "64", "--resume"]
    done = subprocess.run(command, check=False)
    if done.returncode not in (0, 1):  # 1: some records failed, and are counted
        raise SystemExit(done.returncode)
    return target


def page(report: dict[str, Any]) -> list[str]:
    """The tables in Markdown."""
    tables = {table["id"]: table for table in report["tables"]}
    n = report["common"]["ids"]
    lines = [f"{n} arguments, suite `{report['suite']['name']}`, made on {report['created'][:10]}."]
    for name, keys in COLUMNS.items():
        columns = [column for column in tables[name]["columns"] if column["key"] in keys]
        grouped = any(row["group"] for row in tables[name]["rows"])
        heads = ["system", *(["judged"] if grouped else []), *(column["label"] for column in columns), "n"]
        rows = []
        for row in tables[name]["rows"]:
            cells = [row["cells"].get(column["key"]) or {"value": None, "n": None} for column in columns]
            usual = usual_n(cells)
            shown = [show_cell(one, column["digits"], usual) for one, column in zip(cells, columns, strict=True)]
            rows.append([row["label"], *([row["group"]] if grouped else []), *shown, f"{usual:,}"])
        lines += ["", *table(heads, rows)]
    return [*lines, "", *(f"- {note}" for note in report["notes"])]


def show_cell(cell: dict[str, Any], digits: int, usual: int | None) -> str:
    """A value with its interval, and its n where that differs from the row's."""
    if cell["value"] is None:
        return "–"
    text = show(cell["value"], digits)
    if cell["low"] is not None:
        text += f" [{show(cell['low'], digits)}, {show(cell['high'], digits)}]"
    return text if cell["n"] == usual else f"{text} (n {cell['n']:,})"


if __name__ == "__main__":
    main()
