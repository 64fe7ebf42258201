"""The four stages as one compiled Kubeflow pipeline, and the ways to run it."""
