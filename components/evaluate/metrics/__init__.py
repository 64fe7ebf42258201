"""What an evaluation measures: NumPy in, numbers out."""
