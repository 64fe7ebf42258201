import json

from idxpipe.pipeline.cli.main import main
from tests.idxfiles import idx_bytes, make_arrays


def test_validate_prints_a_table(idx_files, capsys):
    assert main(["validate", "--data", str(idx_files)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "in order: 10 classes, uint8 images"
    assert "test_labels" in out
    assert err == ""


def test_json_is_one_document_on_stdout(idx_files, capsys):
    assert main(["validate", "--data", str(idx_files), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["num_classes"] == 10
    assert err == ""


def test_bad_data_is_one_clear_error_and_exit_code_3(idx_files, capsys):
    name = idx_files / "t10k-labels-idx1-ubyte"
    name.write_bytes(idx_bytes(make_arrays()["test_labels"]) + b"\0")
    assert main(["validate", "--data", str(idx_files)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {name}: byte 28: file goes on after its last record [IDX012]\n")
    assert "Traceback" not in err


def test_an_error_is_json_too(idx_files, capsys):
    (idx_files / "t10k-labels-idx1-ubyte").unlink()
    assert main(["validate", "--data", str(idx_files), "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["exit_code"] == 3
    assert err.startswith("error: ")


def test_a_value_out_of_bounds_is_a_usage_error(idx_files, capsys):
    assert main(["validate", "--data", str(idx_files), "--num-classes", "-1"]) == 2
    assert "error: num_classes: parameter is too small" in capsys.readouterr().err
