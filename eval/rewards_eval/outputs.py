"""A report's tables on the terminal, as CSV and as LaTeX."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rewards.cli.terminal import on_terminal, print_table, stacked
from rewards.text.plain import plain

Table = Mapping[str, Any]
BREAKDOWNS = ("dimensions", "reasons", "lengths", "issues")
"""Tables that are written, not printed: they would push the others off the screen."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "√": r"$\surd$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "κ": r"$\kappa$",
    "τ": r"$\tau$",
    "Δ": r"$\Delta$",
    "–": "--",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


WITH_INTERVALS = ("difference", "auc")
"""Columns that are printed with intervals; the other intervals are in the files only, so that tables stay narrow."""


def show(value: float | str | None, digits: int) -> str:
    """A cell's value as it is printed; an empty string where there is none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−", 1)


def print_report(report: Mapping[str, Any]) -> None:
    """Print the systems, the tables and the notes, each table aligned, with its n where not all have the same."""
    columns = ("system", "records", "failed", "rejected", "missing", "dialect", "file")
    rows = [[str(system["name"]), *(f"{system[key]:,}" for key in columns[1:5]), system["dialect"], system["file"]]
            for system in report["systems"]]  # fmt: skip
    print_table(plain(str(report["title"])), columns, rows, "file")
    for table in report["tables"]:
        if table["id"] not in BREAKDOWNS:
            print()
            print_one(table)
    if report["notes"]:
        print()
    for note in report["notes"]:
        print(plain(f"note: {note}"))


def print_one(table: Table) -> None:
    """Print one table, with its caption below. Column n is the most frequent n among a row's values."""
    columns, rows = table["columns"], table["rows"]
    grouped = any(row["group"] for row in rows)
    usual = [usual_n(row["cells"].values()) for row in rows]
    cells = []
    for row, n in zip(rows, usual, strict=True):
        shown = [_terminal(row["cells"].get(column["key"]), column, n) for column in columns]
        cells.append([row["label"], *([row["group"] or ""] if grouped else []), *shown, "" if n is None else f"{n:,}"])
    heads = ["", *([" "] if grouped else []), *(str(column["label"]) for column in columns), "n"]
    if on_terminal():
        heads = [stacked(head) for head in heads]
    print_table(plain(str(table["title"])), _distinct(heads), cells, heads[0])
    caption, found, _ = str(table["caption"]).partition("Intervals: ")
    printed = not found or any(column["key"] in WITH_INTERVALS for column in columns)
    print(plain(f"  {table['caption'] if printed else f'{caption}Intervals are in the files.'}"))


def _terminal(cell: Mapping[str, Any] | None, column: Mapping[str, Any], usual: int | None) -> str:
    if cell is None:
        return ""
    text = show(cell["value"], column["digits"])
    if cell["low"] is not None and column["key"] in WITH_INTERVALS:
        text += f" [{show(cell['low'], column['digits'])}, {show(cell['high'], column['digits'])}]"
    return text + (f" (n {cell['n']:,})" if text and cell["n"] not in (None, usual) else "")


def usual_n(cells: Iterable[Mapping[str, Any]]) -> int | None:
    """The most frequent n among a row's values; None without any."""
    found = Counter(cell["n"] for cell in cells if cell["value"] is not None and cell["n"] is not None)
    return found.most_common(1)[0][0] if found else None


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, made distinct by trailing spaces: a printed table needs distinct column names."""
    found: list[str] = []
    for name in names:
        while name in found:
            name += " "
        found.append(name)
    return found


def to_csv(table: Table) -> str:
    """The table as CSV: each column's value, n and interval in columns of their own, at full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    parts = ("value", "n", "low", "high")
    named = "label" if table["id"] == "dimensions" else "key"  # there a column is a system, and its key only s0, s1, …
    heads = [_no_formula(str(column[named])) for column in table["columns"]]
    writer.writerow(["label", "group", *(f"{head}.{part}" for head in heads for part in parts)])
    for row in table["rows"]:
        line = [_no_formula(row["label"]), _no_formula(row["group"] or "")]
        for column in table["columns"]:
            found = row["cells"].get(column["key"]) or {}
            line += [_no_formula(found.get(part)) for part in parts]
        writer.writerow(line)
    return out.getvalue()


def _no_formula(value: Any) -> Any:
    """The text, escaped so that no spreadsheet runs it as a formula: names of files are untrusted."""
    if not isinstance(value, str):
        return value
    return f"'{plain(value)}" if value[:1] in "=+-@\t\r" and value else plain(value)


def to_latex(table: Table) -> str:
    """The table for a paper: booktabs, intervals below the values in small type, groups between rules."""
    columns, rows = table["columns"], table["rows"]
    lines = [
        f"% {' '.join(plain(str(table['caption'])).split())}",
        "% Column n is what most of a row's values are means of; the others say theirs.",
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{l{'r' * (len(columns) + 1)}}}",
        "\\toprule",
        " & ".join(["", *(latex(str(column["label"])) + _arrow(column) for column in columns), "n"]) + r" \\",
        "\\midrule",
    ]
    group = None
    for row in rows:
        if row["group"] and row["group"] != group:
            lines += ["\\midrule"] if group is not None else []
            lines.append(f"\\multicolumn{{{len(columns) + 2}}}{{l}}{{\\emph{{{latex(row['group'])}}}}} \\\\")
            group = row["group"]
        usual = usual_n(row["cells"].values())
        values = [_latex_cell(row["cells"].get(column["key"]), column["digits"], usual) for column in columns]
        n = "--" if usual is None else f"{usual:,}"
        lines.append(" & ".join([latex(str(row["label"])), *values, n]) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def latex(text: str) -> str:
    """The text escaped for LaTeX, also `[` and `*`, which would be read as options of the line break before them."""
    shown = "".join(_LATEX.get(sign, sign) for sign in plain(" ".join(text.split())))
    return f"{{}}{shown}" if shown[:1] in ("[", "*") else shown


def _arrow(column: Mapping[str, Any]) -> str:
    return {"higher": r"\,$\uparrow$", "lower": r"\,$\downarrow$"}.get(column["better"] or "", "")


def _latex_cell(cell: Mapping[str, Any] | None, digits: int, usual: int | None) -> str:
    if cell is None or cell["value"] is None:
        return "--"
    if isinstance(cell["value"], str):
        return latex(cell["value"])
    text = latex(show(cell["value"], digits))
    if cell["n"] not in (None, usual):
        text += f" {{\\scriptsize ($n$ {cell['n']:,})}}"
    if cell["low"] is None:
        return text
    limits = f"[{latex(show(cell['low'], digits))}, {latex(show(cell['high'], digits))}]"
    return f"{text} {{\\scriptsize {limits}}}"
