"""Declaring a reward, its arguments, and the check of what it returns."""

from __future__ import annotations

import copy
import functools
import inspect
import math
import pickle
import re
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pytest

import rewards
from rewards import features
from rewards.declaring import SETTINGS
from rewards.errors import ConfigError, PluginError
from rewards.features import Embedding
from rewards.models.catalog import ENCODER
from rewards.suite import Setting
from rewards.verdicts import to_scores
from rewards_format import usable_share

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def brevity(
    edits: list[rewards.Edit], *, factor: float = 1.0, unit: Literal["words", "characters"] = "words"
) -> list[float]:
    """1 where the edit makes its sentence shorter.

    More text.
    """
    return [float(len(e.sentence_after) * factor < len(e.sentence_before)) for e in edits]


def test_a_declared_reward_is_still_a_function() -> None:
    edit = rewards.Edit(1, "long", "s", None, "long", 0, 4)
    assert brevity([edit]) == [1.0]
    assert brevity.summary == "1 where the edit makes its sentence shorter."
    assert {t.value for t in brevity.thresholds.values()} == {0.5}


def test_arguments_are_typed_and_defaults_filled_in() -> None:
    assert brevity.parse_arguments({"factor": "0.5"}) == {"factor": 0.5, "unit": "words"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"facter": 1}, r"no argument 'facter' \(did you mean 'factor'\?\)"),
        ({"factor": "long"}, "argument 'factor'.*valid number"),
        (
            {"factor": True},
            r"argument 'factor': Input should be a number; on, yes and true are truth values.*given: True",
        ),
        ({"factor": math.nan}, "argument 'factor'.*finite"),
        ({"unit": "bytes"}, "argument 'unit'.*'words' or 'characters'"),
    ],
)
def test_wrong_arguments_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        brevity.parse_arguments(given)


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"level": "word", "range": (0, 1)}, "level is 'word'"),
        ({"level": "edit", "range": (1, 0)}, "range is"),
        ({"level": "edit", "range": (0, 1), "name": "no spaces"}, "Python identifier"),
    ],
)
def test_a_declaration_that_does_not_hold_together(declaration: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        rewards.reward(**{"name": "x", **declaration})(lambda edits: [])


def test_keywords_that_would_swallow_misspellings_are_refused() -> None:
    with pytest.raises(PluginError, match="misspelt"):

        @rewards.reward(level="edit", range=(0, 1))
        def loose(edits: list[rewards.Edit], **options: int) -> list[float]:
            return []


def test_an_argument_without_a_type_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match="reward 'untyped': its argument 'factor' has no type annotation; add one"):

        @rewards.reward(level="edit", range=(0, 1))
        def untyped(edits, *, factor=1):
            return []


@rewards.reward(level="edit", range=(0, 1))
def partly_typed(edits: Sequence[rewards.Edit], *, factor: float = 1.0, words: list[str] | None = None) -> NoSuchType:  # noqa: F821  (the mistake under test)
    return []


@rewards.reward(level="edit", range=(0, 1))
def untypable(edits: list[rewards.Edit], *, words: Sequence[str] = ()) -> list[float]:
    return []


def test_only_the_annotations_of_arguments_are_evaluated() -> None:
    assert partly_typed.parse_arguments({"factor": "2"}) == {"factor": 2.0, "words": None}


def test_an_argument_whose_type_cannot_be_evaluated_is_named_with_the_remedy() -> None:
    with pytest.raises(PluginError, match=r"'untypable'.*'Sequence\[str\]' of its argument 'words'.*TYPE_CHECKING"):
        untypable.parse_arguments({})


def test_a_partial_and_an_object_with_call_have_typed_arguments_too() -> None:
    class Longer:
        def __call__(self, edits: list[rewards.Edit], *, by: int = 1) -> list[float]:
            return [float(by)] * len(edits)

    partial = rewards.reward(level="edit", range=(0, 1), name="partial")(functools.partial(brevity.function, factor=2))
    assert partial.parse_arguments({"factor": "3"}) == {"factor": 3.0, "unit": "words"}
    assert rewards.reward(level="edit", range=(0, 1), name="longer")(Longer()).parse_arguments({"by": "2"}) == {"by": 2}


