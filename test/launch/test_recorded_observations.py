"""What the policy saw is what the recording holds: observations read back equal those of the live node, bit for bit.

The same recording, made by the real recorder, then goes through every command, and is played again on the live graph.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from sensor_msgs.msg import JointState

from mivla_msgs.msg import PolicyStatus, RetargetingStatus, StopReason
from mivla_msgs.srv import Release, Stop
from mivla_ros.action_chunk import ActionChunk
from mivla_ros.commands.main import main as mivla
from mivla_ros.episodes.bag_reader import read
from mivla_ros.episodes.episode import Episode
from mivla_ros.episodes.observing import Observer, observation_given
from mivla_ros.nodes import qos
from mivla_ros.robots.profile import load_profile
from test.launch.conftest import Launch
from test.launch.keeping_policy import FOLDER
from test.launch.operator import Operator

StartLaunch = Callable[..., Launch]
OperatorOf = Callable[[Launch], Operator]

WANTED = 15
NEAR = 0.05  # rad


def test_a_live_run_is_recorded_as_the_policy_saw_it_and_read_and_played_again(
    start_launch: StartLaunch,
    operator_of: OperatorOf,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _record(start_launch, operator_of, tmp_path)
    folders = sorted({file.parent for file in (tmp_path / "recordings").rglob("metadata.yaml")})
    compared, lengths = 0, {}
    for folder in folders:
        with read(folder) as episode:
            compared += _compare(episode, sorted((tmp_path / "seen").glob("*.npz")))
            lengths[folder] = episode.info.seconds
    assert compared >= WANTED - 5
    longest = max(lengths, key=lambda folder: lengths[folder])
    _commands_take_it(longest, tmp_path, capsys)
    _play(start_launch, operator_of, longest)


def _record(start_launch: StartLaunch, operator_of: OperatorOf, folder: Path) -> None:
    """A run of the scripted policy with a second policy beside it that keeps what it sees. The first waits, stopped,
    until the second is there."""
    seen = folder / "seen"
    seen.mkdir()
    launch = start_launch("piper.launch.py", "seed:=1", "record:=true", f"record_folder:={folder / 'recordings'}")
    command = [sys.executable, "-m", "test.launch.keeping_policy", "--ros-args", "-r", "__node:=keeping"]
    command += ["-r", "mivla/actions:=keeping/actions", "-r", "mivla/policy_status:=keeping/policy_status"]
    for name, value in (
        ("use_sim_time", "true"),
        ("robot", "piper"),
        ("policy", "keeping"),
        ("image_transport", "compressed"),
        ("require_retargeting", "false"),
        ("run_on_start", "true"),
    ):
        command += ["-p", f"{name}:={value}"]
    with (folder / "keeping.log").open("wb") as log:
        keeping = subprocess.Popen(
            command,
            env=launch.environment | {FOLDER: str(seen)},
            cwd=Path(__file__).parents[2],
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def seen_by_now(count: int) -> bool:
        assert keeping.poll() is None, (folder / "keeping.log").read_text()[-3000:]
        return len(list(seen.glob("*.npz"))) >= count

    try:
        operator = operator_of(launch)
        operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), 180, "tracking")
        assert operator.call(Stop, "mivla/stop", Stop.Request(reason="wait")).success
        operator.wait(lambda: seen_by_now(1), 120, "the first observation")
        assert operator.call(Release, "mivla/release", Release.Request()).success
        before = len(list(seen.glob("*.npz")))
        operator.wait_for_subtask(1, 120)
        operator.wait(lambda: seen_by_now(before + WANTED), 90, "observations")
        operator.listen(0.5)  # what was seen last reaches the recorder too
    finally:
        keeping.send_signal(signal.SIGINT)
        keeping.wait(60)
    launch.interrupt()
    launch.wait(60)


def _compare(episode: Episode, seen: list[Path]) -> int:
    """Number of live observations inside an episode, all of which read back equal."""
    observer, compared = Observer(episode), 0
    for file in seen:
        with np.load(file, allow_pickle=False) as live:
            stamp, oldest = live["stamps"].tolist()
            if not episode.info.start_ns + 10**8 <= stamp <= episode.info.end_ns:
                continue
            words = str(live["instruction"])
            chunk = ActionChunk("", stamp, 1, 1, (), stamp, oldest, instruction=words)
            again = observation_given(observer, chunk)
            assert (again.stamp_ns, again.oldest_ns, again.instruction) == (stamp, oldest, words)
            assert {f"image.{name}" for name in again.images} == {k for k in live.files if k.startswith("image.")}
            for name, image in again.images.items():
                assert image.stamp_ns == int(live[f"stamp.{name}"])
                np.testing.assert_array_equal(image.rgb, live[f"image.{name}"])
            for name, arm in again.arms.items():
                given = np.concatenate([arm.joints, arm.eef, [arm.gripper]])
                assert given.tobytes() == live[f"arm.{name}"].tobytes()
            compared += 1
    return compared


def _commands_take_it(folder: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How good the recording is depends on the machine; that it can be read does not."""

    def said(*arguments: str) -> dict:
        capsys.readouterr()
        status = mivla(["episodes", *arguments, "--json"])
        assert status in ((0, 1) if arguments[0] == "audit" else (0,)), capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    one = ("--workers", "1")
    shown = said("show", str(folder), "--sheet", str(out / "sheet.png"))
    assert (shown["robot"], shown["format"]) == ("piper", "bag")
    assert shown["instructions"] and shown["chunks"] > 5
    assert {"joints", "commands"} <= set(shown["streams"]) and len(shown["cameras"]) == 2
    assert (out / "sheet.png").stat().st_size > 10_000

    audited = said("audit", str(folder), *one)
    assert not audited["errors"] and audited["episodes"][0]["figures"]["frames"] == shown["frames"]
    words = [f"{finding['subject']} {finding['text']}" for finding in audited["episodes"][0]["findings"]]
    assert not [text for text in words if "damaged" in text or "decoded" in text or "missing" in text]

    statistics = said("stats", str(folder), "--out", str(out / "statistics.json"), *one)["statistics"]
    assert set(statistics["robots"]["piper"]) == {"robot", "eef"}

    for target in ("lerobot", "bag"):
        assert said("convert", str(folder), "--to", target, "--out", str(out / target), *one)["written"] == 1
        (row,) = said("list", str(out / target))["episodes"]
        assert (row["robot"], row["instruction"]) == ("piper", shown["instructions"][0])
        # a training set begins and ends where every stream is there
        shortest = 0.5 * shown["seconds"] if target == "lerobot" else shown["seconds"] - 0.2
        assert shortest < row["seconds"] < shown["seconds"] + 0.2
        assert sorted(row["cameras"]) == sorted(shown["cameras"])
    assert mivla(["episodes", "convert", str(folder), "--to", "egodex", "--out", str(out / "no"), *one]) == 1
    assert "no hand" in capsys.readouterr().err


