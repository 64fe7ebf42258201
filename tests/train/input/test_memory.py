from idxpipe.components.train.input import memory


def test_machine_without_control_group(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert 0 < memory.available_memory() < 1 << 60


def test_containers_limit_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    assert memory.available_memory() == 3000
    (tmp_path / "memory.current").write_text("6000\n")
    assert memory.available_memory() == 0
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_memory() > 6000
