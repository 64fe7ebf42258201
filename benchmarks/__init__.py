"""Side-by-side measurements: ratios of medians from interleaved runs, never bare seconds."""