def _play(start_launch: StartLaunch, operator_of: OperatorOf, folder: Path) -> None:
    """The arm goes where the recording went, and ends where that ended."""
    arm = load_profile("piper").arms[0]
    with read(folder) as episode:
        commands = episode.streams["commands"]
        rows = commands.values[:, [commands.columns.index(name) for name in arm.joints]]
    rows = rows[np.isfinite(rows).all(axis=1)]
    away = np.abs(rows - np.array(arm.ready)).max(axis=1)
    farthest, end = rows[int(away.argmax())], rows[-1]
    assert away.max() > 0.3, "the recording holds no motion to speak of"

    launch = start_launch("piper.launch.py", "policy:=replay", f"episode:={folder}", "seed:=1")
    operator = operator_of(launch)
    been: list[np.ndarray] = []

    def see(message: JointState) -> None:
        place = dict(zip(message.name, message.position, strict=True))
        been.append(np.array([place[name] for name in arm.joints]))

    operator.create_subscription(JointState, "joint_states", see, qos.SENSOR)

    def finished() -> bool:
        status = operator.newest.get(PolicyStatus)
        return status is not None and status.reason.code == StopReason.POLICY_FINISHED

    operator.wait(finished, 240, "the end of the replay")
    operator.wait(lambda: np.abs(been[-1] - end).max() < NEAR, 60, f"the arm at {end}")
    assert operator.newest[PolicyStatus].policy == "replay"
    assert min(np.abs(place - farthest).max() for place in been) < 0.15
