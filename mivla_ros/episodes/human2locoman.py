"""Human2LocoMan's unified HDF5: a person or a LocoMan robot, both in one frame (x forward, y left, z up).

Pairs are **right first** in the file; here they come by name. Poses in the file are xyz and roll, pitch, yaw.
The robot's grippers are in rad, 0.01 closed to 1.8 open.
"""

from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

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
from mivla_ros.episodes.hdf5_episode import check_metres, episode_of_frames, opened, pose_stream
from mivla_ros.episodes.hdf5_file import Hdf5File
from mivla_ros.episodes.interpolation import continuous

FORMAT = "human2locoman"
RATE = 60.0
FRAME = "unified"
GRIPPER_CLOSED, GRIPPER_OPEN = 0.01, 1.8
SIDES = ("right", "left")
LEGS = ("FR", "FL", "RR", "RL")
JOINTS = tuple(
    name
    for leg in LEGS
    for name in (
        *(f"{leg}_{part}_joint" for part in ("hip", "thigh", "calf")),
        *((f"{leg}_joint_{i}" for i in (1, 2, 3)) if leg in ("FR", "FL") else ()),
    )
)
"""Columns of joint_pos: front right leg with its arm, front left with its, then the hind legs."""


def matches(file: Hdf5File) -> bool:
    """True for a file of this format."""
    return file.has("observations/proprioceptions/eef") and file.has("actions/eef")


def read(path: Path) -> Episode:
    """Open one episode. Raises EpisodeError."""
    return opened(path, _episode)


def _episode(path: Path, file: Hdf5File) -> Episode:
    if not matches(file):
        raise EpisodeError(path, "observations/proprioceptions", "is missing: no Human2LocoMan episode")
    embodiment = file.attribute("embodiment")
    if embodiment not in ("human", "locoman"):
        raise EpisodeError(path, "embodiment", f"is {embodiment!r}", limit="human or locoman")
    seen = "observations/proprioceptions"
    count = file.rows(f"{seen}/eef")
    stamps = frame_stamps(count, RATE)
    grippers = file.numbers(f"{seen}/gripper", (None, 2), count)
    human = embodiment == "human"
    arms = tuple(_arm(side, human) for side in SIDES)
    streams = {"joints": partial(_joints, file, seen, grippers, stamps, "joints", human)}
    if file.has("actions/gripper"):
        streams["commands"] = partial(_joints, file, "actions", None, stamps, "commands", human)
    for group, prefix in ((seen, "eef"), ("actions", "command.eef")):
        for number, side in enumerate(SIDES):
            name = f"{prefix}.{side}"
            streams[name] = partial(_poses, file, name, f"{group}/eef", 6 * number, 12, stamps)
    if file.has(f"{seen}/body"):
        streams["head" if human else "body"] = partial(
            _poses, file, "head" if human else "body", f"{seen}/body", 0, 6, stamps
        )
    cameras = {
        name: partial(Hdf5Camera, file, name, f"observations/images/{name}", "", stamps, False)
        for name in (file.names("observations/images") if file.has("observations/images") else ())
    }
    instruction = file.attribute("instruction") or path.parent.name.replace("_", " ")
    return episode_of_frames(
        file,
        stamps,
        cameras,
        streams,
        arms,
        name=f"{path.parent.name}/{path.stem}",
        format=FORMAT,
        embodiment="robot",  # its human rows are end effectors and grippers too, not 48 values of hands
        robot="locoman" if not human else "human2locoman_human",
        instructions=(instruction,),
        rate=RATE,
        metadata={"embodiment": embodiment, "frame": FRAME},
    )


def _arm(side: str, human: bool) -> ArmLayout:
    leg = "FR" if side == "right" else "FL"
    joints = () if human else tuple(name for name in JOINTS if name.startswith(leg))
    closed, opened = (0.0, 1.0) if human else (GRIPPER_CLOSED, GRIPPER_OPEN)
    return ArmLayout(side, side, joints, GripperLayout(f"{side}_gripper", closed, opened), FRAME, f"{side}_eef")


def _joints(file: Hdf5File, group: str, grippers: Array | None, stamps: Stamps, name: str, human: bool) -> Stream:
    found = grippers if grippers is not None else file.numbers(f"{group}/gripper", (None, 2), len(stamps))
    columns: tuple[str, ...] = tuple(f"{side}_gripper" for side in SIDES)
    units: tuple[str, ...] = ("1", "1") if human else ("rad", "rad")
    if name == "joints" and not human:
        key = f"{group}/other/joint_pos"
        values = file.numbers(key, (None, len(JOINTS)), len(stamps))
        big = np.abs(values).max(axis=1) > 2 * np.pi
        if big.any():
            row = int(np.argmax(big))
            raise EpisodeError(file.path, key, f"is {np.abs(values[row]).max():.4g}", row, "2 pi rad")
        found = np.concatenate([values, found], axis=1)
        columns, units = (*JOINTS, *columns), (*("rad",) * len(JOINTS), *units)
    return check_stream(file.path, Stream(name, stamps, found, columns, units))


def _poses(file: Hdf5File, name: str, key: str, first: int, width: int, stamps: Stamps) -> Stream:
    six = file.numbers(key, (None, width), len(stamps))[:, first : first + 6]
    check_metres(file, key, six[:, :3])
    turn = Rotation.from_euler("xyz", six[:, 3:]).as_quat(scalar_first=True)
    poses = continuous(np.concatenate([six[:, :3], turn], axis=1))
    return pose_stream(file, name, stamps, poses, FRAME)
