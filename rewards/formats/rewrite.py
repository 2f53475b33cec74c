"""Edits as plain rewritten text: the word diff against the original gives the edits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rewards.formats.task import TASK
from rewards.text.diff import revision_edits
from rewards.text.segment import join_gaps
from rewards.types import Parsed

NAME = "rewrite"
PROMPT = (
    f"{TASK}\n"
    "Issue: {issue}\n\n{argument}\n\n"  # no label before the argument: small models repeat it
    "Answer with the whole argument after your changes and no other text."
)
_FENCE = re.compile(r"```[^\n`]{0,40}\n(.*)```", re.DOTALL)
_LEAD = re.compile(
    r"\s{0,99}(?:here(?:'s|\u2019s| is| are)|sure|certainly|of course|rewritten)\b[^\n]{0,120}:\**[ \t]{0,9}\r?\n",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "\u201c": "\u201d", "'": "'", "`": "`"}


def detect(completion: str) -> bool:
    """True: every text can be read as a rewrite."""
    return True


def parse(completion: str, sentences: Sequence[str]) -> Parsed:
    """The word diff between the argument and the completion as edits, each inside one sentence and without a reason."""
    gaps = join_gaps(sentences)
    text = _unwrapped(completion, " ".join(sentences))
    if not text:
        return Parsed((), "an empty completion")  # not taken as the deletion of everything
    return Parsed(tuple(revision_edits(sentences, gaps, text)))


def _unwrapped(completion: str, original: str) -> str:
    """The text without a leading announcement, a code fence and quotes around the whole of it."""
    text = completion.strip()
    if (lead := _LEAD.match(text)) and not original.startswith(lead.group().strip()):
        text = text[lead.end() :].strip()
    if fence := _FENCE.fullmatch(text):
        text = fence[1].strip()
    closing = _QUOTES.get(text[:1])
    inside = text[1:-1]
    wrapped = closing and len(text) > 1 and text[-1] == closing and text[0] not in inside and closing not in inside
    return inside.strip() if wrapped and not original.startswith(text[0]) else text
