"""Stage 4: a SavedModel and a TFRecord dataset to metrics and a report."""
