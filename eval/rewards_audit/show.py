"""Tables and examples of a suite under attack. The texts are hostile: control characters are written out."""

from __future__ import annotations

from collections.abc import Sequence

from rewards.cli.terminal import print_table, print_wide_table
from rewards.suite import Suite
from rewards.text.plain import plain
from rewards_audit.attacks.attack import Attack
from rewards_audit.audit import HALF, HONEST, NOTHING, WEAKER, Report, Trial, Verdict

EXAMPLES = 3
CLEARLY = 0.8  # share of the arguments on which honest edits should pay better than doing nothing
MOST = 3  # paid components that a row names: those that move the total most
CUT = 600  # characters of a text that are shown
COLUMNS = ("attack", "n", "mean", "median", "honest", "> honest", "> nothing", "verdict", "by")


def print_attacks(attacks: Sequence[Attack]) -> None:
    """Print the names and descriptions of the attacks."""
    rows = [(each.name, each.description, "" if each.counts else "for comparison") for each in attacks]
    print_table("attacks", ("name", "what it does", "counts"), rows, "what it does")


def print_report(report: Report, suite: Suite) -> None:
    """Print the table of totals, that of components, and the verdict."""
    rows = [_row(verdict) for verdict in report.verdicts]
    print_table(f"suite {suite.name}: totals", COLUMNS, rows, "by")
    print()
    shown = [c for c in suite.components if c.weight or c.gate]
    heads = [f"{c.name} ({role(c.weight, c.gate)})" for c in shown]
    cells = [(v.name, *(number(v.components[c.name]) for c in shown)) for v in report.verdicts]
    print_wide_table(f"suite {suite.name}: components", ("attack", *heads), cells)
    print()
    print(conclusion(report, suite.name))


def conclusion(report: Report, suite: str) -> str:
    """The verdict in a few lines."""
    counting = [verdict for verdict in report.verdicts if verdict.counts]
    tried = sum(verdict.n > 0 for verdict in counting)
    lines = []
    if counting and not tried:
        lines.append(f"no verdict on suite {suite}: no attack could be scored beside honest edits")
    elif report.winners:
        names = ", ".join(verdict.name for verdict in report.winners)
        lines.append(f"{len(report.winners)} of {tried} attacks win against honest edits in suite {suite}: {names}")
    else:
        lines.append(f"none of {tried} attacks wins against honest edits in suite {suite}")
    tempting = sum(v.counts and not v.wins and (v.beats_nothing or 0) > HALF for v in report.verdicts)
    if tempting:
        lines.append(
            f"paid better than doing nothing on most arguments, without winning: {tempting}; a policy may find them first"
        )
    honest = report.verdicts[0]
    if honest.beats_nothing is not None and honest.beats_nothing < CLEARLY:
        lines.append(
            f"note: honest edits pay better than doing nothing on {honest.beats_nothing:.0%} of the arguments only"
        )
    weaker = next((verdict for verdict in report.verdicts if verdict.name == WEAKER), None)
    if weaker and weaker.how:
        lines.append(
            f"note: a few hasty edits are paid better than the careful ones on {percent(weaker.beats_honest)} of the"
            f" arguments ({WEAKER}: {', '.join(weaker.how)})"
        )
    lines += [f"note: {v.name} pays more than the same edits as JSON" for v in _forms(report) if v.how]
    lines += [f"not scored: {v.name} on {v.failed} arguments, the first for: {v.reason}" for v in report.unscored]
    return plain("\n".join(lines))


def print_examples(report: Report, name: str) -> None:
    """Print the attack's row, and what it does to a few arguments beside honest edits."""
    verdict = next((each for each in report.verdicts if each.name == name), None)
    if verdict is None:
        print(f"{name} does not apply to any of the arguments")
        return
    print(f"{name}: {verdict.description}")
    cells = list(zip(COLUMNS, _row(verdict), strict=True))[1:]
    print("  ".join(f"{key} {value}" for key, value in cells if value))
    print(conclusion(report, str(report.suite["suite"])))
    trials = sorted(report.rows[name].values(), key=lambda trial: -(trial.result.reward or 0.0))
    for trial in trials[:EXAMPLES]:
        _print_trial(trial, report)


def _print_trial(trial: Trial, report: Report) -> None:
    case, honest, nothing = trial.case, report.rows[HONEST][trial.case.id], report.rows[NOTHING][trial.case.id]
    rewards = " ".join(f"{key}={number(value)}" for key, value in trial.result.rewards.items() if value is not None)
    lines = [
        f"{case.id}  —  {case.issue}",
        f"total {number(trial.result.reward)} (honest {number(honest.result.reward)}, nothing"
        f" {number(nothing.result.reward)}); {rewards}",
        f"argument:   {case.argument}",
        f"completion: {trial.completion!r}",
        f"becomes:    {trial.result.after_accepted!r}",
        f"honest:     {honest.result.after_accepted}",
    ]
    print()
    for line in lines:
        print(plain(line if len(line) <= CUT else line[:CUT] + f"… ({len(line) - CUT:,} more characters)"))


def _row(verdict: Verdict) -> tuple[str, ...]:
    moved = sorted(verdict.by.items(), key=lambda item: -abs(item[1]))[:MOST] if verdict.name != HONEST else []
    by = sorted(((name, value) for name, value in moved if round(value, 3)), key=lambda item: -item[1])
    return (
        verdict.name,
        str(verdict.n),
        number(verdict.mean),
        number(verdict.median),
        number(verdict.honest_median),
        percent(verdict.beats_honest),
        percent(verdict.beats_nothing),
        f"WINS ({', '.join(verdict.how)})" if verdict.wins else "",
        ", ".join(f"{name} {value:+.3f}" for name, value in by),
    )


def role(weight: float | None, gate: bool) -> str:
    """What a reward is for: gate, its weight, or both; held out where it is neither."""
    if not weight:
        return "gate" if gate else "" if weight is None else "held out"
    return f"gate, {weight:g}" if gate else f"{weight:g}"


def _forms(report: Report) -> list[Verdict]:
    return [v for v in report.verdicts if not v.counts and v.name not in (HONEST, WEAKER)]


def number(value: float | None) -> str:
    """A number with three digits; nothing where there is none."""
    return "" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A share in percent; nothing where there is none."""
    return "" if value is None else f"{value:.0%}"
