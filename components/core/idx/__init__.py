"""The IDX format: header, checks, labels, rows, names of files, layout."""
