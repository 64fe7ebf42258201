import json

import pytest

from idxpipe.components.core.errors import (
    FAMILY,
    FILE_VARIABLE,
    DataError,
    IdxpipeError,
    exit_on_error,
)


def test_message_says_where_what_expected_found_and_to_do():
    error = DataError(
        "bad thing", where="a.idx", offset=8, expected=1, found=0, remedy="fetch it again"
    )
    assert str(error) == (
        "a.idx: byte 8: bad thing\n  expected: 1\n  found:    0\n  to do:    fetch it again"
    )
    assert error.to_json() == {
        "problem": "bad thing",
        "where": "a.idx",
        "offset": 8,
        "expected": "1",
        "found": "0",
        "remedy": "fetch it again",
        "exit_code": 3,
    }


def test_what_is_not_known_is_not_shown():
    assert str(IdxpipeError("broken")) == "broken"
    assert IdxpipeError("broken").to_json() == {"problem": "broken", "exit_code": 1}


def test_exit_codes_are_those_of_the_contract():
    names = {code: cls.__name__ for code, cls in FAMILY.items()}
    assert names == {
        1: "IdxpipeError",
        2: "UsageError",
        3: "DataError",
        4: "GateError",
        5: "SetupError",
        6: "TransientError",
    }


def test_exit_on_error_prints_the_message_and_no_traceback(capsys):
    with pytest.raises(SystemExit) as caught, exit_on_error():
        raise DataError("bad", where="x")
    assert caught.value.code == 3
    assert capsys.readouterr().err == "error: x: bad\n"


def test_exit_on_error_lets_defects_through():
    with pytest.raises(ZeroDivisionError), exit_on_error():
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("https://user:pw@host/a/b?sig=SECRET", "https://host/a/b?..."),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("gs://bucket/x", "gs://bucket/x"),
        ("data/what?.idx", "data/what?.idx"),
    ],
)
def test_passwords_and_signatures_are_not_shown(where, shown):
    error = DataError("bad", where=where)
    assert str(error) == f"{shown}: bad"
    assert error.to_json()["where"] == shown


def test_trust_14_what_comes_from_outside_cannot_pose_as_our_words():
    hostile = "a\x1b[2J\u202e\nerror: b\n  to do:    rm -rf ~"
    lines = str(DataError("bad", where=hostile, found=hostile, remedy="go")).splitlines()
    assert not any("\x1b" in line or "\u202e" in line for line in lines)
    assert [line for line in lines if line.startswith("error")] == []
    assert [line for line in lines if line.startswith("  to do:")] == ["  to do:    go"]


def test_a_runner_gets_the_error_in_a_file(tmp_path, monkeypatch, capsys):
    path = tmp_path / "error.json"
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    with pytest.raises(SystemExit), exit_on_error():
        raise DataError("bad", where="x", found=1)
    stated = json.loads(path.read_text())
    assert f"error: {stated.pop('text')}\n" == capsys.readouterr().err
    assert stated == {"problem": "bad", "where": "x", "found": "1", "exit_code": 3}
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "none" / "error.json"))
    with pytest.raises(SystemExit), exit_on_error():
        raise DataError("bad")
