"""The kinds of storage behind `storage`."""
