import os
import pty
import sys

from idxpipe.components.convert.progress import Progress


def test_the_line_says_shards_share_rate_and_rest():
    progress = Progress("convert train", 4, 1000)
    progress.advance(1, 250)
    progress.shard_done()
    assert progress.line().startswith("convert train: 1 of 4 shards, 25%, ")
    assert " MB/s, " in progress.line()
    assert progress.line().endswith(" s left")


def test_nothing_is_known_before_the_first_byte():
    assert Progress("x", 1, 1000).line() == "x: 0 of 1 shards, 0%, 0 MB/s, 0 s left"


def test_it_is_drawn_on_a_terminal_alone_and_wiped_at_the_end(monkeypatch, capsys):
    progress = Progress("x", 1, 1000)
    with progress.shown():
        pass
    assert capsys.readouterr().err == ""
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress.shown():
            drawn = b""
            while b"0 of 1 shards" not in drawn:
                drawn += os.read(leader, 1000)
        assert os.read(leader, 1000).endswith(b"\r\x1b[K")
    os.close(leader)
