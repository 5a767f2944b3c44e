"""Make, look at and convert checkpoints of the model."""
