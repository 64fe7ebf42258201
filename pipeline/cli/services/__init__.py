"""The commands for runs on Vertex AI Pipelines and Kubeflow Pipelines."""
