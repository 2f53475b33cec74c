"""Attacks: functions of an argument that give a completion no reward should prefer to honest edits."""

from __future__ import annotations

from rewards_audit.attacks import additions, disguises, formats, losses, padding, pieces, reversals, swaps
from rewards_audit.attacks.attack import Attack

BUILTIN: tuple[Attack, ...] = tuple(
    attack
    for module in (losses, swaps, additions, reversals, pieces, padding, disguises, formats)
    for attack in module.__dict__.values()
    if isinstance(attack, Attack)
)
"""All attacks that come with the package, by family, in the order in which they are defined."""
