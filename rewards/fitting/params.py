"""Folders of fitted parameters: how a reward loads them, and what their card and digest state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rewards import cards
from rewards.contract import Reward, Threshold
from rewards.errors import ConfigError, PluginError, RewardsError, failing_as, tell, unknown
from rewards.models.specs import DEFAULT_PROFILE, PROFILES, Profile
from rewards.paths import file_digest

CARD = "card.json"


@dataclass(frozen=True, slots=True)
class Params:
    """A folder of parameters that replace a reward's own, and the digest of its files."""

    folder: Path
    digest: str


def load_params(reward: Reward, folder: Path) -> tuple[Reward, Params]:
    """The reward with the parameters in `folder`, and what identifies them.

    A reward without a fit of its own takes only the threshold. Raises ConfigError where the folder was not written by
    `rewards fit` for this reward.
    """
    stated = read_card(folder)
    if problem := unknown("profile", stated.get("profile", DEFAULT_PROFILE), list(PROFILES)):
        raise ConfigError(f"{folder / CARD}: {problem}")
    fitted = rewards_of(stated)
    if reward.name not in fitted:
        raise ConfigError(
            f"{folder} holds parameters of {', '.join(map(repr, fitted)) or None}, not of reward {reward.name!r};"
            f" fit them with: rewards fit {reward.name} --data FILE -o {folder}"
        )
    unfit = f"{folder}: its parameters do not fit reward {reward.name!r}"
    with failing_as(lambda error: ConfigError(f"{unfit}: {tell(error)}"), RewardsError):
        loaded = reward.fitter.load(folder) if reward.fitter else _with_threshold(reward, folder)
    _check_loaded(reward, loaded, folder)
    profile: Any = stated.get("profile")
    if reward.models and profile in loaded.thresholds:  # calibrated in that profile: the thresholds of others stay
        loaded = replace(loaded, thresholds={**reward.thresholds, profile: loaded.thresholds[profile]})
    return loaded, Params(folder, digest_of(folder))


def _check_loaded(reward: Reward, loaded: Any, folder: Path) -> None:
    """Raise PluginError where `load` of the reward's Fitter gave something else than that reward."""
    same = isinstance(loaded, Reward) and all(
        getattr(loaded, one) == getattr(reward, one) for one in ("name", "level", "higher_is_better")
    )
    if not same:
        what = f"reward {loaded.name!r} at {loaded.level} level" if isinstance(loaded, Reward) else f"{loaded!r:.100}"
        raise PluginError(
            f"reward {reward.name!r}: `load` of its Fitter gave {what} for {folder}; it must give the same reward, with the"
            " parameters of that folder"
        )


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a folder of parameters. Raises ConfigError."""
    try:
        return cards.read(folder / CARD)
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} is not a folder of `rewards fit`: it has no {CARD}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder / CARD} cannot be read: {error}") from error


def rewards_of(card: Mapping[str, Any]) -> list[Any]:
    """The names of the rewards that a card is about."""
    stated = card.get("rewards") or card.get("reward")
    return stated if isinstance(stated, list) else [stated] if stated else []


def digest_of(folder: Path) -> str:
    """SHA-256 over names and contents of the files; the card without its date, so that a repeated fit has the same."""
    stated = {**read_card(folder), "date": None}
    digest = hashlib.sha256(json.dumps(stated, sort_keys=True).encode())
    for file in sorted(path for path in folder.iterdir() if path.is_file() and path.name != CARD):
        digest.update(f"{file.name}\0{file_digest(file)}\n".encode())
    return digest.hexdigest()


def thresholds_of(folder: Path, others: Mapping[Profile, Threshold]) -> dict[Profile, Threshold]:
    """The `others`, with the threshold of a folder's card for the profile that it was calibrated in."""
    profile: Profile = read_card(folder).get("profile", DEFAULT_PROFILE)
    return {**others, profile: Threshold.from_card(folder / CARD)}


def _with_threshold(reward: Reward, folder: Path) -> Reward:
    everywhere = dict.fromkeys(PROFILES, Threshold.from_card(folder / CARD))  # without models all profiles are the same
    thresholds = thresholds_of(folder, reward.thresholds) if reward.models else everywhere
    return replace(reward, thresholds=thresholds, card_path=folder / CARD)
