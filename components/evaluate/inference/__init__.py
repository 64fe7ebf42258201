"""From a trained model and images to logits, on one device or several."""
