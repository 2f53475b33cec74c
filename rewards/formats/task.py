"""What every format's instructions say of the task itself; each format adds how it wants the answer."""

from __future__ import annotations

from rewards.dimensions import REASONS

COVERED = (
    "it hurts, or it stirs up feelings where an argument should stand",
    "it is not meant seriously, or leaves no room for other views",
    "its meaning, its link to the issue or its reasoning is unclear",
    "spelling, grammar, or anything else that is out of place",
)
"""What each of the reasons covers, in words of our own."""

TASK = (
    "You edit arguments so that they become appropriate: respectful, sincere and easy to follow.\n"
    "Keep what the author means, and change as few words as possible. What is appropriate already stays as it is.\n"
)
"""The task."""

ARGUMENT = "Issue: {issue}\n\nThe argument, sentence by sentence:\n{sentences}\n"
"""What is edited."""

BECAUSE = (
    "State why each change is needed, by one of these reasons:\n"
    + "".join(f"- {name}: {meaning}\n" for name, meaning in zip(REASONS, COVERED, strict=True))
)  # fmt: skip
"""How a change states its reason."""
