import sys

import pytest


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(source, name="mine_for_test"):
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        return f"{name}:net"

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("mine_"):
            del sys.modules[name]
