"""Run with the suite's Python and arx5_interface on its path: Arx5Sdk on the SDK's own types, and a controller that
keeps them, for there is no arm."""

import json

import arx5_interface

from mivla_ros.hardware.arx5_sdk import Arx5Sdk
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.robots.profile import load_profile


class Controller:
    def __init__(self):
        self.state, self.gain, self.told = arx5_interface.JointState(6), arx5_interface.Gain(6), []
        self.state.pos()[:] = [0.1, 0.9, 0.8, -0.5, 0.2, 0.1]
        self.state.gripper_pos = 0.03

    def get_joint_state(self):
        return self.state

    def set_joint_cmd(self, command):
        self.told.append([*command.pos().tolist(), command.gripper_pos, bool(any(self.gain.kp()))])

    def get_gain(self):
        return self.gain

    def set_gain(self, gain):
        self.gain = gain

    def set_to_damping(self):
        self.gain = arx5_interface.Gain(6)


controller = Controller()
sdk = Arx5Sdk(load_profile("arx_x5").arms[0], controller, arx5_interface)
refusals = []


def refused(value, joint="joint1"):
    try:
        sdk.command({**dict.fromkeys(sdk.joints, 0.05), joint: value})
    except HardwareError as error:
        refusals.append(str(error))


refused(0.1)
sdk.enable(True)
sdk.command({**dict.fromkeys(sdk.joints, 0.05), "gripper": 0.2})
refused(2.7)
fine = sdk.read()
controller.set_to_damping()
tripped = sdk.read()
print("\n" + json.dumps({
    "told": controller.told,
    "refusals": refusals,
    "gripper": fine.positions["gripper"],
    "faults": [fine.fault is not None, str(tripped.fault)],
}))  # fmt: skip
