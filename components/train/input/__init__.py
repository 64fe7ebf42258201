"""Examples to batches: batch k is a function of the seed and k."""
