"""The training's programs as a TPU's compiler takes them."""
