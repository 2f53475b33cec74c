"""The models of an evaluation: the suite that scores what is unscored, and the measuring of what records do not say."""

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
    """Whatever of an evaluation needs models; none is loaded before it is needed."""

    def __init__(self, plan: SuitePlan, folder: Path, quiet: bool) -> None:
        self._plan = plan
        self._folder = folder
        self._quiet = quiet
        self._scored = False
        self._header: Mapping[str, Any] | None = None  # of measured.jsonl: how it was made, now or by an earlier run

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
        """The systems with what models say of each record, kept in the folder."""
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
        """What measurements depend on: the settings, what measures, and the suite where it says which edits are accepted."""
        specs = [fill(model, self._engine.profile, self._engine.models) for model in roles.find().models]
        told = [spec.digest if isinstance(spec, Derived) else [str(spec.source), keys.settings(spec)] for spec in specs]
        suite = {"suite": scoring.described(self._suite)} if self._scored else {}
        return {**self._settings(), "judges": told, **suite}

    def _settings(self) -> dict[str, Any]:
        """What numbers depend on besides the texts."""
        plan = self._plan
        named = [[role, name, *_digest_of(name)] for role, name in sorted(self._engine.models.items())]
        return {"engine": [plan.profile, plan.device, plan.dtype, named], "versions": versions()}

    def describe(self, systems: Sequence[System]) -> dict[str, Any]:
        """How the numbers were made: by which suite, on which models, as far as files and this run can say."""
        files = {system.name: _of_header(system.header) for system in systems if system.header}
        own = {"name": self._suite.name if self._scored else None, "scored_with": files}
        if self._header is None:
            return own
        return own | {
            "measured_with": {key: self._header.get(key) for key in ("profile", "models", "roles", "versions")}
        }

    def notes(self) -> list[str]:
        """What a reader must know of how texts were measured."""
        if self._header is None:
            return []
        cut = sum(one["truncated_texts"] for one in self._header.get("models", {}).values())
        said = [f"Measured with the {self._engine.profile} models: Sim, PPL, App and the effects of single edits."]
        if self._engine.profile == "embedded":
            said.append(
                "Embedded models are small stand-ins: their Sim and PPL must not be compared with published tables."
            )
        elif not roles.is_rescaled(roles.find(), self._engine):
            said.append("Sim is not rescaled: no baseline is known for the model given with --model bertscore=….")
        return said + ([f"{cut:,} texts were longer than a model reads, and were cut."] if cut else [])


def _of_header(header: Any) -> dict[str, Any]:
    return {
        key: header[key] for key in ("suite", "profile", "models", "rewards", "versions", "created") if key in header
    }


def _digest_of(name: str) -> list[str]:
    """Of a model that is a folder: other files under the same name are another model."""
    folder = user_path(name)
    return [folders.digest(folder)] if folder.is_dir() else []
