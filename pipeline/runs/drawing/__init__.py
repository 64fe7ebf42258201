"""What the pages of runs draw."""
