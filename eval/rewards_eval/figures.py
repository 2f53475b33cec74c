"""The plots of a report, as SVG and PNG; the same bytes for the same numbers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewards.text.plain import plain
from rewards_eval.agreement import Agreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 80
"""The most rows in the plot of wins."""
LETTER = 0.09
"""The approximate width of a letter in a name, in inches."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666", "#000000")
"""Colours of systems, in order; distinct for colour-blind readers too (Okabe and Ito)."""
MARKERS, HATCHES = "os^DvPX", ("", "///", "...", "xxx", "---", "\\\\\\", "+++")
"""Markers and hatches of systems, in order; distinct in print without colour."""

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "rewards",  # else ids in the SVG differ from run to run
    "svg.fonttype": "none",
    "text.parse_math": False,  # a system may be called $x$
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
_EAST_ASIAN = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "IPAexGothic", "NanumGothic", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic",
    "Malgun Gothic", "Arial Unicode MS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot in both forms."""

    id: str
    title: str
    caption: str
    svg: str
    png: bytes

    def to_record(self) -> dict[str, str]:
        """The plot as the report holds it."""
        return {"id": self.id, "title": self.title, "caption": self.caption, "svg": self.svg}


def draw(tables: Mapping[str, Mapping[str, Any]], names: Sequence[str], agreements: Sequence[Agreement]) -> list[Plot]:
    """The plots for which these tables and agreements hold values."""
    plots = []
    with _style():
        if "arguments" in tables and (plot := _trade_off(tables["arguments"], names)):
            plots.append(plot)
        if "edits" in tables and (plot := _rates(tables["edits"], names)):
            plots.append(plot)
        if "comparisons" in tables:
            plots.append(_wins(tables["comparisons"]))
        if "dimensions" in tables:
            plots.append(_dimensions(tables["dimensions"], names))
        if "rounds" in tables:
            plots.append(_rounds(tables["rounds"]))
        if calibrated := [one for one in agreements if len(one.bins) > 1]:
            plots.append(_reliability(calibrated))
    return plots


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl
    from matplotlib.font_manager import fontManager

    mpl.use("Agg")
    installed = set(fontManager.get_font_names())
    family = ["sans-serif", *(name for name in _EAST_ASIAN if name in installed)]  # fallbacks, for missing glyphs
    with mpl.rc_context({**_STYLE, "font.family": family}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font")  # a box in the PNG; the SVG holds the text
        yield


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def _plot(id: str, title: str, caption: str, figure: Figure) -> Plot:
    svg, png = io.StringIO(), io.BytesIO()
    figure.savefig(svg, format="svg", bbox_inches="tight", metadata={"Date": None, "Title": plain(title)})
    figure.savefig(png, format="png", bbox_inches="tight", dpi=150, metadata={"Software": None})
    text = svg.getvalue()
    return Plot(id, title, caption, text[text.index("<svg") :], png.getvalue())


def _trade_off(table: Mapping[str, Any], names: Sequence[str]) -> Plot | None:
    """App against the similarity to the original: Sim, else NES."""
    across = next((key for key in ("sim", "nes") if _has(table, key) and _has(table, "app")), None)
    if across is None:
        return None
    figure, axes = _figure(6.4, 4.2)
    seen: set[str] = set()
    for row in table["rows"]:
        x, y = row["cells"].get(across, {}), row["cells"].get("app", {})
        if x.get("value") is None or y.get("value") is None:
            continue
        place = names.index(row["label"])
        colour = COLOURS[place % len(COLOURS)]
        label = None if row["label"] in seen else _legend(row["label"])
        seen.add(row["label"])
        axes.errorbar(
            x["value"], y["value"], xerr=_errors([x]), yerr=_errors([y]), color=colour, label=label, capsize=2,
            marker=MARKERS[place % len(MARKERS)], markersize=7,
            markerfacecolor=colour if row["group"] == "accepted edits" else "white",
        )  # fmt: skip
    label = {"sim": "Sim: BERTScore F1 with the original", "nes": "NES: edit similarity with the original"}[across]
    axes.set(xlabel=label, ylabel="App: share appropriate after editing")
    _legend_below(figure)
    caption = "Filled: accepted edits; hollow: all valid edits. Bars: 95 % intervals."
    return _plot("trade-off", "Appropriate, and still the same argument?", caption, figure)


def _rates(table: Mapping[str, Any], names: Sequence[str]) -> Plot | None:
    """Shares of edits, by system."""
    columns = [one for one in table["columns"] if one["better"] and _has(table, one["key"])]
    if not columns:
        return None
    figure, axes = _figure(6.4, 0.8 + 0.32 * len(columns) * max(1.5, len(names) * 0.7))
    height = 0.8 / len(names)
    for s, row in enumerate(table["rows"]):
        cells = [row["cells"].get(one["key"]) or {} for one in columns]
        known = [(i, cell) for i, cell in enumerate(cells) if cell.get("value") is not None]
        places = [i + height * (s - (len(names) - 1) / 2) for i, _ in known]
        axes.barh(
            places, [cell["value"] for _, cell in known], height * 0.9, xerr=_errors([cell for _, cell in known]),
            color=COLOURS[s % len(COLOURS)], hatch=HATCHES[s % len(HATCHES)], edgecolor="white", linewidth=0,
            label=_legend(row["label"]), error_kw={"elinewidth": 0.8, "ecolor": "#333333"},
        )  # fmt: skip
    axes.set_yticks(range(len(columns)), [plain(one["label"]) for one in columns])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of edits")
    axes.grid(visible=False, axis="y")
    _legend_below(figure)
    return _plot("rates", "Edits", "Shares of all edits stated, with 95 % intervals over arguments.", figure)


def _wins(table: Mapping[str, Any]) -> Plot:
    """Wins, ties and losses of every comparison."""
    rows = [row for row in table["rows"] if row["group"] in ("accepted edits", "rewards")] or table["rows"]
    left_out = len(rows) - MOST
    rows = rows[:MOST]
    labels = [_in_lines(plain(row["label"])) + _stars(row["cells"]["p_holm"]["value"]) for row in rows]
    longest = max(len(line) for label in labels for line in label.split("\n"))
    lines = max(label.count("\n") for label in labels)
    figure, axes = _figure(7.2 + LETTER * max(0, longest - 30), 1.2 + (0.3 + 0.15 * lines) * len(rows))
    left = [0.0] * len(rows)
    for key, colour, hatch in (("wins", COLOURS[0], ""), ("ties", "#d0d0d0", ""), ("losses", COLOURS[1], "///")):
        shares = [row["cells"][key]["value"] / max(1, row["cells"][key]["n"]) for row in rows]
        axes.barh(
            range(len(rows)), shares, 0.75, left=left, color=colour, label=key, hatch=hatch, edgecolor="white", linewidth=0
        )  # fmt: skip
        left = [a + b for a, b in zip(left, shares, strict=True)]
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set(xlim=(0, 1), xlabel="share of arguments")
    _legend_below(figure)
    caption = (
        "On how many arguments the first system is better, equal or worse; where neither direction is better, as with NES:"
        " higher, equal or lower. * p < .05, ** p < .01 after Holm's correction."
    )
    if left_out > 0:
        caption += f" The last {left_out} of {len(rows) + left_out} differences are in the table alone."
    return _plot("wins", "Wins, ties and losses", caption, figure)


def _stars(p: float) -> str:
    return "  **" if p < 0.01 else "  *" if p < 0.05 else ""


def _dimensions(table: Mapping[str, Any], names: Sequence[str]) -> Plot:
    """The change of each dimension after the accepted edits, by system."""
    rows = [row for row in table["rows"] if row["group"] == "accepted edits"]
    figure, axes = _figure(7.2, 1.2 + 0.34 * len(rows))
    for s, column in enumerate(table["columns"]):
        known = [(i, row["cells"][column["key"]]) for i, row in enumerate(rows)]
        known = [(i, cell) for i, cell in known if cell["value"] is not None]
        offset = 0.5 * (s - (len(names) - 1) / 2) / max(1, len(names))
        axes.errorbar(
            [cell["value"] for _, cell in known], [i + offset for i, _ in known], xerr=_errors([cell for _, cell in known]),
            linestyle="none", marker=MARKERS[s % len(MARKERS)], markersize=4.5, capsize=2,
            color=COLOURS[s % len(COLOURS)], label=_legend(column["label"]),
        )  # fmt: skip
    axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [plain(row["label"]) for row in rows])
    axes.invert_yaxis()
    axes.set(xlabel="change of probability (left is better)")
    _legend_below(figure)
    caption = "Mean change of each dimension's probability by the accepted edits, with 95 % intervals."
    return _plot("dimensions", "Change by dimension", caption, figure)


