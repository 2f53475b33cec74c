"""`rewards audit`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewards.cli.options import Cache, Device, DType, Models, Profile, Settings, parse_settings
from rewards.errors import ConfigError, RewardsError, nearest
from rewards.files.reading import beside, header_path
from rewards.files.replacing import replacing
from rewards.plan import SuitePlan, parse_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards_audit.attacks.attack import Attack
    from rewards_audit.audit import Plan
    from rewards_audit.cases import Case


def audit(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A file that `rewards score` wrote, or a training log.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="Attack this suite, a name or a YAML file. [default: default, without FILE]")
    ] = None,
    set_: Settings = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write everything as JSON to this file, or into this folder.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare FILE with this one, e.g. the same inputs before training.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="ATTACK", help="Try only this attack (and doing nothing). Repeatable.")
    ] = None,
    show: Annotated[
        str | None,
        typer.Option(metavar="ATTACK", help="Show examples of one attack; try only it (and doing nothing)."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the attacks and exit.")] = False,
    arguments: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Your own arguments with honest edits, instead of the built-in ones."),
    ] = None,
    attacks: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Additional attacks: lines {attack, id, completion}."),
    ] = None,
    profile: Profile = None,
    model: Models = None,
    device: Device = "auto",
    dtype: DType = "auto",
    cache: Cache = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Can a suite be gamed? Score attacks beside honest edits, or look for reward hacking in a scored file or training log.

    Exit code 1: the suite prefers an attack to honest edits, a held-out reward got worse (--against), or something could
    not be scored or read.
    """
    if list_:
        _list()
        return
    target = _target(out, [path for path in (file, against, suite and Path(suite), arguments, attacks) if path])
    settings, models = parse_settings(set_ or ()), parse_models(model)
    plan = SuitePlan(suite, (), settings, profile, models, device, dtype, cache=cache)
    attempt = Attempt(
        plan, tuple(dict.fromkeys([*(only or ()), *([show] if show else [])])), show, arguments, attacks, quiet
    )
    _check(file, against, attempt)
    records: list[dict[str, Any]] = []
    passed = True
    if file is not None:
        record, passed = _files(file, against)
        records.append(record)
    if file is None or suite is not None:
        record, holds = _attack(attempt)
        records.append(record)
        passed = passed and holds
    if target is not None:
        _write(target, records[0] if len(records) == 1 else {"kind": "several", "reports": records})
    if not passed:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What to attack, and with what."""

    plan: SuitePlan
    only: tuple[str, ...]
    show: str | None
    arguments: Path | None
    attacks: Path | None
    quiet: bool


def _check(file: Path | None, against: Path | None, attempt: Attempt) -> None:
    if against is not None and file is None:
        raise ConfigError("--against compares FILE with another: give both, rewards audit AFTER --against BEFORE")
    plan = attempt.plan
    about = {
        "--set": plan.settings, "--show" if attempt.show else "--only": attempt.only, "--arguments": attempt.arguments,
        "--attacks": attempt.attacks, "--profile": plan.profile, "--model": plan.models,
    }  # fmt: skip
    given = [name for name, value in about.items() if value]
    if file is not None and plan.suite is None and given:
        raise ConfigError(
            f"{', '.join(given)}: with FILE no suite is attacked; name one with --suite, or leave out FILE"
        )


def _list() -> None:
    from rewards_audit.attacks import BUILTIN
    from rewards_audit.show import print_attacks

    print_attacks(BUILTIN)


def _files(file: Path, against: Path | None) -> tuple[dict[str, Any], bool]:
    """Print the report on one file, or on its comparison with another; return it as a record, and whether it passed."""
    from rewards_audit import show_files
    from rewards_audit.compare import compare
    from rewards_audit.observations import observe
    from rewards_audit.trends import examine

    if against is None:
        report = examine(observe(file))
        show_files.print_file(report)
        return report.to_record(), report.passed
    comparison = compare(observe(file), observe(against))
    show_files.print_comparison(comparison)
    return comparison.to_record(), comparison.passed


def _attack(attempt: Attempt) -> tuple[dict[str, Any], bool]:
    """Attack a suite and print the report; return it as a record, and whether it passed."""
    # Imported here, as everywhere in this file: `rewards --help` must not pay for pydantic and numpy.
    from rewards.cli.progress import counting
    from rewards_audit import show
    from rewards_audit.audit import audit as attack_suite
    from rewards_audit.cases import BUILTIN, read_cases

    cases = read_cases(attempt.arguments or BUILTIN)
    tried, extra = _chosen(attempt.only, _own(attempt.attacks, cases) if attempt.attacks else [])
    suite = attempt.plan.load()
    with counting("attacking", "completions", attempt.quiet) as progress:
        report = attack_suite(suite, cases, tried, extra, progress)
    if attempt.show:
        show.print_examples(report, attempt.show)
    else:
        show.print_report(report, suite)
    return report.to_record(), report.passed


def _chosen(names: Sequence[str], own: list[Plan]) -> tuple[tuple[Attack, ...], list[Plan]]:
    """The attacks with these names, built-in ones and the user's; without names, all of them."""
    from rewards_audit.attacks import BUILTIN

    known = {each.name: each for each in BUILTIN}
    mine = {name for name, *_ in own}
    for name in names:
        if name not in known and name not in mine:
            hint = nearest(name, [*known, *mine])
            raise ConfigError(f"no attack is called {name!r}{hint}; rewards audit --list names them")
    if not names:
        return BUILTIN, own
    return tuple(known[name] for name in names if name in known), [plan for plan in own if plan[0] in names]


