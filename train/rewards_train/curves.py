"""The curves of a run as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewards.files.replacing import replacing

PANELS: dict[str, dict[str, str]] = {
    "reward": {"reward": "training", "eval_reward": "held out"},
    "edits per completion": {
        "suite/edits": "stated",
        "suite/edits_valid": "valid",
        "suite/edits_accepted": "accepted",
        "eval_suite/edits_accepted": "accepted, held out",
    },
    "shares": {
        "suite/with_accepted_edit": "with an accepted edit",
        "frac_reward_zero_std": "groups without spread",
        "suite/failed": "failed",
        "suite/share_of_time": "time in rewards",
    },
}


ACROSS = 5  # small panels in a row
SMOOTH = 20  # logged values in the running mean that is drawn over a long series
SPAN = 0.01  # the least height of an axis, and as a share of values above 1: smaller differences are rounding


def draw(history: Sequence[Mapping[str, Any]], components: Sequence[str], to: Path) -> None:
    """Write a PNG over the steps: the reward, the edits and the shares, and below them every component on its own scale."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = -(-len(components) // ACROSS)
    figure = plt.figure(figsize=(13, 4 + 2 * rows), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(4, 2 * max(1, rows)))  # an array, unlike its annotation
    above, below = parts
    for axis, (title, series) in zip(above.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        _panel(axis, title, series, history)
        axis.set_xlabel("step")
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize="small")
    if components:
        grid = list(below.subplots(rows, ACROSS, squeeze=False).flat)
        handles: dict[str, Any] = {}
        for axis, name in zip(grid, components, strict=False):
            _panel(axis, name, {f"rewards/{name}/mean": "training", f"eval_rewards/{name}/mean": "held out"}, history)
            for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
                handles[label] = handle
            axis.title.set_fontsize("small")
            axis.tick_params(labelsize="x-small")
        for axis in grid[len(components) :]:  # what is left of the last row
            axis.set_visible(False)
        below.suptitle("mean of every component", fontsize="medium")
        if handles:
            below.legend(handles.values(), handles, loc="outside lower center", ncols=2, fontsize="small")
    with replacing(to) as file:
        figure.savefig(file, dpi=110, format="png")
    plt.close(figure)


def _panel(axis: Any, title: str, series: Mapping[str, str], history: Sequence[Mapping[str, Any]]) -> None:
    """Draw one panel: each series as it was logged; a long one is pale, with its running mean in the same colour."""
    for number, (key, label) in enumerate(series.items()):
        points = [(entry["step"], entry[key]) for entry in history if entry.get(key) is not None]
        if not points:
            continue
        steps, values = zip(*points, strict=True)
        colour, long = f"C{number}", len(points) > 2 * SMOOTH
        mark = {"alpha": 0.25, "linewidth": 0.8} if long else {"marker": ".", "label": label}
        axis.plot(steps, values, color=colour, **mark)
        if long:
            means = [statistics.fmean(values[max(0, end - SMOOTH) : end]) for end in range(1, len(values) + 1)]
            axis.plot(steps, means, color=colour, label=label)
    axis.set_title(title, parse_math=False)  # names of plugins' rewards could hold `$`
    if axis.lines:
        _limit(axis, [entry["step"] for entry in history])
    else:
        axis.set(xticks=[], yticks=[])
        axis.text(0.5, 0.5, "no value", transform=axis.transAxes, ha="center", va="center", color="grey")


def _limit(axis: Any, steps: Sequence[int]) -> None:
    """Set axes that cannot be misread: the same whole steps in every panel, values without an offset."""
    from matplotlib.ticker import MaxNLocator

    axis.set_xlim(min(steps) - 0.5, max(steps) + 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    low, high = axis.get_ylim()
    middle = (low + high) / 2
    if high - low < (least := SPAN * max(1.0, abs(middle))):
        axis.set_ylim(middle - least / 2, middle + least / 2)
    axis.ticklabel_format(axis="y", useOffset=False)
    axis.grid(alpha=0.3)
