"""The commands that run one stage, or look at a dataset."""
