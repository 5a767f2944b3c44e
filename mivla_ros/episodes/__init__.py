"""Episodes: recordings of what a robot saw and did. Plain Python; the recorder node is in ``nodes``."""
