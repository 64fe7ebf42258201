from idxpipe.pipeline.cli.main import main


def test_compile_check_exits_1_when_stale(tmp_path, capsys):
    path = tmp_path / "p.yaml"
    assert main(["compile", "--output", str(path)]) == 0
    assert main(["compile", "--output", str(path), "--check"]) == 0
    path.write_text("# changed\n" + path.read_text())
    assert main(["compile", "--output", str(path), "--check"]) == 1
    assert "stale: line 1" in capsys.readouterr().err


def test_compile_with_a_register_stage(tmp_path, capsys):
    words = ["compile", "--output", str(tmp_path / "p.yaml"), "--register", "digits"]
    assert main(words) == 2
    assert "--project" in capsys.readouterr().err
    assert main([*words, "--project", "p", "--region", "us-central1"]) == 0
    assert "comp-register" in (tmp_path / "p.yaml").read_text()
