"""A vendor's driver without its arm: a process on the vendor's own topics, with the misbehaviours it is told to have.

python -m test.hardware.stand_in_driver piper_ros --deaf-after 5
"""

import argparse
import sys
import time
from collections import deque
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import SetBool

from mivla_ros.hardware.dialect import Send
from test.hardware.stand_in_cameras import Cameras
from test.hardware.stand_in_ros2_control import ControllerManager
from test.hardware.vendor_drivers import PiperRosDriver

READY = [0, 74485, -60161, 0, 48701, 0]  # 0.001 degree: the profile's ready
RATE = 200.0
SPEED = 90_000 / RATE  # 0.001 degree a period: 90 degrees a second


class StandIn(Node):
    """One PiPer behind piper_ros or agx_arm_ros; moves at a bounded speed to where it was told, if it has torque."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__("agx_arm_ctrl_single_node" if options.kind == "agx_arm_ros" else "piper_ctrl_single_node")
        self._options, self._began = options, time.monotonic()
        self._agx = options.kind == "agx_arm_ros"
        self._driver = PiperRosDriver()
        self._driver.millidegrees, self._driver.opening = list(READY), 0.03
        self._at, self._opening = [float(v) for v in READY], 0.03
        self._torque, self._count = False, 0
        self._commands: deque[tuple[float, JointState]] = deque()
        topics = (
            ("feedback/joint_states", "control/joint_states")
            if self._agx
            else ("joint_states_single", "joint_ctrl_single")
        )
        self._lost = None
        if options.motor_lost_after >= 0:
            from piper_msgs.msg import PiperStatusMsg

            self._lost = self.create_publisher(PiperStatusMsg, "arm_status", QoSProfile(depth=1))
        self._feedback = self.create_publisher(JointState, topics[0], QoSProfile(depth=1))
        self.create_subscription(JointState, topics[1], self._on_command, QoSProfile(depth=1))
        self.create_subscription(Bool, "enable_flag", lambda message: self._enable(message.data), QoSProfile(depth=1))
        self.create_service(SetBool, "enable_agx_arm", self._on_enable)
        self.create_timer(1.0 / RATE, self._on_period)

    def _after(self, seconds: float) -> bool:
        return seconds >= 0 and time.monotonic() - self._began > seconds

    def _enable(self, on: bool) -> bool:
        if on and self._options.refuse_enable:
            return False
        self._torque = on
        return True

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success = self._enable(request.data)
        response.message = "" if response.success else "enable timed out, send error 100017"
        return response

    def _on_command(self, message: JointState) -> None:
        self._count += 1
        dropped = self._options.drop and self._count % self._options.drop == 0
        if not dropped and not self._after(self._options.deaf_after):
            self._commands.append((time.monotonic() + self._options.latency, message))

    def _on_period(self) -> None:
        while self._commands and self._commands[0][0] <= time.monotonic():
            self._take(self._commands.popleft()[1])
        if self._torque:
            for i, wanted in enumerate(self._driver.millidegrees):
                self._at[i] += min(max(wanted - self._at[i], -SPEED), SPEED)
            self._opening += min(max(self._driver.opening - self._opening, -1e-3), 1e-3)
        if self._lost is not None:
            bad = self._after(self._options.motor_lost_after)
            self._lost.publish(self._lost.msg_type(communication_status_joint_3=bad))
        if not self._after(self._options.bus_off_after):
            self._publish()

    def _take(self, message: JointState) -> None:
        if self._agx:
            degrees = 180 / 3.141592653589793
            self._driver.millidegrees = [round(v * degrees * 1000) for v in message.position[:6]]
            self._driver.opening = message.position[6]
            return
        fields = {"name": list(message.name), "position": list(message.position), "velocity": list(message.velocity)}
        self._driver.take(Send("", "", fields))

    def _publish(self) -> None:
        factor = 3.141592653589793 / 180 if self._agx else 0.017444
        values = [v / 1000 * factor for v in self._at]
        if self._options.negate:
            values[self._options.negate - 1] *= -1
        if self._options.degrees:
            values = [v / 1000 for v in self._at]
        opening = 0.1 - self._opening if self._options.gripper_backwards else self._opening
        message = JointState()
        message.header.stamp = self.get_clock().now().to_msg()
        message.name = [*(f"joint{i}" for i in range(1, 7)), "gripper"]
        message.position = [*values, opening]
        message.velocity, message.effort = [0.0] * 6, [0.0] * 7
        self._feedback.publish(message)


class ArxStandIn(Node):
    """X5Controller, arm_control_type normal: mode 5 follows joints, 2 damps, 0 lets go; a trip freezes it for good."""

    def __init__(self, options: argparse.Namespace) -> None:
        from arx5_arm_msg.msg import RobotCmd, RobotStatus

        super().__init__("arm_controller")
        self._options, self._began = options, time.monotonic()
        self._at = [0.0, 0.948, 0.858, -0.573, 0.0, 0.0, -1.0]
        self._wanted, self._mode, self._status = list(self._at), 2, RobotStatus
        self._publisher = self.create_publisher(RobotStatus, "arm_status", QoSProfile(depth=1))
        self.create_subscription(RobotCmd, "arm_cmd", self._on_command, QoSProfile(depth=1))
        self.create_timer(0.01, self._on_period)

    def _on_command(self, message: Any) -> None:
        self._mode, self._wanted = message.mode, [*message.joint_pos, message.gripper]

    def _on_period(self) -> None:
        tripped = 0 <= self._options.deaf_after < time.monotonic() - self._began
        if self._mode == 5 and not tripped:
            self._at = [a + min(max(w - a, -0.03), 0.03) for a, w in zip(self._at, self._wanted, strict=True)]
        message = self._status()
        message.joint_pos = self._at
        self._publisher.publish(message)


class LocoManStandIn(Node):
    """LocoMan's controller on its topics, as they come over the bridge."""

    def __init__(self, options: argparse.Namespace) -> None:
        from std_msgs.msg import Float32MultiArray, Int32

        from test.hardware.locoman_robot import LocoManRobot

        super().__init__("locoman_controller")
        self._options, self._began, self._count = options, time.monotonic(), 0
        self._robot, self._state = LocoManRobot(options.variant, options.refuse_enable), Float32MultiArray
        self._wire: deque[tuple[float, Any]] = deque()
        self._publisher = self.create_publisher(Float32MultiArray, "robot_state", QoSProfile(depth=1))
        self.create_subscription(Int32, self._robot.mode_topic, self._on_mode, QoSProfile(depth=1))
        self.create_subscription(Float32MultiArray, "human_command", self._on_command, QoSProfile(depth=1))
        self._before = time.monotonic()
        self.create_timer(0.01, self._on_period)

    def _on_mode(self, message: Any) -> None:
        self._robot.ask(message.data, time.monotonic())

    def _on_command(self, message: Any) -> None:
        self._count += 1
        if not self._options.drop or self._count % self._options.drop:
            self._wire.append((time.monotonic() + self._options.latency, message.data))

    def _on_period(self) -> None:
        now = time.monotonic()
        self._robot.frozen = 0 <= self._options.freeze_after < now - self._began
        while self._wire and self._wire[0][0] <= now:
            self._robot.command(list(self._wire.popleft()[1]), now)
        self._robot.step(max(now - self._before, 1e-3), now)
        self._before = now
        self._publisher.publish(self._state(data=self._robot.state()))


