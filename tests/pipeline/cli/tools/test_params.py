import json

from idxpipe.pipeline.catalogue import PARAMETERS
from idxpipe.pipeline.cli.main import main


def test_params_lists_every_parameter(capsys):
    assert main(["params"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(PARAMETERS)
    (line,) = (line for line in lines if line.startswith("train_steps "))
    assert " ".join(line.split()) == "train_steps train int at least 1 1000 | 500 | 7000"
    assert main(["params", "--json", "stage-bytes", "optimizer"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["stages"] == ["train", "evaluate"]
    assert second["recipes"] == {"seed": "sgd", "fast": "adamw", "best": "adamw"}
    assert main(["params", "batch_size"]) == 0
    assert "--set batch_size=VALUE" in capsys.readouterr().out
