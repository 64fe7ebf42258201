"""Stage 4: a SavedModel and a TFRecord dataset to metrics, a report and a verdict."""
