import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.spec import params
from idxpipe.pipeline.spec.graph import Parameter

DECLARED = {
    "data": Parameter("STRING"),
    "steps": Parameter("NUMBER_INTEGER", 3.0),
    "rate": Parameter("NUMBER_DOUBLE", 1.0),
    "fast": Parameter("BOOLEAN", True),
    "sizes": Parameter("LIST", [1.0, 2.5]),
    "extra": Parameter("STRUCT", {"a": 1.0}),
    "maybe": Parameter("STRING", optional=True),
}


def test_defaults_stand_in_with_their_types():
    values = params.resolve(DECLARED, ["data=x"])
    assert values == {
        "data": "x",
        "steps": 3,
        "rate": 1.0,
        "fast": True,
        "sizes": [1, 2.5],
        "extra": {"a": 1},
    }
    assert type(values["steps"]) is int
    assert type(values["rate"]) is float
    assert type(values["sizes"][0]) is int


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("steps=12", 12),
        ("steps=-3", -3),
        ("rate=1", 1.0),
        ("rate=5e-2", 0.05),
        ("fast=False", False),
        ("sizes=[1, 2]", [1, 2]),
        ('extra={"b": [true, null]}', {"b": [True, None]}),
        ("maybe=a=b", "a=b"),
        ("maybe=", ""),
        ("data= spaces kept ", " spaces kept "),
    ],
)
def test_text_is_read_by_declared_type(assignment, value):
    name = assignment.partition("=")[0]
    found = params.resolve(DECLARED, ["data=x", assignment])[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "assignment",
    [
        "steps=1.5",
        "steps=ten",
        "steps=",
        "steps=9007199254740993",
        "steps=" + "9" * 400,
        "rate=fast",
        "rate=nan",
        "rate=inf",
        "fast=1",
        "fast=yes",
        "sizes=1",
        "sizes=[1",
        "sizes=[NaN]",
        "sizes=" + "[" * 100000,
        "extra=[]",
    ],
)
def test_ill_typed_text_is_refused(assignment):
    name, _, _ = assignment.partition("=")
    with pytest.raises(UsageError, match="invalid value") as caught:
        params.resolve(DECLARED, ["data=x", assignment])
    assert caught.value.exit_code == 2
    assert caught.value.where == name
    assert caught.value.found == repr(assignment.partition("=")[2])


def test_every_problem_is_in_one_error():
    with pytest.raises(UsageError) as caught:
        params.resolve(DECLARED, ["stepz=3", "rate=x", "zzz=1", "nonsense", "=3"], {"fast": 3})
    assert str(caught.value).splitlines() == [
        "--set: 7 parameters are invalid",
        "  found:    fast: invalid value",
        "              expected: true or false",
        "              found:    3",
        "            stepz: no such parameter",
        "              to do:    did you mean steps?",
        "            rate: invalid value",
        "              expected: a finite number",
        "              found:    'x'",
        "            zzz: no such parameter",
        "              to do:    known: data, steps, rate, fast, sizes, extra, maybe",
        "            --set: invalid value",
        "              expected: NAME=VALUE",
        "              found:    nonsense",
        "            --set: invalid value",
        "              expected: NAME=VALUE",
        "              found:    =3",
        "            data: required, and not given",
        "              to do:    --set data=VALUE",
    ]


def test_assignments_come_before_values_and_the_last_counts():
    values = params.resolve(DECLARED, ["steps=5", "steps=6"], {"steps": 4, "data": "x"})
    assert values["steps"] == 6


def test_a_type_that_cannot_be_set():
    with pytest.raises(UsageError, match="invalid value") as caught:
        params.resolve({"s": Parameter("TASK_FINAL_STATUS")}, values={"s": {}})
    assert "not TASK_FINAL_STATUS" in str(caught.value)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_whole_changes_no_value(value):
    def same(a, b):
        if isinstance(a, list):
            return all(same(x, y) for x, y in zip(a, b, strict=True))
        return a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))

    assert same(value, params.whole(value))
