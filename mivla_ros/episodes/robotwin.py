"""RoboTwin 2.0: the layout of the paper's time (January 2026) and the one of August 2026.

Both hand RGB to OpenCV's encoder, which takes it for BGR: what decodes as red is blue, and is swapped back here.
Joints are the simulator's drive targets, not measurements. Grippers 0 closed to 1 open.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np

from mivla_ros.episodes.episode import (
    ArmLayout,
    Array,
    Episode,
    GripperLayout,
    Stamps,
    Stream,
    check_stream,
    frame_stamps,
)
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.hdf5_camera import Hdf5Camera
from mivla_ros.episodes.hdf5_episode import episode_of_frames, opened, pose_stream
from mivla_ros.episodes.hdf5_file import Hdf5File

LEGACY, NEW = "robotwin", "robotwin_2026"
LEGACY_RATE = 250 / 15  # physics at 250 Hz, every 15th state saved
SIDES = ("left", "right")
MAX_JOINT = 13.0  # rad, two turns: more is degrees


def matches(file: Hdf5File) -> str:
    """The layout of a file: LEGACY, NEW or empty."""
    if file.has("joint_action/left_arm") or file.has("joint_action/right_arm"):
        return LEGACY
    if file.has("state") and file.has("vision") and file.has("action"):
        return NEW
    return ""


def read(path: Path) -> Episode:
    """Open one episode of either layout. Raises EpisodeError."""
    return opened(path, _episode)


def _episode(path: Path, file: Hdf5File) -> Episode:
    layout = matches(file)
    if not layout:
        raise EpisodeError(path, "joint_action, state", "is missing: no RoboTwin episode")
    return _legacy(path, file) if layout == LEGACY else _new(path, file)


def _arms(counts: dict[str, int]) -> tuple[ArmLayout, ...]:
    return tuple(
        ArmLayout(
            side,
            side,
            tuple(f"{side}_joint{i + 1}" for i in range(count)),
            GripperLayout(f"{side}_gripper", 0.0, 1.0),
            "world",
            "endpose",
        )
        for side, count in counts.items()
    )


def _joints(path: Path, name: str, parts: list[tuple[str, str, Array]], stamps: Stamps) -> Stream:
    """parts: (key, side, values) of arms, then grippers."""
    columns: list[str] = []
    units: list[str] = []
    values: list[Array] = []
    for key, side, part in parts:
        is_gripper = part.shape[1] == 1
        columns += [f"{side}_gripper"] if is_gripper else [f"{side}_joint{i + 1}" for i in range(part.shape[1])]
        units += ["1"] if is_gripper else ["rad"] * part.shape[1]
        limit = 1.5 if is_gripper else MAX_JOINT
        big = np.abs(part).max(axis=1) > limit
        if big.any():
            row = int(np.argmax(big))
            text = f"is {np.abs(part[row]).max():.4g}"
            raise EpisodeError(path, key, text, row, "0 to 1" if is_gripper else f"{MAX_JOINT:g} rad")
        values.append(part)
    stream = Stream(name, stamps, np.concatenate(values, axis=1), tuple(columns), tuple(units))
    return check_stream(path, stream)


def _legacy(path: Path, file: Hdf5File) -> Episode:
    parts: list[tuple[str, str, Array]] = []
    counts: dict[str, int] = {}
    rows: int | None = None
    for side in SIDES:
        key = f"joint_action/{side}_arm"
        if not file.has(key):
            continue
        arm = file.numbers(key, (None, None), rows)
        rows = len(arm)
        gripper = file.numbers(f"joint_action/{side}_gripper", (None,), rows)
        parts += [(key, side, arm), (f"joint_action/{side}_gripper", side, gripper[:, None])]
        counts[side] = arm.shape[1]
    assert rows is not None
    stamps = frame_stamps(rows, LEGACY_RATE)
    joints = _joints(path, "joints", parts, stamps)
    commands = Stream("commands", stamps, joints.values, joints.columns, joints.units)
    streams = {"joints": lambda: joints, "commands": lambda: commands}
    for side in counts:
        if file.has(f"endpose/{side}_endpose"):
            streams[f"eef.{side}"] = partial(_poses, file, f"eef.{side}", f"endpose/{side}_endpose", stamps)
    cameras = {
        name: partial(Hdf5Camera, file, name, f"observation/{name}/rgb", f"observation/{name}/intrinsic_cv", stamps)
        for name in (file.names("observation") if file.has("observation") else ())
        if file.has(f"observation/{name}/rgb")
    }
    texts = _instruction_file(path.parent.parent / "instructions" / f"{path.stem}.json")
    return episode_of_frames(
        file,
        stamps,
        cameras,
        streams,
        _arms(counts),
        name=f"{path.parent.parent.parent.name}/{path.stem}",
        format=LEGACY,
        robot="robotwin",
        instructions=texts,
        rate=LEGACY_RATE,
        label="success",
        metadata={"joints": "drive targets", "config": path.parent.parent.name},
    )


def _new(path: Path, file: Hdf5File) -> Episode:
    rate = float(file.numbers("additional_info/frequency", ())) if file.has("additional_info/frequency") else 15.0
    if not 0.1 <= rate <= 1000:
        raise EpisodeError(path, "additional_info/frequency", f"is {rate:g} Hz", limit="0.1 to 1000")
    has_sides = any(file.has(f"state/{side}_arm_joint_states") for side in SIDES)
    prefixes = {side: f"{side}_" for side in SIDES} if has_sides else {"right": ""}
    parts: dict[str, list[tuple[str, str, Array]]] = {"state": [], "action": []}
    counts: dict[str, int] = {}
    rows: int | None = None
    for group, found in parts.items():
        for side, prefix in prefixes.items():
            arm_key, hand_key = f"{group}/{prefix}arm_joint_states", f"{group}/{prefix}ee_joint_states"
            if not file.has(arm_key):
                continue
            arm = file.numbers(arm_key, (None, None), rows)
            rows = len(arm)
            counts[side] = arm.shape[1]
            found.append((arm_key, side, arm))
            if file.has(hand_key):
                hand = file.numbers(hand_key, (None, None), rows)
                if hand.shape[1] == 1:  # a dexterous hand has more, and is no gripper
                    found.append((hand_key, side, hand))
    if rows is None or not parts["state"]:
        raise EpisodeError(path, "state", "holds no arm")
    stamps = frame_stamps(rows, rate)
    later = frame_stamps(rows + 1, rate)[1:]  # the action of a frame is the state of the next
    joints = _joints(path, "joints", parts["state"], stamps)
    streams = {"joints": lambda: joints}
    if parts["action"]:
        commands = _joints(path, "commands", parts["action"], later)
        streams["commands"] = lambda: commands
    for side, prefix in prefixes.items():
        for group, name, when in (("state", f"eef.{side}", stamps), ("action", f"command.eef.{side}", later)):
            if file.has(f"{group}/{prefix}ee_poses"):
                streams[name] = partial(_poses, file, name, f"{group}/{prefix}ee_poses", when)
    cameras = {
        name: partial(Hdf5Camera, file, name, f"vision/{name}/colors", f"vision/{name}/intrinsic_matrix", stamps)
        for name in file.names("vision")
        if file.has(f"vision/{name}/colors")
    }
    return episode_of_frames(
        file,
        stamps,
        cameras,
        streams,
        _arms(counts),
        name=f"{path.parent.parent.parent.name}/{path.parent.parent.name}/{path.stem}",
        format=NEW,
        robot=f"robotwin_{path.parent.parent.name}" if path.parent.name == "data" else "robotwin",
        instructions=_instructions(path, file),
        rate=rate,
        label="success",
        metadata={"source_format": file.attribute("source_format")},
    )


def _poses(file: Hdf5File, name: str, key: str, stamps: Stamps) -> Stream:
    values = file.numbers(key, (None, 7), len(stamps))
    length = np.linalg.norm(values[:, 3:], axis=1, keepdims=True)
    bad = np.abs(length[:, 0] - 1) > 1e-2
    if bad.any():
        row = int(np.argmax(bad))
        raise EpisodeError(file.path, key, f"quaternion of length {length[row, 0]:.4g}", row, "1 within 0.01")
    values[:, 3:] /= length
    return pose_stream(file, name, stamps, values, "world")


def _instruction_file(path: Path) -> tuple[str, ...]:
    if not path.is_file() or path.stat().st_size > 10_000_000:
        return ()
    try:
        data = json.loads(path.read_text("utf-8"))
        return tuple(str(text) for text in (*data.get("seen", ()), *data.get("unseen", ())))
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise EpisodeError(path, "seen, unseen", f"cannot be read: {error}") from error


def _instructions(path: Path, file: Hdf5File) -> tuple[str, ...]:
    if not file.has("instructions"):
        return ()
    try:
        found = json.loads(file.text("instructions"))
    except (ValueError, RecursionError) as error:
        raise EpisodeError(path, "instructions", f"is no JSON: {error}") from error
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list):
        raise EpisodeError(path, "instructions", f"is {type(found).__name__}", limit="a list of texts")
    return tuple(str(text) for text in found if str(text))
