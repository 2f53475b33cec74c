"""Runs the fit of a reward: checks options, lets it write to a temporary folder, completes the card, moves the folder."""

from __future__ import annotations

import datetime
import inspect
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewards.errors import ConfigError, PluginError, RewardsError, failing_as, nearest, tell
from rewards.fitting import Job, sources
from rewards.fitting.calibrate import threshold_fit
from rewards.fitting.params import CARD, load_params, read_card, rewards_of
from rewards.fitting.unseen import Unseen
from rewards.models.specs import DEFAULT_PROFILE
from rewards.paths import file_digest
from rewards.plugins import registry
from rewards.versions import versions

if TYPE_CHECKING:
    from rewards.contract import Reward
    from rewards.engine.engine import Engine

LIBRARIES = ("numpy", "scikit-learn", "torch", "transformers", "peft")


def run(
    name: str,
    files: Sequence[Path],
    out: Path,
    options: Mapping[str, Any],
    seed: int,
    engine: Engine,
    say: Callable[[str], None],
    unseen: Path | None = None,
) -> dict[str, Any]:
    """Run the fit, write its files to `out` and return its card; where it fails, `out` stays as it was. Raises ConfigError.

    Files that were written before an error are kept, and a note of the error names their folder. Rows that share eight
    words in a row with the test rows of `unseen` are left out.
    """
    reward, origin = registry().reward(name)
    fit = fit_of(reward)
    chosen, stated = _options(name, fit, options)
    calibrates = reward.fitter is None or reward.fitter.any_models
    if not calibrates and (engine.profile != DEFAULT_PROFILE or engine.models):
        raise ConfigError(f"the fit of {name!r} reads no models but its own: leave out --profile and --model")
    engine.check_roles(model.role for model in reward.models)
    described = _all_described("--data", files)  # before the fit, in the state that it will read
    described_unseen = _all_described("--unseen", [unseen] if unseen else [])
    kept = Unseen.of(unseen, chosen) if unseen else None
    out = out.resolve()
    folder = _scratch(out, name)
    try:
        fitted = _fitted(f"{name!r} of {origin.of}", fit, Job(tuple(files), folder, engine, seed, say, kept), chosen)
        card = {
            "reward": name,
            **fitted,
            **({"profile": engine.profile, "models": list(engine.describe()["models"])} if calibrates else {}),
            "data": described,
            **({"unseen": described_unseen[0]} if described_unseen else {}),
            "options": stated,
            "seed": seed,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "versions": {origin.distribution: origin.version, **versions(LIBRARIES)},
        }
        text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / CARD).write_text(text + "\n", encoding="utf-8")
        _check_usable(f"{name!r} of {origin.of}", reward, folder)
    except BaseException as error:
        shown = error
        if isinstance(error, OSError):
            shown = RewardsError(f"{error.filename or out}: {error.strerror or error}")
        if any(folder.iterdir()):
            shown.add_note(f"what was fitted before this stopped is kept in {folder}")
        else:
            folder.rmdir()
        if shown is error:
            raise
        raise shown from error
    _move(folder, out, name)
    return card


def _fitted(who: str, fit: Callable[..., Any], job: Job, options: Mapping[str, Any]) -> dict[str, Any]:
    """Run the fit and return its card as plain JSON values; check that it wrote nothing but safetensors files.

    Any exception but a RewardsError or OSError, which users can act on, becomes a PluginError that names the fit.
    """

    def failed(error: BaseException) -> PluginError:
        return PluginError(f"the fit of {who} failed: {tell(error)}; REWARDS_DEBUG=1 shows where")

    with failing_as(failed, RewardsError, OSError):
        card = fit(job, **options)
        if not isinstance(card, Mapping):
            raise TypeError(f"it returned {type(card).__name__}; expected the card, a mapping")
        stated: dict[str, Any] = json.loads(json.dumps({**card}, allow_nan=False, default=_number))
    if job.unseen is not None and not job.unseen.used:
        raise PluginError(f"the fit of {who} does not read its data with `job.rows()`: --unseen has no effect on it")
    others = [path.name for path in sorted(job.out.iterdir()) if path.suffix != ".safetensors" or not path.is_file()]
    if others:
        raise PluginError(f"the fit of {who} wrote {others[0]!r}; parameters are safetensors files without folders")
    return stated


def _check_usable(who: str, reward: Reward, folder: Path) -> None:
    """Raise PluginError where the reward cannot be loaded with the fitted parameters."""
    try:
        load_params(reward, folder)
    except RewardsError as error:
        raise PluginError(f"the fit of {who} wrote what cannot be used: {error}") from error


def _number(value: Any) -> Any:
    """A numpy or torch scalar as a plain number, for `json.dumps`."""
    if callable(item := getattr(value, "item", None)):
        return item()
    raise TypeError(f"{type(value).__name__} is nothing that JSON can hold")


def _scratch(out: Path, name: str) -> Path:
    """A new empty folder beside `out`. Raises ConfigError where `out` holds anything that no fit of this reward wrote."""
    _check_replaceable(out, name)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise ConfigError(f"-o {out} cannot be written: {error.strerror or error}") from error


