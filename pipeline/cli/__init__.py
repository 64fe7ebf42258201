"""The command `idxpipe`."""
