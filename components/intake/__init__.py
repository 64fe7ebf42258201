"""Images, arrays and tables as the four IDX files of a data set."""
