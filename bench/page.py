"""Results as the tables of docs/performance.md, and the plot of growth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"


def put(path: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between the marks `<!-- name -->` and `<!-- end of name -->` of a page."""
    before, found, rest = path.read_text(encoding="utf-8").partition(f"<!-- {name} -->")
    _, ended, after = rest.partition(f"<!-- end of {name} -->")
    if not found or not ended:
        raise SystemExit(f"{path} has no marks for {name!r}")
    text = "\n".join([f"{before}<!-- {name} -->", "", *lines, "", f"<!-- end of {name} -->{after}"])
    path.write_text(text, encoding="utf-8")


def write(results: dict[str, Any]) -> None:
    """Write every part that was measured to the page; the others stay as they are."""
    kind = "GPU" if results["machine"]["gpu"] else "CPU"
    makers = {"compare": compare, "score": score, "growth": growth, "throughput": throughput, "startup": startup}
    if kind == "GPU":  # the page has only one table for GPUs
        makers = {"compare": compare}
    for name in makers.keys() & results.keys():
        dtype = "float32" if name == "compare" else results["machine"]["dtype"]
        lines = [machine(results["machine"], dtype), "", *makers[name](results[name])]
        put(DOCS / "performance.md", f"{kind} {name}", lines)
    if "growth" in makers.keys() & results.keys():
        plot(results["growth"], DOCS / "performance.svg")


def machine(found: dict[str, Any], dtype: str) -> str:
    """The machine and the versions, in one line."""
    where = found["gpu"] or f"{found['cpu']}, {found['threads']} threads"
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"{when}; {where}; language model in {dtype}; torch {found['torch']}, transformers {found['transformers']}."


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table in Markdown."""
    return [
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
    ]


def compare(found: dict[str, Any]) -> list[str]:
    names = list(dict.fromkeys(name for one in found.values() for name in one["ratio"]))
    rows = [
        [
            name, one["edits"], one["edits_per_second"], f"{one['tokens_per_second']:,}",
            *(times(one["ratio"].get(peer)) for peer in names), times(one["warm_ratio"], 0),
        ]
        for name, one in found.items()
    ]  # fmt: skip
    more = [
        [
            name, percent(one["shared_or_seen"]), percent(one["padding"]), one["gflops"],
            *(percent(one["phases"].get(phase, 0.0)) for phase in PHASES),
        ]
        for name, one in found.items()
    ]  # fmt: skip
    off = [
        [name, peer, f"{one['differences'][peer]['largest_difference']:.1e}", one["differences"][peer]["decisions"]]
        for name, one in found.items()
        for peer in one["differences"]
    ]
    return [
        *table(
            ["work", "edits", "edits/s", "tokens/s", *(HEADS.get(name, name) for name in names), "second pass"], rows
        ),
        "",
        *table(["work", "features not computed", "padding", "GFLOP/s", *PHASES], more),
        "",
        *table(["work", "peer", "largest difference of a score", "edits decided otherwise"], off),
        *lower(found),
    ]


def lower(found: dict[str, Any]) -> list[str]:
    """The same engine in bfloat16, where the processor has instructions for it."""
    measured = {name: one["lower"] for name, one in found.items() if one["lower"]}
    if not measured:
        return []
    names = list(dict.fromkeys(name for one in measured.values() for name in one["ratio"]))
    rows = [
        [
            name, one["edits_per_second"], one["gflops"], *(times(one["ratio"].get(peer)) for peer in names),
            f"{one['differences']['largest_difference']:.3f}", one["differences"]["decisions"],
        ]
        for name, one in measured.items()
    ]  # fmt: skip
    heads = [HEADS.get(name, name) for name in names]
    return [
        "",
        "The engine in bfloat16, as `--dtype auto` chooses here, beside the same peers, all of them in float32:",
        "",
        *table(
            ["work", "edits/s", "GFLOP/s", *heads, "largest difference of a score", "edits decided otherwise"], rows
        ),
    ]


PHASES = ("plan", "tokenise", "pack", "forward", "scatter and judge")
HEADS = {"ceiling": "engine / ceiling", "loop": "per-edit loop / engine", "TRL": "TRL's way / engine"}
HEADS |= {"float32": "float32 / engine", "careful": "careful user / engine"} | {
    f"careful, {one}": f"on {one} / engine" for one in ("ONNX", "OpenVINO")
}


def score(found: dict[str, Any]) -> list[str]:
    phases = sorted(found["phases"].items(), key=lambda one: -one[1])
    return [
        f"`rewards score {found['file']}.generated.jsonl`: {found['edits']:,} edits in {found['seconds']} s,"
        f" {found['peak_rss_mb']:,} MB, start included. Where the time goes:",
        "",
        *table(["phase", "share of the time"], [[name, percent(share)] for name, share in phases]),
    ]


def growth(found: dict[str, Any]) -> list[str]:
    edits = [
        [f"{row['edits']:,}", f"{row['computed']:,}", row["seconds"], f"{row['peak_rss_mb']:,}"]
        for row in found["edits"]
    ]
    group = [[row["completions"], row["seconds"], f"{row['times_one']}×"] for row in found["group"]]
    third = [
        [" + ".join(row["two"]), row["third"], f"{row['tokens']:+.1%}", f"{row['added']:+.1%}"]
        for row in found["third_reward"]
    ]
    return [
        *table(["edits", "texts computed", "seconds", "peak MB"], edits),
        "",
        f"Time grows with the power {found['exponent']} of the texts that are computed.",
        "",
        *table(["completions of one argument", "seconds for 6 arguments", "times one"], group),
        "",
        *table(["two rewards", "a third", "adds tokens", "adds time"], third),
    ]


def throughput(found: dict[str, Any]) -> list[str]:
    return [
        f"{found['records']:,} records through a reward without a model (`format`): {found['records_per_second']:,} records/s,"
        f" {found['peak_rss_mb']:,} MB."
    ]


def startup(found: dict[str, float]) -> list[str]:
    return table(["command", "seconds"], [[f"`{name}`", value] for name, value in found.items()])


def times(spread: dict[str, float] | None, digits: int = 2) -> str:
    """The median of ratios with their extremes, as text."""
    if spread is None:
        return "–"
    median, low, high = (f"{spread[one]:.{digits}f}" for one in ("median", "low", "high"))
    return f"{median}×" if spread["n"] == 1 else f"{median}× ({low}–{high})"


def percent(share: float) -> str:
    return f"{share:.1%}"


def plot(found: dict[str, Any], to: Path) -> None:
    """Seconds and memory over edits, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "performance"
    from matplotlib import pyplot as plt

    rows = found["edits"]
    edits = [row["edits"] for row in rows]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.loglog(edits, [row["seconds"] for row in rows], marker="o", label="measured")
    slope = [rows[-1]["seconds"] * row["computed"] / rows[-1]["computed"] for row in rows]
    left.loglog(edits, slope, linestyle=":", label="proportional to distinct texts")
    left.set_ylabel("seconds")
    left.legend()
    right.loglog(edits, [row["peak_rss_mb"] for row in rows], marker="o")
    right.set_ylabel("peak memory, MB")
    right.set_ylim(100, 10_000)
    for axis in (left, right):
        axis.set_xlabel("edits")
        axis.grid(visible=True, which="major", alpha=0.3)
    figure.savefig(to, metadata={"Date": None})
    plt.close(figure)
