"""The stages of idxpipe: validate, convert, train, evaluate, and the core they share."""

__version__ = "0.1.0"
