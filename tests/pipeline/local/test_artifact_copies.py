from idxpipe.components.core.stores.local import LocalStore
from idxpipe.pipeline.local import runner
from tests.pipeline.conftest import log_of, one


def test_root_on_a_store_that_is_not_local(root, data, monkeypatch):
    """No locks there, and logs are copied when a stage has ended."""
    monkeypatch.setattr("idxpipe.components.core.storage.is_local", lambda uri: False)
    monkeypatch.setattr("idxpipe.components.core.storage._resolve", lambda uri: (LocalStore(), uri))
    for expected in ("succeeded", "cached"):
        record = runner.run(one("echo hello"), {}, str(root))
        assert record.tasks["one"].status == expected
        if expected == "succeeded":
            assert log_of(record) == "hello\n"
    assert not list(root.rglob("*lock"))
