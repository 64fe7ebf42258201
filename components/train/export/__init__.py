"""What a training leaves: SavedModel, Keras file, TFLite, model card."""
