"""A person's recorded motion as an EgoDex episode, so that it can be trained on beside the simulated ones.

Hands found in a video (landmarks) keep the video: the camera that filmed is taken for the head's, and stands still. The
motion of an end effector that a hand steered has no picture of a hand: it is given to a simulated one, whose finger
tips close around the tool's centre as wide as the gripper was, over an empty table.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from mivla_ros.action_space import SIDES
from mivla_ros.alignment.frames import Z_TOOL_FROM_HAND
from mivla_ros.demonstrations.errors import DemonstrationError
from mivla_ros.demonstrations.hands.episode import Moves, Viewer, hand_episode
from mivla_ros.demonstrations.hands.grips import inwards, natural
from mivla_ros.demonstrations.hands.performer import RATE, REST
from mivla_ros.demonstrations.hands.person import draw_person
from mivla_ros.episodes.egodex import CAMERA, FORMAT, HAND_COLUMNS, HAND_UNITS, WORLD
from mivla_ros.episodes.episode import POSE_COLUMNS, POSE_UNITS, Camera, Episode, EpisodeInfo, Stream
from mivla_ros.episodes.interpolation import continuous
from mivla_ros.episodes.video_file import VideoCamera, VideoFile
from mivla_ros.imitation.reading import ReadingOptions, read
from mivla_ros.imitation.recording import Recording
from mivla_ros.policies.motion_file import EefMotion, HandMotion
from mivla_ros.simulation.hands.anatomy import Hand, pinch_posture, rest_posture
from mivla_ros.simulation.hands.hand_bodies import Lens
from mivla_ros.simulation.hands.hand_scene import HandScene
from mivla_ros.simulation.tasks.empty_table import EmptyTable

Array = NDArray[np.float64]

# a camera that stands level and 1.2 m above the floor, in ARKit's world: x right, y up, z back
ARKIT_FROM_LEVEL_CAMERA = np.diag([1.0, -1.0, -1.0])
CAMERA_HEIGHT = 1.2
PLACE = np.array([0.33, 0.0])  # m, middle of a simulated hand's motion on the table
LEAST_HEIGHT = 0.015  # m, of the lowest tool centre above the table


def recorded_episode(path: Path, words: str, side: str = "right", video: Path | None = None, seed: int = 0) -> Episode:
    """The motion in a file of hands, landmarks or an end effector (docs/demonstrations.md).

    words: what is done there. video: that landmarks were found in. side, seed: the hand, and the person, that an end
    effector's motion is given to. Raises DemonstrationError without words, and ImitationError naming what is wrong with
    the file."""
    if not words.strip():
        raise DemonstrationError(str(path), "needs words for what is done there")
    recording = read(path, ReadingOptions(landmark_command=lambda: _no_detector(path), video=video))
    if isinstance(recording.motion, HandMotion):
        return _filmed(recording, recording.motion, words)
    return _steered(recording.motion, path, words, side, seed)


def _no_detector(path: Path) -> list[str]:
    raise DemonstrationError(str(path), "is a video: find its hands first, mivla imitate FILE --keep-landmarks NPZ")


def _filmed(recording: Recording, motion: HandMotion, words: str) -> Episode:
    from mivla_ros.alignment.hand_rows import hand_from_row, row_from_hand

    stamps = np.round(motion.time * 1e9).astype(np.int64)
    streams = {"head": _still(stamps)}
    for side, rows in motion.hands.items():
        hand = hand_from_row(rows, side, motion.thumb_knuckles.get(side))
        turned = type(hand)(
            wrist=_level(hand.wrist), finger_tips=_level_points(hand.finger_tips),
            thumb_knuckle=None if hand.thumb_knuckle is None else _level(hand.thumb_knuckle), left=hand.left,
        )  # fmt: skip
        name = f"hand.{side}"
        streams[name] = Stream(name, stamps, row_from_hand(turned), HAND_COLUMNS[side], HAND_UNITS, WORLD)
        if turned.thumb_knuckle is not None:
            name = f"thumb_knuckle.{side}"
            streams[name] = Stream(name, stamps, continuous(turned.thumb_knuckle), POSE_COLUMNS, POSE_UNITS, WORLD)
    cameras: dict[str, Camera] = {}
    files = ExitStack()
    if recording.video is not None:
        film = VideoFile(recording.video, CAMERA)
        files.callback(film.close)
        times = film.seconds - film.seconds[0] - recording.video_start
        first = int(np.searchsorted(times, -0.5 / RATE))
        shown = np.round(np.maximum(times[first:], 0.0) * 1e9).astype(np.int64)
        cameras[CAMERA] = VideoCamera(CAMERA, film, shown, first)
    info = EpisodeInfo(
        name=recording.path.stem, path=recording.path, format=FORMAT, embodiment="human", robot="human",
        instructions=(words,), rate=RATE, start_ns=0, end_ns=int(stamps[-1]),
        metadata={"llm_type": "recorded", "description": f"recorded hands, {recording.path.name}"},
    )  # fmt: skip
    return Episode(info, cameras, streams, close=files.close)


def _still(stamps: NDArray[np.int64]) -> Stream:
    turn = Rotation.from_matrix(ARKIT_FROM_LEVEL_CAMERA).as_quat(scalar_first=True)
    poses = np.tile(np.array([0.0, CAMERA_HEIGHT, 0.0, *turn]), (len(stamps), 1))
    return Stream("head", stamps, poses, POSE_COLUMNS, POSE_UNITS, WORLD)


def _level_points(points: Array) -> Array:
    return np.asarray(points @ ARKIT_FROM_LEVEL_CAMERA.T + [0.0, CAMERA_HEIGHT, 0.0])


def _level(poses: Array) -> Array:
    turned = Rotation.from_matrix(ARKIT_FROM_LEVEL_CAMERA) * Rotation.from_quat(poses[:, 3:], scalar_first=True)
    return np.concatenate([_level_points(poses[:, :3]), turned.as_quat(scalar_first=True)], axis=1)


def _steered(motion: EefMotion, path: Path, words: str, side: str, seed: int) -> Episode:
    if motion.gripper_width is None:
        raise DemonstrationError(str(path), "has no gripper_width, without which it is not known how a hand closes")
    times = np.arange(0.0, motion.time[-1] + 1e-9, 1.0 / RATE)
    tool = np.stack([np.interp(times, motion.time, column) for column in motion.poses[:, :3].T], axis=1)
    turns = Slerp(motion.time, Rotation.from_quat(motion.poses[:, 3:], scalar_first=True))(times)
    widths = np.clip(np.interp(times, motion.time, motion.gripper_width), 0.002, 0.15)
    tool[:, :2] += PLACE - (tool[:, :2].min(axis=0) + tool[:, :2].max(axis=0)) / 2
    tool[:, 2] += LEAST_HEIGHT - tool[:, 2].min()
    person = draw_person(np.random.default_rng([seed, 0x57EE]))
    hands = {one: Hand(one, person.looks.scale) for one in SIDES}
    known = {w: pinch_posture(hands[side], float(w), 0.1) for w in np.unique(np.round(widths, 3))}
    postures = np.stack([known[w] for w in np.round(widths, 3)])
    rotations = (turns * Rotation.from_matrix(Z_TOOL_FROM_HAND)).as_matrix()
    tips = hands[side].tips(postures)
    wrists = tool - np.einsum("nij,nj->ni", rotations, (tips[:, 0] + tips[:, 1]) / 2)
    other = SIDES[1 - SIDES.index(side)]
    count = len(times)
    ahead, beside, above = REST
    rows = {
        side: (wrists, rotations, postures),
        other: (
            np.tile([ahead, -inwards(other) * beside, above], (count, 1)),
            np.tile(natural(other, inwards(other) * 0.3, np.radians(12.0)).as_matrix(), (count, 1, 1)),
            np.tile(rest_posture(hands[other]), (count, 1)),
        ),
    }
    scene = HandScene(EmptyTable(), seed, person.looks, Lens())
    moves = Moves(times, [scene.snapshot()] * count, hands, rows)
    notes = {"llm_type": "recorded", "description": f"simulated hand, recorded end effector motion, {path.name}"}
    return hand_episode(scene, moves, Viewer(person, 0.0, 0.0, seed), path.stem, words, notes, "")
