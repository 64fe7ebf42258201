"""Words that are mistyped, missing or not ours."""

import json

import pytest

from idxpipe.pipeline.cli.main import main


@pytest.mark.parametrize(
    ("words", "usage", "remedy"),
    [
        (["trian"], "usage: idxpipe COMMAND", "did you mean train?"),
        (["zzz"], "usage: idxpipe COMMAND", "idxpipe --help lists them"),
        (
            ["train", "--recrods", "x", "--output", "y"],
            "usage: idxpipe train --records URI|RUN --output URI [FLAGS]",
            "did you mean --records?",
        ),
        (["run", "--recipe", "fast"], "usage: idxpipe run", "--set recipe=fast\n"),
        (["run", "--set", "recipe=fsat"], "", "did you mean fast?"),
        (["run", "--recpie=my own"], "usage: idxpipe run", "--set recipe='my own'\n"),
        (["submit", "--batch-size", "--wait"], "usage: idxpipe submit", "--set batch_size=VALUE\n"),
        (["status", "j", "--zzz"], "usage: idxpipe status JOB", "idxpipe status --help"),
        (["params", "lerning-rate"], "", "did you mean learning_rate?"),
        (["run", "--set", "lerning_rate=1"], "", "did you mean learning_rate?"),
    ],
)
def test_what_is_mistyped_is_answered_with_the_nearest(words, usage, remedy, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(usage)
    assert remedy in err


def test_a_parameter_without_its_flag_is_told_how_it_is_given(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "recipe=my own"])
    assert (
        "--set recipe='my own', or for the command of a stage --recipe" in capsys.readouterr().err
    )


def test_a_mistyped_flag_is_json_too(capsys):
    assert main(["train", "--json", "--recrods", "x"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["found"] == "--recrods"


def test_what_follows_two_dashes_is_not_ours(idx_files, tmp_path, capsys):
    words = ["convert", "--data", str(idx_files), "--output", str(tmp_path / "out")]
    assert main([*words, "--", "--direct_num_workers=1"]) == 0


def test_what_is_missing_is_named_with_the_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", "--output", "y"])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: idxpipe train --records URI|RUN --output URI [FLAGS]\n")
    assert "--records" in err.splitlines()[1]