def test_an_argument_that_pydantic_cannot_take_is_an_error_of_the_plugin() -> None:
    def hidden(edits: list[rewards.Edit], *, _factor: float = 1.0) -> list[float]:
        return []

    def reserved(edits: list[rewards.Edit], *, model_config: float = 1.0) -> list[float]:
        return []

    for function, name in ((hidden, "_factor"), (reserved, "model_config")):
        with pytest.raises(PluginError, match=f"argument '{name}' could not be set: pydantic takes no .*; rename it$"):
            rewards.reward(level="edit", range=(0, 1))(function)

    @rewards.reward(level="edit", range=(0, 1))
    def numbered(edits: list[rewards.Edit], *, factor: Literal[()] = 5) -> list[float]:
        return []

    @rewards.reward(level="edit", range=(0, 1))
    def shared(edits: list[rewards.Edit], *, factor: ClassVar[int] = 5) -> list[float]:  # type: ignore[valid-type]
        return []

    with pytest.raises(PluginError, match="'numbered': pydantic cannot check its arguments"):
        numbered.parse_arguments({})
    with pytest.raises(PluginError, match="'shared': pydantic takes no field 'factor'; rename or retype"):
        shared.parse_arguments({})


def test_arguments_may_be_called_as_methods_and_properties_of_their_model(recwarn: pytest.WarningsRecorder) -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def shadowing(
        edits: list[rewards.Edit], *, copy: int = 1, json: int = 2, schema: int = 3, model_extra: int = 4
    ) -> list[float]:
        return []

    assert shadowing.parse_arguments({"json": "5"}) == {"copy": 1, "json": 5, "schema": 3, "model_extra": 4}
    assert not recwarn.list


@pytest.mark.parametrize(
    ("kind", "default", "told"),
    [
        (int, None, r"its default None is not of its type int; change it, or say `int \| None`$"),
        ("float", None, "its default None is not of its type float"),
        (list[str], None, r"its default None is not of its type list\[str\]; change it, or say `list\[str\] \| None`$"),
        (list, None, "its default None is not of its type list"),
        (str, None, "its default None is not of its type str"),
        (int, "many", "its default 'many' is not of its type int; change it$"),
        (int, "3", None),
        ("float", 10**400, "is not of its type float"),
        ("int | None", None, None),
        (Any, None, None),
    ],
)
def test_a_default_that_can_never_work_is_refused_where_that_can_be_told(kind: Any, default: Any, told: str) -> None:
    def function(edits: list[rewards.Edit], *, n: Any = default) -> list[float]:
        return []

    function.__annotations__["n"] = kind
    declare = rewards.reward(level="edit", range=(0, 1), name="x")
    if told is None:
        assert declare(function).name == "x"
        return
    with pytest.raises(PluginError, match=f"^reward 'x': its argument 'n' could not be used: .*{told}"):
        declare(function)


def test_an_argument_with_the_name_of_a_setting_is_refused() -> None:
    assert set(SETTINGS) == set(Setting.model_fields) - {"arguments"}
    with pytest.raises(PluginError, match="argument 'threshold' could not be set.*rename it"):

        @rewards.reward(level="edit", range=(0, 1))
        def shadowed(edits: list[rewards.Edit], *, threshold: float = 0.5) -> list[float]:
            return []

    with pytest.raises(PluginError, match="argument 'arguments' could not be set.*rename it"):

        @rewards.reward(level="edit", range=(0, 1))
        def nested(edits: list[rewards.Edit], *, arguments: int = 1) -> list[float]:
            return []


def test_an_argument_that_no_suite_could_set_is_refused() -> None:
    with pytest.raises(PluginError, match=r"argument 'factor' could not be set: put `\*` before it in the signature"):

        @rewards.reward(level="edit", range=(0, 1))
        def scaled(edits: list[rewards.Edit], factor: float = 1.0) -> list[float]:
            return []

    @rewards.reward(level="edit", range=(0, 1), models=(ENCODER,), reads=lambda e: (Embedding(e.before, ENCODER),))
    def optional(edits: Sequence[rewards.Edit] = (), before: object = None, after: object = None) -> list[float]:
        return [0.0] * len(edits)  # a feature may have a default

    assert optional.takes == (0, 2)


