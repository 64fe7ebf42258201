"""What libraries log, said on stderr: apart from narration, as `logging` takes long to load."""

import logging

from idxpipe.components.core.narration import say


class _Narrator(logging.Handler):
    """Says what libraries warn of, a line each."""

    def emit(self, record: logging.LogRecord) -> None:
        lines = record.getMessage().strip().splitlines()
        if lines:
            say(lines[-1] if "Traceback" in lines[0] else lines[0])


def narrate_logs() -> None:
    """Have the log's warnings said in this process, which must be a program of ours.

    A library that is used by somebody else's program leaves the log to that.
    """
    root = logging.getLogger()
    if not any(isinstance(handler, _Narrator) for handler in root.handlers):
        root.addHandler(_Narrator(logging.WARNING))
