"""Records that were written are read back as what they were."""

from __future__ import annotations

import json

import pytest

from rewards.errors import RecordError
from rewards.records import read_revision
from rewards.scored import read_scored
from rewards.suite import suite_of
from tests.conftest import ROOT, read_lines, record


def test_every_example_comes_back_as_it_was() -> None:
    revisions = [read_revision(one) for one in read_lines(ROOT / "examples" / "arguments.jsonl")]
    for result in suite_of(["format"]).score(revisions):
        scored = read_scored(json.loads(json.dumps(result.to_record())))
        assert scored.revision == result.revision
        assert scored.accepted == result.accepted
        assert scored.revision.apply(scored.accepted) == result.after_accepted


@pytest.mark.parametrize("broken", [None, [], "text", {}, {"id": 1}, record()])
def test_anything_else_is_refused(broken: object) -> None:
    with pytest.raises(RecordError):
        read_scored(broken)
