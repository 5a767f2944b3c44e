"""Trained checkpoints that ship with the suite: ``piper_tiny`` puts the bottle on the pad."""
