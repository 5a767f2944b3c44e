"""Each planted fault is found, by its own name, with something to do; a healthy robot has none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mivla_ros.doctor.collected import Collected, Moved, TopicSeen
from mivla_ros.doctor.examine import Questions, examine
from mivla_ros.doctor.finding import Finding, Level, as_json, as_lines, exit_status
from mivla_ros.doctor.topics import JOINT_STATE, TRAJECTORY
from mivla_ros.hardware.driver_limits import driver_limits
from test.doctor.healthy import MS, PROFILE, URDF, blurred, camera, healthy, joints, texture

Change = Callable[[Collected], Collected]
QUESTIONS = Questions("piper", firmware="S-V1.8-2")


def found(seen: Collected, questions: Questions = QUESTIONS) -> list[Finding]:
    return examine(PROFILE, URDF, seen, questions)


def bad(findings: list[Finding]) -> dict[str, Level]:
    return {f.check: f.level for f in findings if f.level in (Level.WARNING, Level.FAILURE)}


def topic(name: str, seen: TopicSeen | None) -> Change:
    def change(c: Collected) -> Collected:
        topics = {k: v for k, v in c.topics.items() if k != name}
        return replace(c, topics={**topics, **({name: seen} if seen else {})})

    return change


def positions(edit: Callable[[np.ndarray], np.ndarray]) -> Change:
    def change(c: Collected) -> Collected:
        return replace(c, joints=tuple(replace(s, positions=tuple(edit(np.array(s.positions)))) for s in c.joints))

    return change


def camera_with(**changes: object) -> Change:
    return lambda c: replace(c, cameras={**c.cameras, "wrist_camera": camera("wrist_camera", **changes)})


def joint_samples(**changes: object) -> Change:
    return lambda c: replace(c, joints=joints(**changes))


def motion(joint: str, **changes: object) -> Change:
    return lambda c: replace(c, moved=tuple(replace(m, **changes) if m.joint == joint else m for m in c.moved))


def pictures(**by_camera: float) -> Change:
    return lambda c: replace(c, moved=tuple(replace(m, pictures=by_camera) for m in c.moved))


def without_frame(frame: str) -> Change:
    return lambda c: replace(c, frames={k: v for k, v in c.frames.items() if k != frame})


def set_column(index: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def edit(row: np.ndarray) -> np.ndarray:
        row[index] = value
        return row

    return edit


NAMES = PROFILE.joint_names
FAULTS: dict[str, tuple[str, Change]] = {
    "no joint states": ("topic_missing", topic("joint_states", None)),
    "a camera without a topic": ("topic_missing", topic("head_camera/image_raw/compressed", None)),
    "joint states of another type": (
        "topic_type", topic("joint_states", TopicSeen(("std_msgs/msg/Float32",), ("/d",))),
    ),
    "a joint_state_publisher beside the driver": (
        "one_publisher", topic("joint_states", TopicSeen((JOINT_STATE,), ("/driver", "/joint_state_publisher"))),
    ),
    "nobody takes trajectories": ("controller_missing", topic("arm_controller/joint_trajectory", None)),
    "simulator and adapter at once": (
        "one_controller",
        topic("arm_controller/joint_trajectory", TopicSeen((TRAJECTORY,), (), ("/hardware", "/simulation"))),
    ),
    "another program commands the arm": (
        "foreign_command",
        topic("arm_controller/joint_trajectory", TopicSeen((TRAJECTORY,), ("/moveit",), ("/hardware",))),
    ),
    "driver silent": ("joint_states_silent", lambda c: replace(c, joints=())),
    "joint states too slow": ("joint_rate", lambda c: replace(c, joints=c.joints[::3])),
    "joint states with a gap": ("joint_gaps", lambda c: replace(c, joints=c.joints[:100] + c.joints[115:])),
    "stamps of zero": ("joint_stamps_missing", joint_samples(stamp_ns=0)),
    "stamps that go back": ("joint_stamps_order", lambda c: replace(c, joints=(*c.joints[:-1], replace(
        c.joints[-1], stamp_ns=c.joints[0].stamp_ns)))),
    "clocks half a second apart": ("clock_skew", lambda c: replace(c, joints=tuple(
        replace(s, stamp_ns=s.stamp_ns - 500 * MS) for s in c.joints))),
    "clocks apart the other way": ("clock_skew", lambda c: replace(c, joints=tuple(
        replace(s, stamp_ns=s.stamp_ns + 500 * MS) for s in c.joints))),
    "a joint is missing": ("joint_names", lambda c: replace(c, joints=tuple(
        replace(s, names=s.names[:5] + s.names[6:], positions=s.positions[:5] + s.positions[6:]) for s in c.joints))),
    "the other arm's names": ("joint_names", joint_samples(names=tuple(f"left_{n}" for n in NAMES))),
    "two arms under the same names": ("joint_names_twice", joint_samples(names=("joint1", "joint1", *NAMES[2:]))),
    "sizes that differ": ("joint_sizes", joint_samples(positions=(0.1, 0.2))),
    "NaN": ("joint_finite", positions(set_column(2, float("nan")))),
    "zeros of a dead bus": ("joints_zero", positions(lambda row: 0 * row)),
    "degrees": ("joint_unit", positions(lambda row: np.degrees(row))),
    "gripper in mm": ("gripper_unit", positions(set_column(6, 50.0))),
    "gripper's zero lost": ("gripper_range", positions(set_column(6, -0.03))),
    "beyond the limit": ("joint_range", positions(set_column(2, 0.3))),
    "joints 2 and 3 swapped": ("joint_range", positions(lambda row: row[[0, 2, 1, 3, 4, 5, 6]])),
    "a sign flipped": ("joint_range", positions(lambda row: row * [1, -1, 1, 1, 1, 1, 1])),
    "velocity in degrees": ("joint_velocity", joint_samples(velocities=(0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0))),
    "camera silent": ("camera_silent", lambda c: replace(c, cameras={"head_camera": c.cameras["head_camera"]})),
    "camera at half its rate": ("camera_rate", lambda c: replace(c, cameras={**c.cameras, "head_camera": replace(
        c.cameras["head_camera"], received_ns=c.cameras["head_camera"].received_ns[::2],
        stamps_ns=c.cameras["head_camera"].stamps_ns[::2])})),
    "camera of another shape": ("camera_size", camera_with(width=320, height=180)),
    "camera swapped by its frame": ("camera_frame", camera_with(frame_id="head_camera_optical_frame")),
    "no calibration": ("camera_info_missing", camera_with(info=None)),
    "calibration of another size": ("camera_info_size", camera_with(info=(640, 480, 500.0))),
    "another lens": ("camera_fov", camera_with(info=(320, 240, 120.0))),
    "old pictures": ("camera_age", camera_with(received_ns=tuple(
        s + 600 * MS for s in camera("wrist_camera").stamps_ns))),
    "repeated pictures": ("camera_stamps_repeat", camera_with(stamps_ns=tuple(
        sorted(camera("wrist_camera").stamps_ns[:44] + camera("wrist_camera").stamps_ns[:1])))),
    "out of focus": ("camera_focus", camera_with(grey=blurred(texture()))),
    "lens cap": ("camera_light", camera_with(grey=np.full((240, 320), 3, np.uint8))),
    "overexposed": ("camera_light", camera_with(grey=np.full((240, 320), 255, np.uint8))),
    "a wall": ("camera_featureless", camera_with(grey=np.full((240, 320), 130, np.uint8))),
    "no frame of the camera": ("tf_missing", without_frame("wrist_camera_optical_frame")),
    "world not connected": ("tf_split", without_frame("base_link")),
    "frames in a circle": ("tf_loop", lambda c: replace(c, frames={**c.frames, "base_link": "tcp"})),
    "no description": ("description_missing", lambda c: replace(c, description="")),
    "a description that is no XML": ("description", lambda c: replace(c, description="<robot")),
    "another robot's description": ("description", lambda c: replace(c, description="<robot name='x'/>")),
    "the vendor's joint1 typo": ("description_limits", lambda c: replace(c, description=c.description.replace(
        'upper="2.6179', 'upper="2.1679').replace('upper="2.618', 'upper="2.168'))),
    "no torque": ("joint_follows", motion("joint3", measured={"joint3": 0.0})),
    "moves the wrong way": ("joint_sign", motion("joint2", measured={"joint2": -0.05})),
    "moves twice as far": ("joint_scale", motion("joint4", measured={"joint4": 0.1})),
    "another joint moves": ("joint_order", motion("joint5", measured={"joint5": 0.0, "joint6": 0.05})),
    "a loose joint": ("joint_coupled", motion("joint1", measured={"joint1": 0.05, "joint2": 0.02})),
    "gripper closes when opened": ("gripper_sign", motion("gripper", measured={"gripper": -0.02})),
    "gripper opens by half": ("gripper_scale", motion("gripper", measured={"gripper": 0.01})),
    "gripper dead": ("gripper_follows", motion("gripper", measured={"gripper": 0.0})),
    "cameras swapped": ("camera_order", pictures(head_camera=9.0, wrist_camera=0.3)),
    "camera frozen": ("camera_frozen", pictures(head_camera=0.4, wrist_camera=0.0)),
}  # fmt: skip


def test_a_healthy_robot_has_no_findings() -> None:
    findings = found(healthy())
    assert bad(findings) == {}
    assert exit_status(findings) == 0
    assert len([f for f in findings if f.level is Level.OK]) >= 15


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    check, plant = FAULTS[fault]
    findings = found(plant(healthy()))
    assert check in bad(findings), as_lines(findings)
    assert exit_status(findings) in (1, 3)
    assert all(f.advice for f in findings if f.level in (Level.FAILURE, Level.WARNING))


def test_old_firmware_under_a_new_description_is_found() -> None:
    assert "firmware" in bad(found(healthy(), replace(QUESTIONS, firmware="S-V1.5-2")))
    assert "firmware" in bad(found(healthy(), replace(QUESTIONS, firmware="1.8")))


def test_limits_that_the_driver_does_not_have_are_found() -> None:
    narrow = {name: (low * 0.9, high * 0.9) for name, (low, high) in driver_limits("agx_arm_ros", PROFILE).items()}
    assert "limits" in bad(found(healthy(), replace(QUESTIONS, driver_limits=narrow)))
    nothing = {**narrow, "joint2": (0.0, 1.0)}
    assert bad(found(healthy(), replace(QUESTIONS, driver_limits=nothing)))["ready_limits"] is Level.FAILURE


def test_a_checkpoint_of_another_robot_or_none_at_all_is_found(tmp_path) -> None:
    assert "checkpoint" in bad(found(healthy(), replace(QUESTIONS, checkpoint=tmp_path)))


def test_an_episode_that_cannot_be_played_is_found(tmp_path) -> None:
    assert "replay" in bad(found(healthy(), replace(QUESTIONS, episode=tmp_path / "nothing")))


def test_json_holds_every_finding_without_nan() -> None:
    import json

    plant = FAULTS["joint states too slow"][1]
    data = json.loads(json.dumps(as_json("piper", found(plant(healthy()))), allow_nan=False))
    assert data["status"] == 1
    assert data["counts"]["failure"] == 1
    (row,) = [row for row in data["findings"] if row["check"] == "joint_rate"]
    assert row["value"] == pytest.approx(33.3, abs=0.1)
    assert row["limit"] == 80.0


def test_before_torque_motions_are_skipped_and_said_to_be() -> None:
    findings = found(replace(healthy(), moved=()))
    assert exit_status(findings) == 0
    assert any(f.check == "motion" and f.level is Level.SKIPPED for f in findings)


def test_a_finding_without_advice_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="nothing to do"):
        Finding("x", Level.FAILURE, "y", "z")


def test_moved_is_by_our_names() -> None:
    assert Moved("joint1", 0.05, {}).pictures == {}
