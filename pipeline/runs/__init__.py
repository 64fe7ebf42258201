"""Looks at runs of this machine: what would run, what did, and how they differ."""
