"""Stage 3: a TFRecord dataset to a SavedModel, on TPU, GPU or CPU."""
