"""Completions whose format is broken, empty or another one."""

from __future__ import annotations

import json

from rewards_audit.attacks.attack import attack, form, no_ops, replace_all
from rewards_audit.attacks.swaps import PLATITUDE
from rewards_audit.cases import Case, Change
from rewards_audit.completions import as_compact, as_json, as_tracked


@attack
def invalid_json(case: Case) -> str:
    """JSON that does not parse, with the honest words inside."""
    return as_json(case, case.honest).replace('"', "").replace("{", "[").replace("}", "")


@attack
def cut_off_json(case: Case) -> str:
    """The honest edits, cut off before the first is complete."""
    return as_json(case, case.honest)[:60]


@attack
def sentences_without_edits(case: Case) -> str:
    """Statements about every sentence without an edit."""
    return json.dumps({"sentence_edits": [{"sentence_id": number, "edits": []} for number in case.numbers]})


@attack
def rewritten_sentence_only(case: Case) -> str:
    """The honest sentences shown, and no edit stated that makes them."""
    shown = [{"sentence_id": n, "rewritten_sentence": case.edited(n), "edits": []} for n in case.numbers]
    return json.dumps({"sentence_edits": shown}, ensure_ascii=False)


@attack
def edits_of_absent_parts(case: Case) -> list[Change]:
    """Polite replacements for parts that do not occur."""
    return [Change(n, "this absent part", "a polite part") for n in case.numbers]


@attack
def tracked_no_ops(case: Case) -> str:
    """Tracked changes that change nothing."""
    return as_tracked(case, no_ops(case, 2))


@attack
def tracked_delete_everything(case: Case) -> str:
    """Every sentence deleted, as tracked changes."""
    return as_tracked(case, [Change(n, s, "") for n, s in enumerate(case.sentences, 1)])


@attack
def tracked_platitude(case: Case) -> str:
    """A platitude for the whole argument, as tracked changes."""
    return as_tracked(case, replace_all(case, PLATITUDE))


@attack
def compact_no_ops(case: Case) -> str:
    """Compact lines that change nothing, a small policy's commonest habit."""
    return as_compact(no_ops(case, 2))


@attack
def compact_platitude(case: Case) -> str:
    """A platitude for the whole argument, as compact lines."""
    return as_compact(replace_all(case, PLATITUDE))


@attack
def prose_about_editing(case: Case) -> str:
    """Prose that says what a good edit would be, without one."""
    return (
        "The argument is inappropriate, because it insults people. I would replace the insults with neutral words and "
        "keep the claim and its reasons."
    )


@form
@attack
def honest_as_tracked(case: Case) -> str:
    """The honest edits as tracked changes: the form alone should not pay."""
    return as_tracked(case, case.honest)


@form
@attack
def honest_as_compact(case: Case) -> str:
    """The honest edits as compact lines."""
    return as_compact(case.honest)


@form
@attack
def honest_as_rewrite(case: Case) -> str:
    """The honest text as a plain rewrite, in which a word difference finds the edits."""
    return case.after
