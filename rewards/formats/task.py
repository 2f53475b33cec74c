"""What every format's instructions say of the task itself; each format adds how it wants the answer."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "Toxic Emotions": "it hurts, or it stirs up feelings where an argument should stand",
    "Missing Commitment": "it is not meant seriously, or leaves no room for other views",
    "Missing Intelligibility": "its meaning, its link to the issue or its reasoning is unclear",
    "Other Reasons": "spelling, grammar, or anything else that is out of place",
}
"""The reasons that an edit may state, and what each of them covers, in words of our own (Ziegenbein et al., ACL 2023)."""

TASK = (
    "You edit arguments so that they become appropriate: respectful, sincere and easy to follow.\n"
    "Keep what the author means, and change as few words as possible. What is appropriate already stays as it is.\n"
)
"""The task."""

ARGUMENT = "Issue: {issue}\n\nThe argument, sentence by sentence:\n{sentences}\n"
"""What is edited."""

BECAUSE = (
    "State why each change is needed, by one of these reasons:\n"
    + "".join(f"- {name}: {meaning}\n" for name, meaning in REASONS.items())
)  # fmt: skip
"""How a change states its reason."""