def _own(path: Path, cases: Sequence[Case]) -> list[Plan]:
    """The user's attacks in the file. Raises ConfigError with the line where one cannot be used."""
    from rewards.errors import RecordError
    from rewards.files.reading import read_lines
    from rewards_audit.attacks import BUILTIN
    from rewards_audit.audit import HONEST, NOTHING, WEAKER

    known = {case.id: case for case in cases}
    taken = {each.name for each in BUILTIN} | {HONEST, WEAKER, NOTHING}
    plans: dict[tuple[str, str], Plan] = {}
    for line in read_lines(str(path)):
        try:
            if line.error is not None:
                raise line.error
            name, identifier, completion = (_field(line.record, key) for key in ("attack", "id", "completion"))
            if name in taken:
                raise RecordError(f"{name!r} is the name of a built-in attack", "attack")
            if identifier not in known:
                raise RecordError(f"no argument is called {identifier!r}{nearest(identifier, known)}", "id")
            if (name, identifier) in plans:
                raise RecordError(
                    f"{name!r} is tried on {identifier!r} already; give each try a name of its own", "attack"
                )
        except RecordError as error:
            raise ConfigError(f"{path}, line {line.number}: {error}") from error
        plans[name, identifier] = (name, known[identifier], completion)
    return list(plans.values())


def _field(record: Any, key: str) -> str:
    from rewards.errors import RecordError

    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, str):
        raise RecordError("expected {attack, id, completion}, three texts", key)
    return value


def _target(out: Path | None, read: Sequence[Path]) -> Path | None:
    """The file to write. Raises ConfigError, before the slow scoring, where it has no folder or would replace an input."""
    if out is None:
        return None
    path = out / "audit.json" if out.is_dir() else out
    if not path.parent.is_dir():
        raise ConfigError(f"-o {out}: the folder {path.parent} does not exist")
    for one in (*read, *(beside(each, header_path) for each in read)):
        if path.exists() and one.exists() and path.samefile(one):
            raise ConfigError(f"-o {out} would replace {one}, which is read; give another name")
    return path


def _write(path: Path, record: dict[str, Any]) -> None:
    import orjson

    try:
        with replacing(path) as file:
            file.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise RewardsError(f"-o {path} cannot be written: {error.strerror or error}") from error
