"""Whole imitations in the simulation, through the robot's own retargeting."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="MuJoCo is not installed")

from mivla_ros.commands import main as commands
from mivla_ros.imitation.beginning import best_beginning
from mivla_ros.imitation.imitate import ImitationOptions, Outputs, imitate
from mivla_ros.imitation.leaders import LeaderOptions, leaders
from mivla_ros.imitation.reading import ReadingOptions, read
from mivla_ros.imitation.recording import HandChoice
from mivla_ros.imitation.robot import Robot
from test.imitation.files import RECORDINGS, landmarks_of, write_eef, write_egodex

RIGHT = HandChoice(("right", "left"), 1)


def reading(**more) -> ReadingOptions:
    return ReadingOptions(landmark_command=lambda: (), **{"choice": RIGHT, **more})


def report_of(path: Path, **more) -> dict:
    report = imitate(path, "piper", reading(), ImitationOptions(**more), Outputs())
    return json.loads(json.dumps(report))


def circle(radius: float, count: int = 81) -> np.ndarray:
    """A circle in a plane ahead of the arm, at rest at both ends."""
    share = np.linspace(0, 1, count)
    angle = 2 * np.pi * share**3 * (10 - 15 * share + 6 * share**2)
    return radius * np.stack([np.zeros(count), np.sin(angle), 1 - np.cos(angle)], axis=1)


@pytest.fixture(scope="module")
def within(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A slow circle that the arm can follow, with a gripper that closes and opens once."""
    path = tmp_path_factory.mktemp("motion") / "circle.npz"
    widths = 0.04 + 0.04 * np.cos(np.linspace(0, 2 * np.pi, 81))
    return report_of(write_eef(path, circle(0.04), 4.0, widths))


def test_a_motion_within_reach_is_followed(within: dict) -> None:
    arm = within["arms"]["arm"]
    assert arm["position_error_m"]["median"] < 0.003
    assert arm["position_error_m"]["p95"] < 0.010
    assert arm["rotation_error_rad"]["p95"] < 0.02
    assert arm["unreachable_share"] == 0
    assert arm["target_extent_m"] == pytest.approx([0, 0.08, 0.08], abs=2e-3)
    assert arm["largest_velocity_of_limit"] <= 1 + 1e-6
    assert arm["largest_acceleration_of_limit"] <= 1 + 1e-6
    assert 0 < arm["largest_joint_step_rad"] < 0.06
    assert within["chunks"]["refused"] == {}
    assert within["chunks"]["accepted"] == within["chunks"]["sent"] > 20
    assert within["chunks"]["retargeting_s"]["median"] > 0
    assert within["collisions"]["touching_samples"] == {}


def test_the_gripper_follows_the_width(within: dict) -> None:
    gripper = within["arms"]["arm"]["gripper"]
    assert gripper["correlation"] > 0.98
    assert gripper["wanted_opening"] == pytest.approx([0, 1], abs=0.01)
    assert gripper["agreement_share"] > 0.5


def test_a_motion_out_of_reach_is_reported_with_its_share(tmp_path: Path) -> None:
    far = np.zeros((81, 3))
    far[:, 0] = np.interp(np.arange(81), [0, 20, 40, 80], [0, 0, 0.30, 0.30])  # half of the time 0.30 m too far ahead
    arm = report_of(write_eef(tmp_path / "far.npz", far, 4.0))["arms"]["arm"]
    assert 0.4 < arm["unreachable_share"] < 0.8
    assert arm["clipped_share"] >= arm["unreachable_share"]
    assert arm["clipped_share_by_reason"]["unreachable"] == arm["unreachable_share"]
    assert arm["position_error_m"]["p95"] > 0.01


def test_a_motion_into_the_table_is_held_and_reported(tmp_path: Path) -> None:
    down = np.zeros((81, 3))
    down[:, 2] = np.interp(np.arange(81), [0, 40, 80], [0, -0.19, -0.19])
    report = report_of(write_eef(tmp_path / "down.npz", down, 4.0))
    assert report["collisions"]["held_steps"] > 0
    assert any("table" in pair for pair in report["collisions"]["held_before"])
    assert report["collisions"]["touching_samples"] == {}


def test_half_the_scale_is_half_the_way(tmp_path: Path) -> None:
    path = write_eef(tmp_path / "circle.npz", circle(0.04), 4.0)
    arm = report_of(path, leader=LeaderOptions(scale=0.5))["arms"]["arm"]
    assert arm["target_extent_m"] == pytest.approx([0, 0.04, 0.04], abs=2e-3)


def test_landmarks_move_the_arm_as_the_hand_moved(tmp_path: Path) -> None:
    np.savez(tmp_path / "hand.npz", **landmarks_of(90))
    report = report_of(tmp_path / "hand.npz")
    arm = report["arms"]["arm"]
    # the person looks into the camera: right in the image is the person's left, the robot's y
    assert arm["target_extent_m"] == pytest.approx([0, 0.1, 0], abs=0.01)
    assert arm["position_error_m"]["median"] < 0.01
    assert arm["gripper"]["correlation"] > 0.9
    assert report["source"]["right"] == {"frames": 90, "frames_with_hand_share": 1.0, "longest_gap_s": 0.0}


