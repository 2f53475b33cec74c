"""Changes written as completions, in the formats that policies answer in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from html import escape

from rewards_audit.cases import REASON, Case, Change, apply


def as_json(case: Case, changes: Iterable[Change]) -> str:
    """The changes in the format `json_edits`."""
    return _json(
        {
            "sentence_id": number,
            "rewritten_sentence": apply(case.sentences[number - 1], listed),
            "edits": [
                {"inappropriate_part": c.part, "rewritten_part": c.replacement, "reason": c.reason} for c in listed
            ],
        }
        for number, listed in _by_sentence(changes).items()
    )


def as_tracked(case: Case, changes: Iterable[Change]) -> str:
    """The changes in the format `tracked_changes`."""
    return _json(
        {
            "sentence_id": number,
            "rewritten_sentence": apply(case.sentences[number - 1], listed),
            "tracked_changes": _marked(case.sentences[number - 1], listed),
        }
        for number, listed in _by_sentence(changes).items()
    )


def _marked(sentence: str, changes: Iterable[Change]) -> str:
    pieces, position = [], 0
    for change in sorted(changes, key=lambda change: sentence.index(change.part)):
        start = sentence.index(change.part)
        inserted = f"<ins>{change.replacement}</ins>" if change.replacement else ""
        pieces += [sentence[position:start], f'<del reason="{escape(change.reason)}">{change.part}</del>', inserted]
        position = start + len(change.part)
    return "".join((*pieces, sentence[position:]))


def as_tracked_characters(case: Case, turn: Callable[[str], str]) -> str:
    """An edit of every single character, in `tracked_changes`: the only format that states where an edit is."""
    return _json(
        {
            "sentence_id": number,
            "rewritten_sentence": "".join(map(turn, sentence)),
            "tracked_changes": "".join(
                f'<del reason="{REASON}">{character}</del><ins>{turn(character)}</ins>' for character in sentence
            ),
        }
        for number, sentence in enumerate(case.sentences, 1)
    )


def as_compact(changes: Iterable[Change]) -> str:
    """The changes in the format `compact`."""
    return "\n".join(f"{c.sentence} | {_piped(c.part)} | {_piped(c.replacement)}" for c in changes)


def _piped(text: str) -> str:
    return text.strip().replace("|", "\\|")


def _by_sentence(changes: Iterable[Change]) -> dict[int, list[Change]]:
    groups: dict[int, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.sentence, []).append(change)
    return dict(sorted(groups.items()))


def _json(statements: Iterable[object]) -> str:
    return json.dumps({"sentence_edits": list(statements)}, ensure_ascii=False)
