import logging

from idxpipe.pipeline.cli.logs import narrate_logs


def test_a_warning_of_a_library_is_one_line(capsys):
    root = logging.getLogger()
    before = root.handlers[:]
    try:
        narrate_logs()
        narrate_logs()
        root.warning("first\nsecond")
        root.warning("Traceback ...\n  more\nValueError: last")
    finally:
        root.handlers[:] = before
    assert capsys.readouterr().err.splitlines() == ["first", "ValueError: last"]
