"""Stage 2: one split of IDX files to a TFRecord dataset, with Beam."""
