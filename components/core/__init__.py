"""What the stages share. Nothing here imports TensorFlow, Beam, kfp, or a stage."""
