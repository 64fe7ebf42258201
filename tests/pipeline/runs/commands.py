"""Commands as a user gives them."""

import json

from idxpipe.pipeline.cli.main import main


def command(capsys, *words, code=0):
    assert main(list(words)) == code
    return capsys.readouterr()


def as_json(capsys, *words):
    return json.loads(command(capsys, *words, "--json").out)
