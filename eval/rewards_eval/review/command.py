"""`rewards review`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rewards.cli.terminal import print_table
from rewards.errors import ConfigError
from rewards.paths import as_text
from rewards.text.plain import plain


def review(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Scored files; with --agreement, files of decisions.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File of decisions. [default: FILE.decisions.jsonl, with --compare FILE.comparison.jsonl]",
        ),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Name of a system, one for each FILE in order. [default: the file's]")
    ] = None,
    reviewer: Annotated[str | None, typer.Option(help="Who decides. [default: the login name]")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show two systems' results side by side, without their names.")
    ] = False,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Print how well the reviewers in these files of decisions agree.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed for sides and order of --compare, and intervals of --agreement.")
    ] = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 picks one.")] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Accept, reject or amend suggestions on a local page; every decision is saved at once.

    The page is served to this machine only. Stop with Ctrl-C; repeat the command to continue.
    """
    if agreement:
        if compare or out or name:
            raise ConfigError("--agreement reads files of decisions; leave out --compare, --out and --name")
        _print_agreement(files, seed)
        return
    if compare and len(files) != 2:
        raise ConfigError(f"--compare takes two files, one of each system; {len(files)} given")
    _serve(files, name or [], out or _beside(files[0], compare), _reviewer(reviewer), compare, seed, port, open_)


def _serve(
    files: list[Path], names: list[str], out: Path, reviewer: str, compare: bool, seed: int, port: int, open_: bool
) -> None:
    import zlib

    from rewards_eval.review.journal import Journal, latest
    from rewards_eval.review.server import serve_at
    from rewards_eval.review.session import Comparison, Review, Session
    from rewards_eval.review.sources import read_sources

    sources = read_sources(files, names)
    if any(out.exists() and out.samefile(path) for path in files):
        raise ConfigError(f"-o {out} is one of the scored files; give another name")
    session: Session = Comparison(sources, reviewer, seed) if compare else Review(sources, reviewer)
    journal = Journal(out)
    # The port follows from the file of decisions, so that an open page finds a restarted server.
    preferred = 49152 + zlib.crc32(str(out.resolve()).encode()) % 16000
    with serve_at(session, journal, port, preferred) as server:
        decided, total = session.covered(journal.lines)
        print(plain(f"{decided:,} of {total:,} decided by {reviewer}; decisions in {out}"), file=sys.stderr)
        strange = sum(line["reviewer"] == reviewer for line in latest(journal.lines)) - decided
        if strange:
            print(f"{strange:,} decisions in it are on other suggestions than these; they are kept", file=sys.stderr)
        try:
            print(server.url, flush=True)
            if open_ and not server.open():
                print("no browser could be opened; open the address above", file=sys.stderr)
            server.serve_forever()
        except KeyboardInterrupt:
            decided, total = session.covered(journal.lines)
            print(plain(f"\n{decided:,} of {total:,} decided by {reviewer}; decisions in {out}"), file=sys.stderr)
        finally:
            journal.close()


def _beside(file: Path, compare: bool) -> Path:
    if file.is_dir():
        raise ConfigError(f"{file} is a folder; give a scored file")
    stem = file.name.removesuffix(".gz").removesuffix(".jsonl")
    return file.with_name(f"{stem}.{'comparison' if compare else 'decisions'}.jsonl")


def _reviewer(stated: str | None) -> str:
    import getpass

    if stated is not None:
        if not stated.strip():
            raise ConfigError("--reviewer is empty; say who decides")
        return as_text(stated.strip())
    try:
        return getpass.getuser()
    except (ImportError, OSError, KeyError) as error:  # ImportError on Windows
        raise ConfigError("the login name is not known here; give --reviewer NAME") from error


def _print_agreement(files: list[Path], seed: int) -> None:
    from collections import Counter

    from rewards_eval.review.agreement import agreements, read_reviews

    lines = read_reviews(files)
    counts = Counter((line["reviewer"], line["kind"]) for line in lines)
    print_table(
        "decisions",
        ["reviewer", "on", "decisions"],
        [[who, f"{kind}s", f"{count:,}"] for (who, kind), count in sorted(counts.items())],
        wraps="reviewer",
    )
    rows = [
        [
            found.question,
            _number(found.alpha),
            f"{_number(found.low)} to {_number(found.high)}" if found.low is not None else "",
            "" if found.same is None else f"{found.same:.1%}",
            f"{found.units:,}",
        ]
        for found in agreements(lines, seed)
    ]
    print_table("agreement", ["question", "alpha", "95 % interval", "same verdict", "n"], rows, wraps="question")
    print("alpha: Krippendorff's, nominal; n: judged by two or more people; same verdict: share of pairs of people")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
