"""What a training goes on from: checkpoints, history, TensorBoard's events."""
