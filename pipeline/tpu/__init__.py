"""Ahead of a TPU: what its compiler says of a recipe, on a machine that has none."""