def _check_replaceable(out: Path, name: str) -> None:
    """Raise ConfigError where `out` is neither empty nor an earlier fit of the same reward with nothing else beside it."""
    try:
        found = sorted(path.name for path in out.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"-o {out} cannot be replaced: {error.strerror or error}") from error
    # Without a card even safetensors files are refused: they may be somebody's model.
    strangers = [name for name in found if CARD not in found or not (name == CARD or name.endswith(".safetensors"))]
    if strangers:
        raise ConfigError(f"-o {out} holds {strangers[0]!r}, which no fit wrote; give another name")
    if found:
        _check_fit_of(out, name)


def _check_fit_of(out: Path, name: str) -> None:
    """Raise ConfigError where the card in `out` is not of a fit of this reward: another fit may have taken hours."""
    try:
        card = read_card(out)
    except ConfigError as error:
        raise ConfigError(f"-o {out} may hold a fit of another reward: {error}; give another -o") from error
    fitted = rewards_of(card)
    if not fitted:
        raise ConfigError(f"-o {out} holds a {CARD} that states no reward, which no fit wrote; give another -o")
    if name not in fitted:
        names = ", ".join(map(repr, fitted))
        raise ConfigError(f"-o {out} holds a fit of {names}, which one of {name!r} would replace; give another -o")


def _move(folder: Path, out: Path, name: str) -> None:
    """Move the finished folder to `out`; an earlier fit there is deleted after that.

    Raises ConfigError where something else was put there since the fit began.
    """
    try:
        _check_replaceable(out, name)
    except ConfigError as error:
        error.add_note(f"what was fitted is kept in {folder}")
        raise
    for file in folder.iterdir():
        file.chmod(0o644)
    folder.chmod(0o755)
    old = None
    if out.exists():
        old = folder.with_name(f"{folder.name}-old")
        out.replace(old)
    folder.replace(out)
    if old is not None:
        shutil.rmtree(old)


def fit_of(reward: Reward) -> Callable[..., Any]:
    """The function that `rewards fit` runs for a reward: its own, or one that only calibrates a threshold."""
    return reward.fitter.fit if reward.fitter else threshold_fit(reward.name)


def options_of(name: str, fit: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """Type and default of each option of a fit: its keyword-only parameters. Raises PluginError where a type is missing."""
    try:
        parameters = inspect.signature(fit, eval_str=True).parameters
    except (NameError, TypeError, ValueError) as error:
        raise PluginError(
            f"the fit of {name!r}: its options cannot be read ({type(error).__name__}: {error}); what their types name must"
            " be imported outside `if TYPE_CHECKING:`"
        ) from error
    known = {
        key: (one.annotation, ... if one.default is one.empty else one.default)
        for key, one in parameters.items()
        if one.kind is one.KEYWORD_ONLY
    }
    for key, (kind, _) in known.items():
        if kind is inspect.Parameter.empty:
            raise PluginError(f"the fit of {name!r}: its option {key!r} has no type annotation; add one")
    return known


def _options(name: str, fit: Callable[..., Any], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """All options of the fit, those given checked and converted, the others by default; and the same as JSON values."""
    from pydantic import ConfigDict, PydanticUserError, ValidationError, create_model
    from pydantic_core import PydanticSerializationError

    from rewards.config import check_number

    known = options_of(name, fit)
    for key in given:
        if key not in known:
            takes = ", ".join(known) or "none"
            raise ConfigError(f"fitting {name!r} has no option {key!r}{nearest(key, known)}; it takes {takes}")
    fields: dict[str, Any] = known
    try:
        parsed = create_model("Options", __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)(**given)
        for key, value in given.items():
            check_number(f"fitting {name!r}, option {key!r}", value, getattr(parsed, key))
        return {key: getattr(parsed, key) for key in known}, parsed.model_dump(mode="json", warnings=False)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"fitting {name!r}, option {first['loc'][0]!r}: {first['msg']} (given: {first['input']!r:.100})"
        ) from error
    except (PydanticUserError, PydanticSerializationError) as error:
        raise PluginError(f"the fit of {name!r}: an option has a type that no card can hold ({error})") from error


def _all_described(option: str, files: Sequence[Path]) -> list[dict[str, Any]]:
    """The card's entry for each file. Raises ConfigError for one that is missing, cannot be read twice or equals another."""
    found: dict[str, Path] = {}
    described = []
    for file in files:
        if str(file) == "-":
            raise ConfigError(f"{option} -: a fit reads its files more than once, so none can be standard input")
        if not file.exists():
            raise ConfigError(f"{option} {file}: no such file")
        if not file.is_file():
            raise ConfigError(f"{option} {file}: a fit reads its files more than once, so they must be regular files")
        digest = file_digest(file)
        if digest in found:
            raise ConfigError(f"{option} {file} holds the same as {found[digest]}: every row would count twice")
        found[digest] = file
        described.append({"file": file.name, "sha256": digest, **sources.describe(digest)})
    return described