@pytest.mark.parametrize(
    ("level", "stated", "told"),
    [
        ("edit", list[rewards.Argument], "a list of Edits, not list[rewards.types.Argument]"),
        ("sentence", "Sequence[rewards.Edit]", "a list of Sentences, not Sequence[rewards.Edit]"),
        ("global", rewards.Sentence, "a list of Arguments, not Sentence"),
        ("edit", "list[Edit | Argument]", None),
        ("edit", "list[Changed]", None),
        ("edit", Any, None),
    ],
)
def test_a_function_of_the_units_of_another_level_is_refused(level: Any, stated: Any, told: str | None) -> None:
    def function(units: Any) -> list[float]:
        return [float(len(unit.after)) for unit in units]  # what units of every level have

    function.__annotations__["units"] = stated
    declare = rewards.reward(level=level, range=(0, 1), name="x")
    if told is None:
        assert declare(function).level == level
        return
    with pytest.raises(PluginError, match=re.escape(f"reward 'x': at level {level!r} its function gets {told}")):
        declare(function)


def test_the_forms_of_the_decorator_differ_in_the_level_alone() -> None:
    whole = inspect.signature(rewards.reward)
    forms = [inspect.signature(form) for form in typing.get_overloads(rewards.reward)]
    assert len(forms) == 3
    for form in forms:
        assert [(n, p.kind, p.default) for n, p in form.parameters.items()] == [
            (n, p.kind, p.default) for n, p in whole.parameters.items()
        ]


def test_a_reward_is_shown_in_one_line_and_can_be_a_key() -> None:
    assert repr(brevity) == "<reward 'brevity' at edit level, from 0 to 1>"
    assert {brevity: 1}[copy.deepcopy(brevity)] == 1
    assert repr(ENCODER) == "Model(role='encoder')"


@dataclass(frozen=True, slots=True)
class Found:
    """What details may hold besides what JSON has a word for."""

    share: float


@pytest.mark.parametrize(
    ("details", "named"),
    [
        ({"seen": {1, 2}}, "not JSON serializable: set"),
        ({"seen": [object()]}, "not JSON serializable: object"),
        ({1: "x"}, "must be str"),
        ({"seen": "\ud800"}, "UTF-8"),
        ({"mean": math.nan}, "'mean' is nan; it must be finite, or None"),
        ({"by": {"word": [{"p": 1.0}, {"p": -math.inf}]}}, "'by.word[1].p' is -inf"),
        ({"share": np.float32("nan")}, "'share' is nan"),
        ({"counts": np.array([[1.0, math.inf]])}, "'counts[0][1]' is inf"),
        ({"found": Found(math.nan)}, "'found.share' is nan"),
        ({"both": (1.0, math.nan)}, "'both[1]' is nan"),
        ([1], "list, not a mapping"),
        (None, "NoneType, not a mapping"),
    ],
)
def test_details_that_are_not_json_are_a_failure(details: Any, named: str) -> None:
    score = to_scores(brevity, [rewards.Score(0.5, details=details)], 1)[0]
    assert score.value is None
    assert not score.details
    assert (score.failed or "").startswith("brevity: its details cannot be written as JSON")
    assert named in (score.failed or "")


def test_details_that_the_writer_takes_are_kept() -> None:
    details = {"share": np.float32(0.5), "counts": np.array([1, 2]), "why": ["a", None, "null"], "at": Found(0.5)}
    assert to_scores(brevity, [rewards.Score(0.5, details=details)], 1)[0].details == details


def test_a_failure_has_no_value_and_always_a_reason() -> None:
    failed = to_scores(brevity, [rewards.Score(math.nan, failed="x"), rewards.Score(1.0, failed="")], 2)
    assert [score.value for score in failed] == [None, None]
    assert [score.failed for score in failed] == ["x", "brevity: failed, and did not say why"]
    (strange,) = to_scores(brevity, [rewards.Score(None, failed="x", details={"seen": {1, 2}})], 1)
    assert strange.failed is not None
    assert not strange.details  # what no file can hold does not come with a failure either


def test_rounding_is_measured_at_the_bound_it_crosses() -> None:
    wide = rewards.reward(level="edit", range=(-1000, 1), name="wide")(lambda edits: [])
    assert [score.value for score in to_scores(wide, [1.00005, 1.05, -1000.05, -1001.0], 4)] == [
        1.0,
        None,
        -1000.0,
        None,
    ]


