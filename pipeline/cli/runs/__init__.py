"""The commands that run the pipeline on this machine and look at its runs."""
