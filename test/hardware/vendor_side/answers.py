"""Run with the Python of the extra environment "vendors": what the vendors' own code says, as JSON on the last line."""

import contextlib
import io
import json
import sys


def piper(joints):
    from piper_sdk import (
        ArmMsgGripperCtrl,
        ArmMsgJointCtrl,
        ArmMsgType,
        C_PiperForwardKinematics,
        C_PiperParserV2,
        PiperMessage,
    )

    poses = {
        name: [C_PiperForwardKinematics(dh).CalFK(row)[5] for row in joints] for name, dh in (("old", 0), ("new", 1))
    }

    def frame(message):
        from can.message import Message

        frame = Message()
        C_PiperParserV2().EncodeMessage(message, frame)
        return list(frame.data)

    rows = []
    for degrees in (10.0, -63.5):
        value = round(degrees * 1000)
        control = ArmMsgJointCtrl(value, value, 0, 0, 0, 0)
        rows.append(frame(PiperMessage(type_=ArmMsgType.PiperMsgJointCtrl_12, arm_joint_ctrl=control)))
    gripper = ArmMsgGripperCtrl(70_000, 1000, 1, 0)
    rows.append(frame(PiperMessage(type_=ArmMsgType.PiperMsgGripperCtrl, arm_gripper_ctrl=gripper)))
    return {"poses": poses, "frames": rows}


def arx(joints):
    import os

    import arx5_interface
    import numpy as np

    models = os.path.join(os.path.dirname(arx5_interface.__file__), "models")
    solver = arx5_interface.Arx5Solver(
        os.path.join(models, "X5.urdf"),
        6,
        np.array(LOW),
        np.array(HIGH),
        "base_link",
        "link6",
        np.array([0.0, 0.0, -9.807]),
    )
    return [solver.forward_kinematics(np.array(row)).tolist() for row in joints]


LOW, HIGH = [-3.14, -0.05, -0.1, -1.6, -1.57, -2.0], [2.618, 3.5, 3.2, 1.55, 1.57, 2.0]

if __name__ == "__main__":
    joints = json.loads(sys.argv[2])
    with contextlib.redirect_stdout(io.StringIO()):
        answer = {"piper": piper, "arx": arx}[sys.argv[1]](joints)
    print("\n" + json.dumps(answer))
