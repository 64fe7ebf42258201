import json

from idxpipe.pipeline.cli.main import main


def test_records_counts_checks_and_draws(idx_files, tmp_path, capsys):
    sources = [
        str(idx_files / name) for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    ]
    output = str(tmp_path / "out")
    main(["convert", "--images", sources[0], "--labels", sources[1], "--output", output])
    capsys.readouterr()
    assert main(["records", output, "--show", "2"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "in order: 20 examples, every checksum right"
    assert "@@" in out
    assert "label 1" in out
    assert main(["records", output, "--show", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["examples"][0]["image"]) == 28
    assert main(["records", str(tmp_path)]) == 3
