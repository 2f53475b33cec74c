"""The parts of the prompts that formats share; each format adds instructions for the form of the answer."""

from __future__ import annotations

from rewards.dimensions import REASONS

COVERED = (
    "it hurts, or it stirs up feelings where an argument should stand",
    "it is not meant seriously, or leaves no room for other views",
    "its meaning, its link to the issue or its reasoning is unclear",
    "spelling, grammar, or anything else that is out of place",
)
"""What each of REASONS covers, in our own words."""

TASK = (
    "You edit arguments so that they become appropriate: respectful, sincere and easy to follow.\n"
    "Keep what the author means, and change as few words as possible. What is appropriate already stays as it is.\n"
)
"""The instructions."""

ARGUMENT = "Issue: {issue}\n\nThe argument, sentence by sentence:\n{sentences}\n"
"""The text to edit, with placeholders."""

BECAUSE = (
    "State why each change is needed, by one of these reasons:\n"
    + "".join(f"- {name}: {meaning}\n" for name, meaning in zip(REASONS, COVERED, strict=True))
)  # fmt: skip
"""The instructions for stating reasons."""
