"""Joint limits of the drivers themselves, beyond which they clip or refuse: rad and m, in the order of the arm's
joints."""

from mivla_ros.hardware.arx5_sdk import GRIPPER_WIDTH, POSITION_MAX, POSITION_MIN
from mivla_ros.hardware.driver_names import Driver
from mivla_ros.hardware.piper_ros import GRIPPER_CLAMP
from mivla_ros.robots.profile import RobotProfile

# pyAgxArm, piper.yaml sdk_limits
PIPER_MIN = (-2.617994, 0.0, -2.96706, -1.74533, -1.22173, -2.094396)
PIPER_MAX = (2.617994, 3.141593, 0.0, 1.74533, 1.22173, 2.094396)


def driver_limits(driver: str, profile: RobotProfile) -> dict[str, tuple[float, float]]:
    """Limits of a profile's joints by our names; empty where the driver publishes none.

    For ARX's own controller, which publishes none, those of arx5-sdk for the same arm.
    """
    if driver in (Driver.PIPER_ROS, Driver.AGX_ARM_ROS):
        lower, upper = PIPER_MIN, PIPER_MAX
        gripper = GRIPPER_CLAMP if driver == Driver.PIPER_ROS else 0.1
    elif driver in (Driver.ARX_X5, Driver.ARX5_SDK):
        lower, upper, gripper = POSITION_MIN, POSITION_MAX, GRIPPER_WIDTH
    else:
        return {}
    found: dict[str, tuple[float, float]] = {}
    for arm in profile.arms:
        found |= dict(zip(arm.joints, zip(lower, upper, strict=True), strict=True))
        if arm.gripper is not None:
            found[arm.gripper.joint] = (0.0, gripper)
    return found