def test_an_episode_moves_the_arm_ahead(tmp_path: Path) -> None:
    arm = report_of(write_egodex(tmp_path / "0.hdf5"))["arms"]["arm"]
    assert arm["follows"] == "right hand"
    assert arm["target_extent_m"] == pytest.approx([0.1, 0, 0], abs=1e-3)
    assert arm["position_error_m"]["median"] < 0.02


def test_both_hands_move_both_arms(tmp_path: Path) -> None:
    path = write_egodex(tmp_path / "0.hdf5")
    report = imitate(path, "piper_bimanual", reading(choice=HandChoice()), ImitationOptions(), Outputs())
    by_side = {arm["follows"]: arm for arm in report["arms"].values()}
    assert by_side["right hand"]["target_extent_m"] == pytest.approx([0.1, 0, 0], abs=1e-3)
    assert by_side["left hand"]["target_extent_m"] == pytest.approx([0, 0, 0], abs=1e-3)
    assert max(arm["position_error_m"]["median"] for arm in by_side.values()) < 0.02


def test_a_left_hand_moves_a_right_arm_where_asked_for(tmp_path: Path) -> None:
    path = write_egodex(tmp_path / "0.hdf5")
    recording = read(path, reading(choice=HandChoice(("left",), 1)))
    robot = Robot("piper")
    assert leaders(recording, robot.profile, robot.base_from_world_rotation, LeaderOptions())["arm"].name == "left hand"


def test_the_same_file_gives_the_same_motion_and_picture(tmp_path: Path) -> None:
    path = write_eef(tmp_path / "circle.npz", circle(0.03, 21), 1.0)
    reports, strips = [], []
    for name in ("a", "b"):
        outputs = Outputs(strip=tmp_path / f"{name}.png", moments=2)
        report = imitate(path, "piper", reading(), ImitationOptions(), outputs)
        report["chunks"].pop("retargeting_s")
        reports.append(report)
        strips.append(outputs.strip.read_bytes())
    assert reports[0] == reports[1]
    assert strips[0] == strips[1]


def test_a_better_beginning_is_found_for_a_motion_that_the_ready_pose_cannot_follow(tmp_path: Path) -> None:
    down = np.zeros((41, 3))
    down[:, 2] = np.linspace(0, -0.2, 41)
    recording = read(write_eef(tmp_path / "down.npz", down, 4.0), reading())
    robot = Robot("piper")
    leader = leaders(recording, robot.profile, robot.base_from_world_rotation, LeaderOptions())["arm"]
    pose, lost = best_beginning(robot, "arm", leader, recording.seconds)
    assert lost < 0.05
    assert pose[2] > robot.end_effector("arm", np.array(robot.profile.arms[0].ready))[2]


def test_one_command_writes_report_video_and_strip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import av
    import cv2

    np.savez(tmp_path / "hand.npz", **landmarks_of(30))
    report, video, strip = (tmp_path / name for name in ("r.json", "v.mp4", "s.png"))
    words = ["imitate", str(tmp_path / "hand.npz"), "--robot", "piper"]
    assert commands.main([*words, "--report", str(report), "--video", str(video), "--strip", str(strip)]) == 0
    assert "position error" in capsys.readouterr().out
    written = json.loads(report.read_text())
    assert written["schema"] == "mivla/imitation/1"
    assert written["options"]["scale"] == 1.0
    assert written["units"]["_m"] == "metres"
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (960, 360)
        assert float(stream.frames / stream.average_rate) == pytest.approx(29 / 30 + 2 * 0.5, abs=0.1)
    assert cv2.imread(str(strip)).shape == (360, 6 * 240, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["hand.npz", "r.json", "s.png", "v.mp4"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--initial-pose", "1", "2"], "--initial-pose is '1 2', must be ready, search, or 3 or 7"),
        (["--initial-pose", "2", "0", "0"], "initial pose of arm 'arm': is out of reach by"),
        (["--arm", "third"], "option arm is 'third', robot has arm"),
        (["--scale", "0"], "--scale is 0, must be above 0"),
        (["--horizon", "2"], "--horizon times --step is 0.1 s, must be more than --period"),
        (["--report", "nowhere/r.json"], "--report nowhere/r.json: the folder nowhere does not exist"),
        (["--robot", "nobody"], "unknown robot 'nobody'"),
    ],
)
def test_wrong_options_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list, words: str) -> None:
    path = write_eef(tmp_path / "circle.npz", circle(0.03, 21), 1.0)
    assert commands.main(["imitate", str(path), *more]) in (1, 2)
    lines = capsys.readouterr().err.strip().splitlines()
    assert words in lines[-1]
    assert lines[-1].startswith("mivla: ")


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings in ../shared/data are not here")
def test_a_persons_hand_moves_the_arm() -> None:
    report = report_of(RECORDINGS / "human_hand_video_landmarks.npz")
    arm = report["arms"]["arm"]
    assert report["source"]["right"]["frames_with_hand_share"] == 1.0
    assert report["chunks"]["refused"] == {}
    assert report["collisions"]["touching_samples"] == {}
    assert max(arm["target_extent_m"]) > 0.05
    assert arm["position_error_m"]["median"] < 0.05
    assert arm["gripper"]["correlation"] > 0.8
    assert arm["largest_acceleration_of_limit"] <= 1 + 1e-6
