"""The curves of a run as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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


def draw(history: Sequence[Mapping[str, Any]], components: Sequence[str], to: Path) -> None:
    """Write a PNG with the reward, its components, the edits and the shares over the steps."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    panels = dict(PANELS)
    panels["components"] = {f"rewards/{name}/mean": name for name in components}
    figure, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")
    for axis, (title, series) in zip(axes.flat, panels.items(), strict=True):
        for key, label in series.items():
            points = [(entry["step"], entry[key]) for entry in history if entry.get(key) is not None]
            if points:
                axis.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 100 else None)
        axis.set_title(title)
        axis.set_xlabel("step")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize="small")
    temporary = to.with_name(f"{to.name}.partial")
    figure.savefig(temporary, dpi=110, format="png")
    plt.close(figure)
    temporary.replace(to)
