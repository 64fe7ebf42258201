"""Stage 6, on Vertex AI only: an evaluated model to a version in the model registry."""
