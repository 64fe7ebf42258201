"""A converted split: manifest, examples, TFRecord in and out, staging."""
