"""`rewards edit`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewards.cli.options import Cache, Device, Limit, Profile, Resume, Settings, countable, parse_settings
from rewards.cli.terminal import stop_where_complete
from rewards.errors import ConfigError
from rewards.plan import SuitePlan, parse_models
from rewards.versions import versions

if TYPE_CHECKING:
    from rewards_edit.job import EditTally, Work
    from rewards_edit.policy import Sampling

SEVERAL = 0.8  # the default temperature where several completions are drawn, since they should differ


def edit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSONL, JSONL.gz or Parquet; - for standard input.")],
    model: Annotated[
        str,
        typer.Option(metavar="MODEL", help="A folder, a hub id, or an embedded model, such as smollm2-135m-instruct."),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Result file. [default: standard output]")] = None,
    adapter: Annotated[Path | None, typer.Option(help="Folder of a PEFT adapter for the model.")] = None,
    format: Annotated[str, typer.Option(help="Format to ask the model for.")] = "tracked_changes",
    rounds: Annotated[
        int, typer.Option(min=1, callback=countable, help="Feed the edited argument back, up to N rounds in total.")
    ] = 1,
    num_samples: Annotated[
        int, typer.Option(min=1, callback=countable, help="Independent results for each argument.")
    ] = 1,
    best_of: Annotated[
        int,
        typer.Option(
            min=1, callback=countable, help="Completions per round; the one that the suite scores best is taken."
        ),
    ] = 1,
    suite: Annotated[str, typer.Option(help="Suite whose gates accept edits: a name, or a YAML file.")] = "default",
    set_: Settings = None,
    profile: Profile = None,
    reward_model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=MODEL", help="Fill a role of the suite's models with a hub id or folder. Repeatable."
        ),
    ] = None,
    cache: Cache = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="0 is greedy decoding. [default: 0; 0.8 if several are drawn]")
    ] = None,
    top_p: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Nucleus sampling: cumulative probability to keep.")
    ] = 1.0,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, callback=countable, help="Maximum number of tokens in a completion.")
    ] = 1024,
    seed: Annotated[int, typer.Option(callback=countable, help="Random seed.")] = 0,
    backend: Annotated[str, typer.Option(help="transformers, or vllm if it is installed.")] = "transformers",
    device: Device = "auto",
    dtype: Annotated[str, typer.Option(help="Precision of the model: auto, float32, bfloat16 or float16.")] = "auto",
    resume: Resume = False,
    limit: Limit = None,
    batch_size: Annotated[
        int,
        typer.Option(min=1, callback=countable, help="Output records to make together; the unit that --resume keeps."),
    ] = 32,
    token_budget: Annotated[
        int,
        typer.Option(
            min=0, callback=countable, help="Tokens per batch, with padding and answers; 0 chooses by device."
        ),
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no closing lines.")] = False,
) -> None:
    """Let a model edit the arguments in FILE: one record per argument (and sample), in order, for `rewards score`."""
    from rewards.files.targets import target_of  # here and below: `rewards --help` must not pay for it
    from rewards.files.writing import finished
    from rewards_edit.policy import Sampling

    several = num_samples > 1 or best_of > 1
    drawn = temperature if temperature is not None else SEVERAL if several else 0.0
    _check(several, drawn, top_p, backend, dtype)
    out = target_of(file, out, resume)
    sampling = Sampling(drawn, top_p, max_new_tokens, seed)
    settings, models = parse_settings(set_ or ()), parse_models(reward_model, "--reward-model")
    plan = SuitePlan(suite, (), settings, profile, models, device, cache=cache)
    counts = (rounds, num_samples, best_of)
    work = _work(plan, model, adapter, format, sampling, counts, backend, dtype, token_budget)
    fingerprint = _fingerprint(work, file, limit)
    if resume and out is not None:
        stop_where_complete(out, finished(out, fingerprint, batch_size))
    tally = _run(work, file, out, fingerprint, limit, batch_size, resume, quiet)
    if tally.failed or tally.rejected:
        raise typer.Exit(1)


def _check(several: bool, temperature: float, top_p: float, backend: str, dtype: str) -> None:
    from rewards.models.specs import DTYPES
    from rewards_edit.policy import BACKENDS

    if math.isinf(temperature):
        raise ConfigError("--temperature inf: expected a finite number")
    if several and not temperature:
        raise ConfigError("--temperature 0 draws the same completion every time: leave out --num-samples and --best-of")
    if not top_p:
        raise ConfigError("--top-p 0 leaves no token to draw; --temperature 0 takes the likeliest")
    if backend not in BACKENDS:
        raise ConfigError(f"--backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    if dtype not in DTYPES:
        raise ConfigError(f"--dtype {dtype!r}: expected one of {', '.join(DTYPES)}")


def _work(
    plan: SuitePlan,
    model: str,
    adapter: Path | None,
    format: str,
    sampling: Sampling,
    counts: tuple[int, int, int],
    backend: str,
    dtype: str,
    token_budget: int,
) -> Work:
    """The work that the options describe. Loads the suite first: errors in settings should show before the model is read."""
    from rewards import prompts
    from rewards.plugins import registry
    from rewards_edit.job import Work
    from rewards_edit.policy import find
    from rewards_edit.rounds import EditingSetup

    rounds, samples, best_of = counts
    edit_format = registry().format(format)
    prompts.check(edit_format)
    chosen = plan.load()
    if best_of > 1 and not any(component.weight for component in chosen.components):
        raise ConfigError(f"--best-of {best_of}: suite {chosen.name!r} pays for nothing, so none is the best")
    files = find(model, adapter)
    if backend == "vllm":
        from rewards_edit.vllm import VLLM

        policy: Any = VLLM(files, dtype, sampling.seed)
    else:
        from rewards_edit.generation import Generator  # imports torch and transformers

        policy = Generator(files, plan.device, dtype, token_budget)
    setup = EditingSetup(edit_format, chosen, sampling, rounds, best_of)
    model_of = {**files.describe(), "backend": policy.backend, "token_budget": token_budget}
    return Work(setup, policy, files.full_name, model_of, samples)


def _fingerprint(work: Work, file: str, limit: int | None) -> dict[str, Any]:
    from rewards.files.reading import identity
    from rewards_edit.job import stated

    return {
        "job": [identity(file), limit],
        "edit": stated(work),
        "suite": work.plan.suite.identify(),
        "versions": versions(),
    }


def _run(
    work: Work,
    file: str,
    out: Path | None,
    fingerprint: dict[str, Any],
    limit: int | None,
    batch_size: int,
    resume: bool,
    quiet: bool,
) -> EditTally:
    from rewards.cli.progress import Display
    from rewards.cli.terminal import results_alone
    from rewards.files.pipeline import FileJob
    from rewards.files.sink import Sink, Stream
    from rewards.files.writing import File
    from rewards.text.plain import plain
    from rewards_edit.job import EditTally, run

    tally = EditTally()
    sink: Sink = File(out, fingerprint, batch_size, resume, tally.add) if out else Stream()
    with results_alone(), Display(file, quiet, "editing", "tokens") as display:
        try:
            job = FileJob(file, work.plan.suite, work.plan.format.name, limit, batch_size)
            header = run(job, work, sink, tally, display.report, display.on_texts)
        except BaseException:
            sink.abandon()
            raise
    if not quiet:
        for line in _closing(tally, header["seconds"], out):
            print(plain(line), file=sys.stderr)
    return tally


def _closing(tally: EditTally, seconds: float, out: Path | None) -> list[str]:
    from rewards.files.reading import rejected_path

    lines = [
        f"{tally.records:,} records: {tally.edited:,} edited, {tally.unchanged:,} unchanged, {tally.failed:,} failed;"
        f" {tally.rejected:,} rejected",
        f"{tally.edits:,} edits stated: {tally.valid:,} valid, {tally.accepted:,} accepted;"
        f" {tally.cut:,} completions cut at the limit of tokens",
    ]
    lines += [f"{count:,}×: {reason}" for reason, count in tally.reasons.most_common(5)]
    lines += [f"rejected {count:,}×: {reason}" for reason, count in tally.rejections.most_common(5)]
    lines.append(f"{seconds:.1f} s" + (f"; results in {out}" if out else ""))
    if tally.rejected and out:
        lines.append(f"rejected lines, with the reason for each, in {rejected_path(out)}")
    return lines
