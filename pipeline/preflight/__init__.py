"""What `idxpipe doctor` looks at, one idea per function."""
