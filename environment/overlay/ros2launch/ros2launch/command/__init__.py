"""Commands this package adds to ``ros2``."""
