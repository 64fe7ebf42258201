"""The commands that look ahead of a run."""
