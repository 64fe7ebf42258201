"""IDX files to an evaluated classifier, in stages: validate, convert, train, evaluate."""

__version__ = "0.1.0"
