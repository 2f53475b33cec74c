"""A page for every reward, from what its package states: docstring, card, validation, limits."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

from rewards.contract import Reward

FACTS = ("measures", "model", "teacher", "split", "calibration", "controls")
FOLDS = (
    "A fold other than the one that the card was fitted to (split, above) stands for a fit of its own, and the mean is over"
    " all of them: `make validate` finds these again only where it is given those fits' parameters ([how](../fitting.md))."
    " It finds all other figures on this page again as they are."
)
SIZE, EDGE = 260, 34  # of the calibration plot, in pixels


def page(reward: Reward, distribution: str) -> str:
    """The page of one reward, in Markdown."""
    low, high = (f"{bound:g}" if math.isfinite(bound) else "∞" for bound in reward.range)
    better = "higher" if reward.higher_is_better else "lower"
    lines = [
        f"# {reward.name}",
        "Written by `make fix` from what the package states; do not edit.",
        inspect.getdoc(reward.function) or "",
        f"{reward.level.capitalize()} level, [{low}, {high}], {better} is better; from {distribution}.",
    ]
    sign = "≥" if reward.higher_is_better else "≤"
    card = dict(reward.card)
    intervals = {one.get("value"): one.get("interval_95") for one in card.values() if isinstance(one, Mapping)}
    lines += [
        f"- passes at {sign} {threshold.value:.6g}{_interval(intervals.get(threshold.value))} in profile {profile}:"
        f" {threshold.source}"
        for profile, threshold in reward.thresholds.items()
    ]
    if limits := card.get("limits", {}):
        known = [one for one in limits.get("failures", []) if one["reward"] == reward.name]
        lines += ["## Limits", "\n".join(f"- {text}" for text in limits.get("limits", []))]
        lines += ["## Known failures", _failures(known)]
    if card:
        lines += ["## How it was made", "\n".join(f"- {name}: {card[name]}" for name in FACTS if name in card)]
        if "rows" in card:
            lines.append(_table(card["rows"], ("rows", "n")))
        lines.append(_data(card.get("data", [])))
    if "percentiles" in card:
        lines += ["## At other thresholds", *_figures(card["percentiles"])]
    for title, found in (
        ("Test on held-out data", card.get("test")),
        ("Validation on other data", card.get("validation")),
    ):
        if found:
            lines += [f"## {title}", FOLDS if any(key.startswith("fold") for key in found) else "", *_figures(found)]
    if _bins(card):
        lines += ["## Calibration", f"![calibration of {reward.name}]({reward.name}.svg)"]
    return "\n\n".join(part for part in lines if part) + "\n"


def plot(reward: Reward) -> str | None:
    """The calibration of a reward as SVG; None where its card states none."""
    bins = _bins(reward.card)
    if not bins:
        return None
    most = max(each["n"] for each in bins)

    def place(x: float, y: float) -> tuple[float, float]:
        return round(EDGE + x * SIZE, 1), round(EDGE + (1 - y) * SIZE, 1)

    whole = SIZE + 2 * EDGE
    x0, y0 = place(0, 0)
    x1, y1 = place(1, 1)
    dots = []
    for each in bins:
        x, y = place(each["probability"], each["share"])
        radius = round(3 + 6 * math.sqrt(each["n"] / most), 1)
        dots.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="#2563a8" fill-opacity=".75"/>')
    ticks = [
        f'<text x="{place(v, 0)[0]}" y="{y0 + 14}" text-anchor="middle">{v:g}</text>'
        f'<text x="{x0 - 6}" y="{place(0, v)[1] + 4}" text-anchor="end">{v:g}</text>'
        for v in (0, 0.5, 1)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" width="{whole}" height="{whole}"'
        ' font-family="sans-serif" font-size="11" fill="#444">'
        f'<rect width="{whole}" height="{whole}" fill="#fff"/>'
        f'<rect x="{x0}" y="{y1}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#bbb"/>'
        f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="#bbb" stroke-dasharray="4 3"/>'
        f'{"".join(ticks)}<text x="{whole / 2}" y="{whole - 6}" text-anchor="middle">probability stated</text>'
        f'<text x="{x0}" y="{y1 - 8}">share observed (area: number of texts)</text>{"".join(dots)}</svg>\n'
    )


def _bins(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    test = card.get("test")
    found: list[dict[str, Any]] = test.get("calibration", []) if isinstance(test, Mapping) else []
    return found


def _figures(found: Mapping[str, Any]) -> Iterator[str]:
    """Tables of numbers with their intervals: one for the top level, and one for the groups below or for each of them."""
    rows = {
        key: _number(value) + _interval(found.get(f"{key}_95"))
        for key, value in found.items()
        if not key.endswith("_95") and (isinstance(value, (int, float)) or _numbers(value))
    }
    if rows:
        yield _table(rows, ("figure", "value [95 %]"))
    groups = {key: value for key, value in found.items() if isinstance(value, Mapping)}
    if groups and all(_flat(value) for value in groups.values()):
        columns = [c for c in dict.fromkeys(c for value in groups.values() for c in value) if not c.endswith("_95")]
        head = f"| | {' | '.join(columns)} |\n|---{'|---:' * len(columns)}|"
        body = [
            f"| {name} | {' | '.join(_number(value.get(c, '')) + _interval(value.get(f'{c}_95')) for c in columns)} |"
            for name, value in groups.items()
        ]
        yield "\n".join([head, *body])
    else:
        for name, value in groups.items():
            yield f"### {name.replace('_', ' ')}"
            yield from _figures(value)


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, (int, float)) for one in value)


def _flat(value: Mapping[str, Any]) -> bool:
    return not any(isinstance(inner, Mapping) for inner in value.values())


def _number(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_number, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)


def _interval(given: Any) -> str:
    return f" [{given[0]:.3f}, {given[1]:.3f}]" if isinstance(given, list) and given else ""


def _table(rows: Mapping[str, Any], head: tuple[str, str]) -> str:
    flat = [
        (f"{key}: {inner}" if isinstance(value, Mapping) else key, number)
        for key, value in rows.items()
        for inner, number in (value.items() if isinstance(value, Mapping) else [("", value)])
    ]
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---:|", *(f"| {key} | {_number(n)} |" for key, n in flat)])


def _data(files: Any) -> str:
    if not files:
        return ""
    body = [
        f"| {one.get('source', one['file'])} | {one.get('licence', 'not stated')} | `{one['sha256'][:16]}` |"
        for one in files
    ]
    return "\n".join(["| data | licence | SHA-256 |", "|---|---|---|", *body])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _failures(found: list[Mapping[str, Any]]) -> str:
    body = [
        f"| {_cell(one.get('issue', ''))} | {_cell(one['before'])} | {_cell(one.get('after', ''))} | {one['value']:.2f}"
        f" | {_cell(one['why'])} |"
        for one in found
    ]
    return (
        "\n".join(["| issue | before | after | value | what is wrong |", "|---|---|---|---:|---|", *body])
        if body
        else ""
    )
