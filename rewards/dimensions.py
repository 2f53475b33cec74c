"""The dimensions of inappropriateness (Ziegenbein et al., ACL 2023)."""

from __future__ import annotations

INAPPROPRIATE = "Inappropriateness"
DIMENSIONS: tuple[str, ...] = (
    INAPPROPRIATE,
    "Toxic Emotions",
    "Excessive Intensity",
    "Emotional Deception",
    "Missing Commitment",
    "Missing Seriousness",
    "Missing Openness",
    "Missing Intelligibility",
    "Unclear Meaning",
    "Missing Relevance",
    "Confusing Reasoning",
    "Other Reasons",
    "Detrimental Orthography",
    "Reason Unclassified",
)
"""In the order of the classifiers' labels: each main dimension is followed by its subdimensions."""

REASONS: tuple[str, ...] = ("Toxic Emotions", "Missing Commitment", "Missing Intelligibility", "Other Reasons")
"""The main dimensions below Inappropriateness, one of which an edit may state as its reason."""
