"""`python -m idxpipe` is the command `idxpipe`."""

import sys

from idxpipe.pipeline.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