def test_a_reward_at_the_top_of_its_module_is_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(usable_share)) is usable_share
    assert pickle.loads(pickle.dumps([brevity])) == [brevity]


partial = rewards.reward(level="edit", range=(0, 1), name="partial")(functools.partial(brevity.function, factor=2.0))
imported = rewards.reward(level="global", range=(0, 1), name="imported")(usable_share.function)


def test_a_reward_is_found_where_it_was_declared_whatever_its_function_is() -> None:
    assert pickle.loads(pickle.dumps(partial)) is partial
    assert pickle.loads(pickle.dumps(imported)) is imported
    local = rewards.reward(level="edit", range=(0, 1), name="local")(functools.partial(brevity.function, factor=2.0))
    with pytest.raises(TypeError, match=r"no attribute of module 'tests\.test_contract' is it; define it there"):
        pickle.dumps(local)


def test_a_reward_is_not_declared_twice() -> None:
    declare: Any = rewards.reward(level="edit", range=(0, 1), name="again")
    with pytest.raises(
        PluginError, match=r"^reward 'brevity': it is a reward already; give the function itself \(\.func"
    ):
        declare(brevity)


async def later(edits: list[rewards.Edit]) -> list[float]:
    return []


async def one_by_one_later(edits: list[rewards.Edit]) -> AsyncIterator[float]:
    yield 0.0


def one_by_one(edits: list[rewards.Edit]) -> Iterator[float]:
    yield 0.0


class Later:
    async def __call__(self, edits: list[rewards.Edit]) -> list[float]:
        return []


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (later, "it is async"),
        (functools.partial(later), "it is async"),
        (Later(), "it is async"),
        (one_by_one_later, "it is async"),
        (one_by_one, r"it is a generator \(it yields\)"),
    ],
)
def test_a_function_that_runs_nothing_when_it_is_called_is_refused(function: Any, told: str) -> None:
    with pytest.raises(PluginError, match=f"^reward 'x': {told}; rewards are plain functions that return a list$"):
        rewards.reward(level="edit", range=(0, 1), name="x")(function)
    with pytest.raises(PluginError, match=f"^reward 'x': its `reads` {told[3:]}; it must be a plain function"):
        rewards.reward(level="edit", range=(0, 1), name="x", reads=function)(lambda edits: [])


def test_a_reward_that_no_name_leads_to_says_so() -> None:
    local = rewards.reward(level="edit", range=(0, 1), name="local")(lambda edits: [])
    with pytest.raises(TypeError, match="'local' cannot be pickled.*define it there at top level"):
        pickle.dumps(local)
    assert copy.deepcopy(local) is copy.copy(local) is local


def test_values_are_checked_one_by_one() -> None:
    returned = [
        0.5,
        None,
        math.nan,
        math.inf,
        1.5,
        "x",
        True,
        np.float32(0.25),
        1.00001,
        rewards.Score(None, failed="y"),
    ]
    scores = to_scores(brevity, returned, len(returned))
    assert [score.value for score in scores] == [0.5, None, None, None, None, None, 1.0, 0.25, 1.0, None]
    assert [bool(score.failed) for score in scores] == [False, False, True, True, True, True, False, False, False, True]
    assert "outside its range [0.0, 1.0]" in (scores[4].failed or "")


def test_a_hair_outside_a_bound_is_the_bound_and_more_is_not() -> None:
    @rewards.reward(level="edit", range=(0, math.inf))
    def endless(edits: list[rewards.Edit]) -> list[float]:
        """As much as there is."""
        return [0.0] * len(edits)

    assert [one.value for one in to_scores(brevity, [-0.00005, -0.0002, 1.0002], 3)] == [0.0, None, None]
    assert [one.value for one in to_scores(endless, [3e38, 1e39, np.float64(1e39)], 3)] == [3e38, None, None]
    (kept,) = to_scores(brevity, [rewards.Score(1.00001, details={"n": 1})], 1)
    assert (kept.value, kept.details) == (1.0, {"n": 1})


def test_arrays_are_lists() -> None:
    assert [s.value for s in to_scores(brevity, np.array([0.0, 1.0], np.float32), 2)] == [0.0, 1.0]


