"""The ``ros2 launch`` command."""
