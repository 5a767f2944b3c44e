"""Stanford's arx5-sdk (package arx5-interface), which drives an ARX arm without ROS: drivers.md 2.2.

Its joint controller takes joint targets (rad) and the gripper in metres at any rate and interpolates at 500 Hz. Gains
start at damping: nothing moves until they are set, and an over-current brings them back there without an error. Here
the gains are set with ``enable``, and damping that nobody asked for is a fault.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from mivla_ros.hardware.dialect import Reading, require_all
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.robots.profile import ArmProfile
from mivla_ros.stop_reasons import Reason, Stop

POSITION_MIN = (-3.14, -0.05, -0.1, -1.6, -1.57, -2.0)  # rad, the SDK's own limits
POSITION_MAX = (2.618, 3.5, 3.2, 1.55, 1.57, 2.0)
KP = (80.0, 70.0, 70.0, 30.0, 30.0, 20.0)  # its default joint gains
KD = (2.0, 2.0, 2.0, 1.0, 1.0, 0.7)
GRIPPER_KP, GRIPPER_KD = 5.0, 0.2
GRIPPER_WIDTH = 0.088  # m


class Controller(Protocol):
    """What is used of ``arx5_interface.Arx5JointController``."""

    def get_joint_state(self) -> Any: ...  # noqa: ANN401, D102
    def set_joint_cmd(self, command: Any) -> None: ...  # noqa: ANN401, D102
    def get_gain(self) -> Any: ...  # noqa: ANN401, D102
    def set_gain(self, gain: Any) -> None: ...  # noqa: ANN401, D102
    def set_to_damping(self) -> None: ...  # noqa: D102


class Arx5Sdk:
    """One arm on the SDK. ``package``: the module arx5_interface, for its JointState and Gain."""

    def __init__(self, arm: ArmProfile, controller: Controller, package: Any) -> None:  # noqa: ANN401
        if len(arm.joints) != 6:
            raise HardwareError(arm.name, f"has {len(arm.joints)} joints, an X5 has 6", len(arm.joints), 6)
        self._arm, self._controller, self._package = arm, controller, package
        self.joints = (*arm.joints, *((arm.gripper.joint,) if arm.gripper else ()))
        self._enabled = False

    def enable(self, on: bool) -> None:
        """On: command where the arm is, then the gains, so that it does not jump. Off: damping; the arm sinks
        slowly."""
        if not on:
            self._enabled = False
            self._controller.set_to_damping()
            return
        state = self._controller.get_joint_state()
        hold = self._package.JointState(6)
        hold.pos()[:] = state.pos()
        hold.gripper_pos = state.gripper_pos
        self._controller.set_joint_cmd(hold)
        gain = self._package.Gain(6)
        gain.kp()[:], gain.kd()[:] = KP, KD
        gain.gripper_kp, gain.gripper_kd = GRIPPER_KP, GRIPPER_KD
        self._controller.set_gain(gain)
        self._enabled = True

    def command(self, positions: Mapping[str, float]) -> None:
        """Send all joints there. HardwareError outside the SDK's limits, beyond which it would clip without a word."""
        self.check(positions)
        if not self._enabled:
            raise HardwareError(self._arm.name, "is not enabled")
        target = self._package.JointState(6)
        target.pos()[:] = [positions[name] for name in self._arm.joints]
        if self._arm.gripper:
            target.gripper_pos = min(max(positions[self._arm.gripper.joint], 0.0), GRIPPER_WIDTH)
        self._controller.set_joint_cmd(target)

    def check(self, positions: Mapping[str, float]) -> None:
        """Raise HardwareError for a command that lacks joints or lies outside the SDK's limits."""
        require_all(self.joints, positions)
        for name, low, high in zip(self._arm.joints, POSITION_MIN, POSITION_MAX, strict=True):
            value = positions[name]
            if not low <= value <= high:
                limit = low if value < low else high
                raise HardwareError(name, f"is {value:.4g} rad, arx5-sdk allows {low:g} to {high:g}", value, limit)

    def read(self) -> Reading:
        """Where the joints are. A fault once the SDK has gone to damping by itself."""
        state = self._controller.get_joint_state()
        positions = dict(zip(self._arm.joints, map(float, state.pos()), strict=True))
        velocities = dict(zip(self._arm.joints, map(float, state.vel()), strict=True))
        efforts = dict(zip(self._arm.joints, map(float, state.torque()), strict=True))
        if self._arm.gripper:
            positions[self._arm.gripper.joint] = float(state.gripper_pos)
            velocities[self._arm.gripper.joint] = float(state.gripper_vel)
        fault = None
        if self._enabled and not any(self._controller.get_gain().kp()):
            words = "arx5-sdk went to damping by itself (over-current); look what blocks the arm, restart the driver"
            fault = Stop(Reason.DRIVER_FAULT, self._arm.name, message=words)
        return Reading(positions, velocities, efforts, self._enabled, fault)
