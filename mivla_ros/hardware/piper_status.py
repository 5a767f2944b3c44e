"""What PiPer's status messages mean: piper_msgs/PiperStatusMsg and agx_arm_msgs/AgxArmStatus (drivers.md 1.4)."""

from typing import Any

from mivla_ros.hardware.dialect import Reading
from mivla_ros.stop_reasons import Reason, Stop

STATUS_TYPE = "piper_msgs/msg/PiperStatusMsg"
AGX_STATUS_TYPE = "agx_arm_msgs/msg/AgxArmStatus"
JOINTS = range(1, 7)


def status_reading(message: Any) -> Reading:  # noqa: ANN401
    """A fault where a motor does not answer, an angle limit is hit or the error code is not zero; else nothing.

    The flag communication_status is true where the motor is lost [the vendor's SDK: 0 normal, 1 abnormal].
    """
    if hasattr(message, "err_code"):
        code = int(message.err_code)
        limits = [i for i in JOINTS if getattr(message, f"joint_{i}_angle_limit")]
        lost = [i for i in JOINTS if getattr(message, f"communication_status_joint_{i}")]
    else:
        code = int(message.err_status)
        limits = [i + 1 for i, hit in enumerate(message.joint_angle_limit) if hit]
        lost = [i + 1 for i, bad in enumerate(message.communication_status_joint) if bad]
    fault = None
    if lost:
        fault = _fault(f"joint{lost[0]}", code, f"motors {lost} do not answer on CAN; power and plugs?")
    elif limits:
        fault = _fault(f"joint{limits[0]}", code, f"the driver reports the angle limit of joints {limits}")
    elif code:
        fault = _fault("arm_status", code, f"error code {code}")
    elif int(message.teach_status) != 0:
        fault = _fault("arm_status", int(message.teach_status), "the arm is in teach mode; leave it (button) first")
    return Reading({}, {}, {}, fault=fault)


def _fault(subject: str, code: int, words: str) -> Stop:
    return Stop(Reason.DRIVER_FAULT, subject, float(code), message=words)
