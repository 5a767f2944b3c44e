"""The vendors' own public code against ours: piper_sdk's kinematics and CAN units, arx5-interface's solver and
types."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mivla_ros.hardware.piper_units import can_micrometres, can_millidegrees
from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

ROOT = Path(__file__).parents[2]
SIDE = Path(__file__).parent / "vendor_side"
EXTRA = ROOT / ".environment" / "extra" / "vendors"
PIPER_ROWS = [[0.0] * 6, [0.2, 0.2, -0.2, 0.3, -0.2, 0.5], [1.4424, 1.5499, -1.0766, 0.4484, 0.0309, -0.1665]]
ARX_ROWS = [[0.0] * 6, [0, 0.948, 0.858, -0.573, 0, 0], [-0.4143, 2.8654, 0.6241, -1.1007, -0.0257, -1.7477]]


@pytest.fixture(scope="module")
def python() -> str:
    """The Python that has the vendors' packages; made where it is absent."""
    try:
        made = subprocess.run(
            [ROOT / "environment" / "extra.bash", "vendors"], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the environment of the vendors' packages was not made within 120 s")
    if made.returncode != 0:
        pytest.skip(f"the environment of the vendors' packages cannot be made: {made.stderr.strip()[-300:]}")
    return str(EXTRA / "bin" / "python")


def ask(python: str, script: str, *arguments: str, **variables: str) -> Any:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    done = subprocess.run(
        [python, "-W", "ignore", SIDE / script, *arguments],
        env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return answer_in(done.stdout)


def answer_in(output: str) -> Any:
    """The line of JSON; C++ of the vendors prints around it."""
    (line,) = (line for line in output.splitlines() if line.startswith(("{", "[")))
    return json.loads(line)


@pytest.fixture(scope="module")
def piper(python: str) -> Any:
    return ask(python, "answers.py", "piper", json.dumps(PIPER_ROWS))


@pytest.mark.parametrize("dh", ["old", "new"])
def test_both_kinematics_of_piper_are_piper_sdks(piper: Any, dh: str) -> None:
    chain = chain_from_urdf(robot_description(load_profile("piper"), dh_variant=dh), "base_link", "link6")
    for row, (x, y, z, roll, pitch, yaw) in zip(PIPER_ROWS, piper["poses"][dh], strict=True):
        pose = forward_kinematics(chain, row)
        assert pose[:3] == pytest.approx(np.array([x, y, z]) / 1000, abs=1.5e-4)
        theirs = Rotation.from_euler("xyz", [roll, pitch, yaw], degrees=True)
        assert (theirs * Rotation.from_quat(pose[3:], scalar_first=True).inv()).magnitude() < 1e-4


def test_can_units_are_piper_sdks(piper: Any) -> None:
    first, second, gripper = (bytes(row) for row in piper["frames"])
    for frame, degrees in ((first, 10.0), (second, -63.5)):
        assert int.from_bytes(frame[:4], "big", signed=True) == can_millidegrees(np.radians(degrees))
    assert int.from_bytes(gripper[:4], "big", signed=True) == can_micrometres(0.07)


def test_our_x5_is_the_solvers_but_for_what_the_vendor_changed_in_2025(python: str) -> None:
    poses = ask(python, "answers.py", "arx", json.dumps(ARX_ROWS))
    chain = chain_from_urdf(robot_description(load_profile("arx_x5")), "base_link", "link6")
    for row, theirs in zip(ARX_ROWS, poses, strict=True):
        pose = forward_kinematics(chain, row)
        assert np.linalg.norm(pose[:3] - theirs[:3]) < 3.0e-3  # wrist offsets differ by 2.7 mm
        turned = Rotation.from_euler("xyz", theirs[3:]) * Rotation.from_quat(pose[3:], scalar_first=True).inv()
        assert turned.magnitude() < 1e-3


def test_arx5_sdk_is_held_before_its_gains_come_and_damping_is_a_fault(python: str) -> None:
    (packages,) = (EXTRA / "lib").glob("python3.*/site-packages/arx5_interface")
    path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    # appended, so that the suite's own NumPy is used
    run = "import runpy, sys; sys.path.append(sys.argv[2]); runpy.run_path(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", run, SIDE / "sdk_session.py", packages.parent],
        env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answer = answer_in(done.stdout)
    assert answer["told"][0] == [0.1, 0.9, 0.8, -0.5, 0.2, 0.1, 0.03, False]  # where it is, before any gain
    assert answer["told"][1] == [0.05] * 6 + [0.088, True]
    assert "not enabled" in answer["refusals"][0]
    assert "2.618" in answer["refusals"][1]
    assert answer["gripper"] == 0.03
    assert answer["faults"][0] is False
    assert "damping" in answer["faults"][1]


def test_arx5_sdk_has_every_name_of_our_stand_in_and_says_which_interface_is_not_there(python: str) -> None:
    told = ask(python, "sdk_names.py", str(ROOT / "test" / "hardware" / "stand_in_arx5" / "arx5_interface.py"))
    assert set(told["ours"]) >= {"Arx5JointController.set_joint_cmd", "JointState.gripper_pos", "Gain.kp"}
    assert told["missing"] == []
    assert told["error"] == "RuntimeError"
    assert "mivla9" in told["words"]
