"""Which model fills a role: the profile's, or the one that the user names in its place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rewards.errors import ConfigError, ModelError, nearest
from rewards.models.catalog import source_of
from rewards.models.specs import PROFILES, Checkpoint, Hub, Model, Profile, Spec, Wheel, in_full


def fill(model: Model, profile: Profile, named: Mapping[str, str]) -> Spec:
    """The model that fills the role. Raises ModelError where nobody has published one and the user names none."""
    if model.role in named:
        return _in_place(model, named[model.role], profile)
    spec = model.profiles.get(profile)
    if spec is None or (isinstance(spec, Checkpoint) and spec.source is None):
        raise ModelError(
            f"role {model.role!r} has no published model in profile {profile!r};"
            f" name a folder or hub id for it (models.{model.role} in a file, --model {model.role}=FOLDER_OR_HUB_ID)"
        )
    return spec


def _in_place(model: Model, name: str, profile: Profile) -> Spec:
    """The checkpoint that a user names for a role, with the settings of the role's own loadable checkpoint."""
    specs = [model.profiles[p] for p in (profile, "full", "embedded") if p in model.profiles]
    source = source_of(name)
    for spec in specs:
        if isinstance(spec, Checkpoint) and spec.source == source:  # one of the role's own models: unchanged
            return spec
    for spec in specs:
        if isinstance(spec, Checkpoint) and spec.adapter is None:  # an adapter fits its own model only
            return _own_prompts(replace(spec, source=source, start_token=""), spec.source)
    raise ModelError(f"role {model.role!r} is computed from other features; no checkpoint can take its place")


def _own_prompts(spec: Checkpoint, instead_of: Wheel | Hub | None) -> Checkpoint:
    """The checkpoint, keeping only prompts that its model was trained with, as its folder or its name tells."""
    prompts = (spec.query_prompt, spec.document_prompt)
    if not any(prompts) or not isinstance(instead_of, Hub):
        return spec
    if not isinstance(spec.source, Hub):  # no embedded model was trained with prompts
        stated = set[str]()
    elif (folder := Path(spec.source.id)).is_dir():
        stated = _prompts_of(folder)
    else:  # a copy under another owner keeps the name
        names = [Path(source.id).name.lower() for source in (spec.source, instead_of)]
        stated = set(prompts) if names[0].startswith(names[1]) else set[str]()
    query, document = (prompt if prompt in stated else "" for prompt in prompts)
    return replace(spec, query_prompt=query, document_prompt=document)


def _prompts_of(folder: Path) -> set[str]:
    try:
        stated = json.loads((folder / "config_sentence_transformers.json").read_text(encoding="utf-8"))
        return set(stated.get("prompts", {}).values())
    except (OSError, ValueError, AttributeError, TypeError):
        return set()  # loading the model reports what is wrong with the file


def check(named: Iterable[str], known: Iterable[str], key: str = "") -> None:
    """Raise ConfigError, with the nearest role, where `named` has a role that is not among the known ones.

    `key` precedes the role in the message, such as `models.` for the key of a file.
    """
    roles = sorted(set(known))
    for role in named:
        if role not in roles:
            where = f"{key}{role}: " if key else ""
            raise ConfigError(
                f"{where}a model is named for role {role!r}, which nothing here reads{nearest(role, roles)};"
                f" the roles are {', '.join(roles) or 'none'}"
            )


def clash(one: Model, other: Model) -> ModelError:
    """The error for two different models of one role: an engine could only use one of them for both."""
    profile: Profile = next(p for p in PROFILES if one.profiles.get(p) != other.profiles.get(p))
    specs = [model.profiles.get(profile) for model in (one, other)]
    pair = [in_full(spec) if spec else "none" for spec in specs]
    return ModelError(
        f"two different models claim the role {one.role!r}: in profile {profile!r} it is {pair[0]} for one reward and"
        f" {pair[1]} for another; one of the plugins must give its role another name"
    )
