"""MiVLA for ROS 2: policies with human-robot mutual imitation on real robots.

Only the sub-package ``nodes`` imports ROS; everything else is plain Python and runs on a training machine without it.
"""

__version__ = "0.1.0"