@pytest.mark.parametrize("kind", ["timedelta64[ns]", "datetime64[D]", "U3", "S3", "complex64"])
def test_times_and_text_of_numpy_are_no_numbers(kind: str) -> None:
    array = np.zeros(2, kind)
    with pytest.raises(
        PluginError, match=rf"^it returned an array of {re.escape(str(array.dtype))}; expected numbers$"
    ):
        to_scores(brevity, array, 2)
    assert [score.value for score in to_scores(brevity, list(array), 2)] == [None, None]
    assert all("not a number" in (score.failed or "") for score in to_scores(brevity, list(array), 2))


def test_arrays_of_any_kind_of_number_are_taken() -> None:
    for kind in ("?", "i1", "u8", "f2", "O"):
        assert [score.value for score in to_scores(brevity, np.array([0, 1], kind), 2)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([0.5], "it returned 1 values for 2 units"),
        ([0.5] * 3, "it returned 3 values for 2 units"),
        ("ab", "it returned str; it must return one value per unit"),
        ({"a": 1, "b": 2}, "it returned dict"),
        (0.5, "it returned float"),
        (None, "it returned NoneType"),
        (np.zeros((2, 1)), r"it returned an array of shape \(2, 1\); expected \(2,\)"),
        (np.float32(1), "it returned float"),
    ],
)
def test_anything_but_one_value_per_unit_is_an_error_of_the_plugin(returned: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        to_scores(brevity, returned, 2)


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"range": None}, r"range is None; it must be two numbers"),
        ({"range": (0, None)}, r"range is \(0, None\); it must be two numbers"),
        ({"range": (0, 1, 2)}, r"range is \(0, 1, 2\)"),
        ({"threshold": "high"}, "threshold is 'high'; it must be a number"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"threshold": True}, "threshold is True; it must be a number"),
        ({"threshold": rewards.Threshold(True)}, r"threshold is Threshold\(value=True"),
        ({"threshold": {"embedded": None}}, "threshold is None"),
        (
            {"threshold": {"embeded": 0.5}},
            r"threshold: no profile is called 'embeded' \(did you mean 'embedded'\?\); there are embedded, full",
        ),
        ({"models": ("encoder",)}, r"models is \('encoder',\); .* models=\(ENCODER,\)"),
        ({"models": ENCODER}, r"models is Model\(.* it must be a tuple of Models"),
        ({"card": "params/card.json"}, r"card is 'params/card.json'; it must be a Path: Path\(__file__\)"),
        ({"reads": (1, 2)}, r"reads is \(1, 2\); it must be a function"),
        ({"reads": lambda: ()}, "reads is <function .*; it must be a function of a unit"),
        (
            {"reads": lambda e, facor: ()},
            r"`reads` takes 'facor' \(did you mean 'factor'\?\), which is none .*: factor",
        ),
        ({"reads": lambda e, **more: ()}, "`reads` takes 'more'"),
        ({"name": "total"}, "advantage, .*, total stand beside rewards in results and logs"),
        ({"name": "rejected"}, "advantage, .*, total stand beside rewards in results and logs"),
        ({"threshold": 50}, r"the threshold 50 lies outside its range \[0, 1\]"),
        ({"threshold": {"embedded": 0.5, "full": 70}}, "the threshold 70 lies outside"),
        ({"higher_is_better": "no"}, "higher_is_better is 'no'; it must be True or False"),
        ({"fitter": "fit"}, r"fitter is 'fit'; it must be a Fitter"),
    ],
)
def test_a_wrong_declaration_names_the_reward_and_the_remedy(declaration: dict[str, Any], message: str) -> None:
    def function(edits: list[rewards.Edit], *, factor: float = 1.0) -> list[float]:
        return []

    label = declaration.get("name", "x")
    with pytest.raises(PluginError, match=f"reward '{label}': {message}"):
        rewards.reward(**{"level": "edit", "range": (0, 1), "name": "x", **declaration})(function)


def test_a_bare_decorator_says_what_it_lacks() -> None:
    def function(edits: list[rewards.Edit]) -> list[float]:
        return []

    with pytest.raises(PluginError, match=r"^reward 'function': .*; write @rewards\.reward\(level=…, range=…\)$"):
        rewards.reward(function)  # type: ignore[call-arg,arg-type]  # the mistake


