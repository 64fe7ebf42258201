import json

import pytest

from idxpipe.components.core.idx.class_names import class_names_beside, dumps, loads


def test_what_import_writes(tmp_path):
    (tmp_path / "classes.json").write_text(json.dumps({"class_names": ["cat", "dog"]}))
    assert class_names_beside(f"{tmp_path}/train-labels-idx1-ubyte", 2) == ("cat", "dog")


def test_what_emnist_has(tmp_path):
    text = "".join(f"{n + 1} {65 + n} {97 + n}\n" for n in range(26))
    (tmp_path / "emnist-letters-mapping.txt").write_text(text)
    uri = f"{tmp_path}/emnist-letters-train-labels-idx1-ubyte.gz"
    names = class_names_beside(uri, 26, 1)
    assert (names[0], names[25]) == ("A/a", "Z/z")
    # Not of another set in the folder.
    assert class_names_beside(f"{tmp_path}/emnist-digits-train-labels-idx1-ubyte.gz", 26, 1) == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"class_names": 3}', '{"class_names": ["a", 1]}', "x" * 20_000]
)
def test_what_does_not_fit_is_left_out_with_a_word(tmp_path, text, capsys):
    (tmp_path / "classes.json").write_text(text)
    assert class_names_beside(f"{tmp_path}/labels", 2) == ()
    assert "classes.json: no names of 2 classes" in capsys.readouterr().err


def test_none_are_there(tmp_path, capsys):
    assert class_names_beside(f"{tmp_path}/labels", 2) == ()
    assert capsys.readouterr().err == ""


def test_there_and_back_as_a_parameter():
    assert loads(dumps(("a", "\u00e9"))) == ("a", "\u00e9")
    assert dumps(()) == ""
    assert loads("") == ()
