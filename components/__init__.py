"""The stages of idxpipe: validate, convert, train, evaluate, and the core they share."""
