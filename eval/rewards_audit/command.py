"""`rewards audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewards.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards_audit.attacks.attack import Attack
    from rewards_audit.audit import Plan
    from rewards_audit.cases import Case


def audit(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A file that `rewards score` wrote, or a training log.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="Attack this suite, a name or a YAML file. [default: default, without FILE]")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.KEY=VALUE", help="Set a reward's argument, gate, weight or threshold."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write everything as JSON to this file, or into this folder.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare FILE with this one: the same inputs before training, say.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="ATTACK", help="Only this attack. Repeatable.")] = None,
    show: Annotated[
        str | None, typer.Option(metavar="ATTACK", help="Show examples of one attack, and only try it.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the attacks, and try none.")] = False,
    arguments: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Your own arguments with honest edits, in the place of ours."),
    ] = None,
    attacks: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Attacks of your own besides: lines {attack, id, completion}."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Models: embedded or full. [default: the suite's]")] = None,
    model: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=MODEL", help="Hub id or folder for a model's role. Repeatable.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    cache: Annotated[Path | None, typer.Option(help="Folder for a cache of features that outlives the run.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Can a suite be gamed? Score attacks beside honest edits, or say what a scored file or training log shows of it.

    Exit code 1 where the suite prefers an attack to honest edits, a held-out reward fell (--against), or something could
    not be scored or read.
    """
    # Imported here: `rewards --help` must not pay for pydantic and numpy.
    from rewards_audit import show as tables

    if list_:
        tables.print_attacks(_attacks(None))
        return
    if against is not None and file is None:
        raise ConfigError("--against compares FILE with another: give both, rewards audit AFTER --against BEFORE")
    records: list[dict[str, Any]] = []
    passed = True
    if file is not None:
        record, passed = _files(file, against)
        records.append(record)
    if file is None or suite is not None:
        record, won = _suite(suite or "default", locals())
        records.append(record)
        passed = passed and won
    if out is not None:
        _write(out, records[0] if len(records) == 1 else {"kind": "several", "reports": records})
    if not passed:
        raise typer.Exit(1)


def _files(file: Path, against: Path | None) -> tuple[dict[str, Any], bool]:
    """The report on one file, or on one beside another, printed; and whether nothing speaks against it."""
    from rewards_audit import show_files
    from rewards_audit.compare import compare
    from rewards_audit.observations import observe
    from rewards_audit.trends import examine

    if against is None:
        report = examine(observe(file))
        show_files.print_file(report)
        return report.to_record(), report.unread == 0
    comparison = compare(observe(file), observe(against))
    show_files.print_comparison(comparison)
    return comparison.to_record(), comparison.passed


def _suite(name: str, options: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The report on a suite under attack, printed; and whether it holds."""
    from rewards.cli.options import build_engine
    from rewards.cli.score import parse_settings
    from rewards.suite import load_suite
    from rewards_audit import show as tables
    from rewards_audit.audit import audit as attack_suite
    from rewards_audit.cases import BUILTIN, read_cases

    engine = build_engine(
        options["device"], options["dtype"], 0, options["cache"], options["model"] or (), options["profile"]
    )
    chosen = load_suite(name, settings=parse_settings(options["set_"] or ()), engine=engine, profile=options["profile"])
    shown = options["show"]
    cases = read_cases(options["arguments"] or BUILTIN)
    tried = _attacks([shown] if shown else options["only"])
    extra = _own(options["attacks"], cases) if options["attacks"] else []
    with tables.counting(options["quiet"]) as progress:
        report = attack_suite(chosen, cases, tried, extra, progress)
    if shown:
        tables.print_examples(report, shown)
    else:
        tables.print_report(report, chosen)
    return report.to_record(), report.passed


def _attacks(names: Sequence[str] | None) -> tuple[Attack, ...]:
    """The built-in attacks of these names; all without any."""
    from rewards_audit.attacks import BUILTIN

    known = {each.name: each for each in BUILTIN}
    for name in names or ():
        if name not in known:
            raise ConfigError(f"no attack is called {name!r}{nearest(name, known)}; rewards audit --list names them")
    return tuple(known[name] for name in names) if names else BUILTIN


def _own(path: Path, cases: Sequence[Case]) -> list[Plan]:
    """The user's attacks: which row, which argument, which completion."""
    from rewards.errors import RecordError
    from rewards.files.reading import read_lines

    known = {case.id: case for case in cases}
    plans = []
    for line in read_lines(str(path)):
        if line.error is not None:
            raise ConfigError(f"{path}, line {line.number}: {line.error}") from line.error
        try:
            fields = [
                line.record.get(key) if isinstance(line.record, dict) else None
                for key in ("attack", "id", "completion")
            ]
            if not all(isinstance(field, str) for field in fields):
                raise RecordError("expected {attack, id, completion}, three texts")
            name, identifier, completion = (str(field) for field in fields)
            if identifier not in known:
                raise RecordError(f"no argument is called {identifier!r}{nearest(identifier, known)}", "id")
        except RecordError as error:
            raise ConfigError(f"{path}, line {line.number}: {error}") from error
        plans.append((name, known[identifier], completion))
    return plans


def _write(out: Path, record: dict[str, Any]) -> None:
    import orjson

    path = out / "audit.json" if out.is_dir() else out
    if not path.parent.is_dir():
        raise ConfigError(f"-o {out}: the folder {path.parent} does not exist")
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(
            orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
        )
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"-o {path} cannot be written: {error.strerror or error}") from error
