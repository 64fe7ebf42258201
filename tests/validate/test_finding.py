from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError
from idxpipe.components.validate.finding import FaultsError, Finding


def fault(code, **fields):
    return Finding.of(DataError("wrong", where="f", offset=3, code=code, **fields))


def test_a_finding_says_what_the_error_said():
    found = fault(Code.COUNTS, expected=5, found=4, remedy="fix it")
    assert found == Finding("IDX040", "error", "f", 3, "5", "4", "fix it", "wrong")
    assert str(found) == "error IDX040: f: byte 3: wrong; expected 5; found 4"


def test_an_error_without_a_code_is_of_a_file_that_cannot_be_opened():
    assert Finding.of(DataError("no such file", where="f")).code == "IDX001"
    assert Finding.of(DataError("no such file", where="f")).found == "no such file"


def test_the_first_error_is_the_exceptions_own_and_the_others_follow():
    findings = [fault(Code.DUPLICATES), fault(Code.COUNTS, found=1), fault(Code.CUT_SHORT)]
    error = FaultsError(findings, "report.json")
    assert (error.exit_code, error.code, error.offset) == (3, Code.COUNTS, 3)
    lines = str(error).splitlines()
    assert lines[0] == "f: byte 3: wrong [IDX040]"
    assert [line for line in lines if "also:" in line] == [
        f"  also:     {findings[0]}",
        f"  also:     {findings[2]}",
    ]
    assert lines[-1] == "  report:   report.json"
    assert len(error.to_json()["findings"]) == 3