def _rounds(table: Mapping[str, Any]) -> Plot:
    """App and NES, round by round."""
    keys = [one for one in table["columns"] if one["key"] in ("app", "nes", "sim")]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(keys) + 0.6, 3.2))
    systems = list(dict.fromkeys(row["group"] for row in table["rows"]))
    for axes, column in zip(figure.subplots(1, len(keys), squeeze=False)[0], keys, strict=True):
        for s, system in enumerate(systems):
            cells = [(row["label"], row["cells"].get(column["key"])) for row in table["rows"] if row["group"] == system]
            known = [
                (int(name.removeprefix("round ")), cell) for name, cell in cells if cell and cell["value"] is not None
            ]
            axes.errorbar(
                [number for number, _ in known], [cell["value"] for _, cell in known], yerr=_errors([c for _, c in known]),
                marker=MARKERS[s % len(MARKERS)], capsize=2, color=COLOURS[s % len(COLOURS)],
                label=_legend(system) if column is keys[0] else None,
            )  # fmt: skip
        axes.set(xlabel="round", title=column["label"])
        axes.xaxis.get_major_locator().set_params(integer=True)
    _legend_below(figure)
    return _plot("rounds", "Round by round", "After the accepted edits of each round, with 95 % intervals.", figure)


def _reliability(agreements: Sequence[Agreement]) -> Plot:
    """Values read as probabilities against the share of positive labels."""
    figure, axes = _figure(5.2, 4.8)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
    for i, one in enumerate(agreements[:8]):
        axes.plot(
            [mean for mean, _, _ in one.bins], [share for _, share, _ in one.bins], marker=MARKERS[i % len(MARKERS)],
            markersize=4, color=COLOURS[i % len(COLOURS)], label=plain(f"{one.reward} ~ {one.label}"),
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="mean value", ylabel="share labelled positive")
    _legend_below(figure)
    return _plot(
        "calibration", "Calibration", "Ten bins of equal width; on the diagonal values are probabilities.", figure
    )


def _legend(name: str) -> str:
    """A name as legends show it: matplotlib leaves out those that begin with `_`."""
    shown = plain(name)
    return f" {shown}" if shown.startswith("_") else shown


def _legend_below(figure: Figure) -> None:
    """Put the legend under the plot, in as many columns as fit, and make the figure taller by its rows."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = max(1, min(4, int(figure.get_figwidth() / (LETTER * max(map(len, labels), default=0) + 0.6))))
    figure.set_figheight(figure.get_figheight() + 0.2 * ((len(labels) - 1) // columns))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _in_lines(difference: str) -> str:
    """The label of a difference, on two lines where it is long."""
    return difference.replace(" − ", "\n− ") if len(difference) > 48 else difference


def _has(table: Mapping[str, Any], key: str) -> bool:
    return any((row["cells"].get(key) or {}).get("value") is not None for row in table["rows"])


def _errors(cells: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """Distances from each value to the ends of its interval, as matplotlib takes them."""
    low = [max(0.0, cell["value"] - cell["low"]) if cell.get("low") is not None else 0.0 for cell in cells]
    high = [max(0.0, cell["high"] - cell["value"]) if cell.get("high") is not None else 0.0 for cell in cells]
    return [low, high]
