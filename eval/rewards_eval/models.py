"""The parts of an evaluation that use models: scoring unscored files, and measuring what records lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewards.cli.progress import counting
from rewards.engine.engine import Engine
from rewards.engine.roles import fill
from rewards.files.reading import read_header
from rewards.models import folders, keys
from rewards.models.specs import Derived
from rewards.paths import user_path
from rewards.plan import SuitePlan
from rewards.versions import versions
from rewards_eval import judges, roles, scoring
from rewards_eval.systems import ScoredFile, System
from rewards_eval.values import References

if TYPE_CHECKING:
    from rewards.suite import Suite


class Models:
    """Scores and measures for an evaluation; each model is loaded on first use."""

    def __init__(self, plan: SuitePlan, folder: Path, quiet: bool) -> None:
        self._plan = plan
        self._folder = folder
        self._quiet = quiet
        self._scored = False
        self._header: Mapping[str, Any] | None = None  # the header of measured.jsonl, from this run or an earlier one

    @cached_property
    def _suite(self) -> Suite:
        given = self._engine.models  # the engine first: it checks the options
        known = self._plan.load(Engine()).roles()
        chosen = {role: name for role, name in given.items() if role in known}
        return self._plan.load(replace(self._engine, models=chosen))

    @cached_property
    def _engine(self) -> Engine:
        plan = self._plan
        return replace(plan, dtype=judges.precision(plan.device, plan.dtype)).engine()

    def score(self, file: str, name: str) -> ScoredFile:
        """The scored file of an unscored one, kept in the folder."""
        self._scored = True
        return scoring.score_file(file, name, self._suite, self._settings(), self._folder, self._quiet)

    def measure(self, systems: Sequence[System], references: References) -> list[System]:
        """The systems with `details.evaluation` in every record; the results are kept in the folder."""
        from rewards_eval import measure

        found = roles.find()
        known = {model.role for model in found.models}
        if self._scored:
            known |= self._suite.roles()
        self._engine.check_roles(known)
        with counting("measuring", "records", self._quiet) as progress:
            path = self._folder / "measured.jsonl"
            measured = measure.measure(systems, self._engine, found, references, path, self._measuring(), progress)
        self._header = read_header(path) or {}
        return measured

    def check(self, systems: Sequence[tuple[str, str]], references: References, *, scored_here: bool) -> None:
        """Raise RewardsError where the folder holds measurements of other systems (name, digest of the file) or settings.

        `scored_here`: whether any of the files has to be scored first.
        """
        from rewards_eval import measure

        self._scored = scored_here
        measure.check(systems, references, self._folder / "measured.jsonl", self._measuring())

    def _measuring(self) -> dict[str, Any]:
        """What measurements depend on: settings, models, and the suite, if it decided here which edits are accepted."""
        specs = [fill(model, self._engine.profile, self._engine.models) for model in roles.find().models]
        used = [spec.digest if isinstance(spec, Derived) else [str(spec.source), keys.settings(spec)] for spec in specs]
        suite = {"suite": scoring.described(self._suite)} if self._scored else {}
        return {**self._settings(), "judges": used, **suite}

    def _settings(self) -> dict[str, Any]:
        """The settings that results depend on: profile, device, precision, given models, and versions of packages."""
        plan = self._plan
        named = [[role, name, *_digest_of(name)] for role, name in sorted(self._engine.models.items())]
        return {"engine": [plan.profile, plan.device, plan.dtype, named], "versions": versions()}

    def describe(self, systems: Sequence[System]) -> dict[str, Any]:
        """The suite and models that the numbers come from, as far as file headers and this run state them."""
        files = {system.name: _of_header(system.header) for system in systems if system.header}
        own = {"name": self._suite.name if self._scored else None, "scored_with": files}
        if self._header is None:
            return own
        return own | {
            "measured_with": {key: self._header.get(key) for key in ("profile", "models", "roles", "versions")}
        }

    def notes(self) -> list[str]:
        """Notes for the report on how texts were measured."""
        if self._header is None:
            return []
        cut = sum(one["truncated_texts"] for one in self._header.get("models", {}).values())
        found = [f"Measured with the {self._engine.profile} models: Sim, PPL, App and the effects of single edits."]
        if self._engine.profile == "embedded":
            found.append(
                "Embedded models are small stand-ins: their Sim and PPL must not be compared with published tables."
            )
        elif not roles.is_rescaled(roles.find(), self._engine):
            found.append("Sim is not rescaled: no baseline is known for the model given with --model bertscore=….")
        return found + ([f"{cut:,} texts were longer than a model reads, and were cut."] if cut else [])


def _of_header(header: Any) -> dict[str, Any]:
    return {
        key: header[key] for key in ("suite", "profile", "models", "rewards", "versions", "created") if key in header
    }


def _digest_of(name: str) -> list[str]:
    """The digest of a model that is a folder, whose files can change under the same name; [] for any other model."""
    folder = user_path(name)
    return [folders.digest(folder)] if folder.is_dir() else []