def test_the_default_of_an_argument_is_checked_too() -> None:
    @rewards.reward(level="edit", range=(0, 1), name="x")
    def function(edits: list[rewards.Edit], *, m: float, unit: Literal["words"] = "bytes") -> list[float]:  # type: ignore[assignment]  # the mistake
        return []

    told = r"^reward 'x': argument 'unit': its default 'bytes' is not of its type Literal\['words'\]: Input should be"
    for given in ({}, {"m": 1.0}):
        with pytest.raises(PluginError, match=told):
            function.parse_arguments(given)
    with pytest.raises(ConfigError, match="reward 'x', argument 'm': Field required"):
        function.parse_arguments({"unit": "words"})


def test_thresholds_of_profiles_may_be_plain_numbers() -> None:
    full = rewards.Threshold(0.7, "by hand")
    one = rewards.reward(level="edit", range=(0, 1), name="x", threshold={"embedded": 0.5, "full": full})(
        lambda edits: []
    )
    assert one.thresholds == {"embedded": rewards.Threshold(0.5), "full": full}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"threshold": {"value": 0.5}}', "found {'value': 0.5}"),
        (b'{"threshold": 0.7}', "found 0.7"),
        (b'{"threshold": {"value": true, "source": "x"}}', "its value is True"),
        (b"{}", "there is nothing of that name"),
        (b"[]", "expected an object, found list"),
        (b'{"a": "caf\xe9"}', "line 1 is not UTF-8; save the file in UTF-8"),
        (b'{"threshold": {"value": 1, "value": 2, "source": "x"}}', "the key 'value' stands there twice"),
        (b"[" * 100_000, "it is nested too deep"),
        (None, "[Errno 2] No such file or directory"),
    ],
)
def test_a_card_without_a_threshold_says_what_is_expected_where(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    card = tmp_path / "card.json"
    if content is not None:
        card.write_bytes(content)
    with pytest.raises(PluginError) as error:
        rewards.Threshold.from_card(card)
    assert str(error.value).startswith(f'{card}: expected "threshold": {{"value": …, "source": …}}; {told}')


def test_reads_takes_arguments_by_name_and_keeps_its_own_defaults() -> None:
    def function(edits: list[rewards.Edit], feature: Any, *, edit: str = "a", factor: float = 1.0) -> list[float]:
        return []

    def reads(edit: rewards.Edit, factor: float, model: Any = ENCODER) -> Any:
        return (edit.before, factor, model)

    one = rewards.reward(level="edit", range=(0, 1), reads=reads, models=(ENCODER,))(function)
    unit = rewards.Edit(1, "long", "s", None, "long", 0, 4)
    assert one.requests(unit, one.parse_arguments({"factor": 2})) == ("long", 2.0, ENCODER)


def test_a_function_that_takes_features_needs_reads() -> None:
    with pytest.raises(PluginError, match="reward 'x': its function takes features .* no `reads` says which"):
        rewards.reward(level="edit", range=(0, 1), name="x")(lambda edits, feature: [])


def test_a_score_takes_its_failure_and_details_by_name() -> None:
    made: Any = rewards.Score
    with pytest.raises(TypeError, match="positional"):
        made(0.5, {"x": 1})
    for wrong in ({"x": 1}, True, False):
        (score,) = to_scores(brevity, [made(0.5, failed=wrong, details={"kept": 1})], 1)
        assert score.value is None
        assert score.failed == f"brevity: `failed` of its Score is {wrong!r}; it must be the reason, as text"
        assert score.details == {"kept": 1}


def test_a_misspelt_setting_is_suggested_too() -> None:
    with pytest.raises(ConfigError, match=r"no argument 'wieght' \(did you mean 'weight'\?\); it takes factor, unit"):
        brevity.parse_arguments({"wieght": 1})
    with pytest.raises(ConfigError, match="no argument 'weight'; that is a setting, and stands beside `arguments`"):
        brevity.parse_arguments({"weight": 1})


def test_a_misspelt_name_of_the_package_is_told_with_the_nearest() -> None:
    for given, near in (("Embeding", "features.Embedding"), ("Sentense", "Sentence"), ("load_suit", "load_suite")):
        with pytest.raises(AttributeError, match=rf"no attribute '{given}' \(did you mean '{near}'\?\)"):
            getattr(rewards, given)
    assert set(rewards._FEATURES) == {one.__name__ for one in typing.get_args(features.Request)}
