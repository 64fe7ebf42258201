"""The same training step in other frameworks, for a virtual environment that has them.

Each is a script: it prints `ready`, then for each line with a number of steps on stdin takes them
and prints the seconds they took. None imports anything of idxpipe.
"""
