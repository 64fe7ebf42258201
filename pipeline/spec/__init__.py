"""A compiled pipeline as data."""
