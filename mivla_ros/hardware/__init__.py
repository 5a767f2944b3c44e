"""Our trajectories to what each vendor's driver speaks, and its state to ours.

``dialect`` says what one driver's way of speaking must offer; ``piper_ros``, ``agx_arm_ros``, ``arx_x5``,
``arx5_driver``, ``locoman`` are such dialects, one file for each vendor's package; ``session`` samples our trajectories
at the rate the driver bears, watches its feedback and stops with a named reason; ``drivers`` makes the dialects of a
robot by name. No ROS in here: ``nodes/hardware_node.py`` is the rim.
"""