KINDS = {
    "piper_ros": StandIn,
    "agx_arm_ros": StandIn,
    "arx_x5": ArxStandIn,
    "locoman": LocoManStandIn,
    "cameras": lambda options: Cameras(options.robot, options.blur, options.swap),
    "ros2_control": lambda options: ControllerManager(options.robot),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument("--latency", type=float, default=0.0, help="s until a command counts")
    parser.add_argument("--drop", type=int, default=0, help="every so manieth command is lost")
    parser.add_argument("--deaf-after", type=float, default=-1.0, help="s until commands are dropped")
    parser.add_argument("--bus-off-after", type=float, default=-1.0, help="s until feedback ends for good")
    parser.add_argument("--refuse-enable", action="store_true", help="or the mode, of a LocoMan")
    parser.add_argument("--freeze-after", type=float, default=-1.0, help="s until a LocoMan repeats its state")
    parser.add_argument("--robot", default="piper", help="whose controllers, or cameras, there are")
    parser.add_argument("--blur", default="", help="camera that is out of focus")
    parser.add_argument("--swap", action="store_true", help="head and wrist camera are swapped")
    parser.add_argument("--variant", default="human2locoman", help="whose mode numbers a LocoMan has")
    parser.add_argument("--motor-lost-after", type=float, default=-1.0, help="s until a motor does not answer")
    parser.add_argument("--negate", type=int, default=0, help="joint whose feedback has the wrong sign")
    parser.add_argument("--degrees", action="store_true", help="feedback in degrees")
    parser.add_argument("--gripper-backwards", action="store_true")
    options = parser.parse_args()
    rclpy.init()
    node = KINDS[options.kind](options)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    sys.exit(0)


if __name__ == "__main__":
    main()
