"""One seed of one task performed by a person, as an ``Episode`` that the EgoDex writer takes.

Poses are turned into ARKit's world (y up, -z ahead): its origin is on the floor below where the head begins, its
heading is drawn at random, as EgoDex's is arbitrary.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros import action_space
from mivla_ros.action_space import SIDES
from mivla_ros.alignment.frames import ROS_FROM_ARKIT
from mivla_ros.demonstrations.hands.performer import RATE, Performer
from mivla_ros.demonstrations.hands.person import Person, draw_person
from mivla_ros.demonstrations.hands.viewpoint import arm_poses, head_poses
from mivla_ros.episodes.egodex import CAMERA, FORMAT, HAND_COLUMNS, HAND_UNITS, JOINT, WORLD
from mivla_ros.episodes.episode import (
    POSE_COLUMNS,
    POSE_UNITS,
    Camera,
    Episode,
    EpisodeInfo,
    Stamps,
    Stream,
    frame_stamps,
)
from mivla_ros.episodes.interpolation import continuous
from mivla_ros.evaluation.conditions import condition
from mivla_ros.simulation.hands.anatomy import THUMB_KNUCKLE_INDEX, TIPS, Hand, joint_names
from mivla_ros.simulation.hands.hand_bodies import Lens
from mivla_ros.simulation.hands.hand_scene import HandScene
from mivla_ros.simulation.state import Snapshot, TaskProgress
from mivla_ros.simulation.tasks import SimulatedTableTask, Task, make_task
from mivla_ros.tabletop.acts import Act
from mivla_ros.tabletop.paper_tasks import PAPER_ACTS
from mivla_ros.tabletop.things import Grasp

Array = NDArray[np.float64]

REACH = 0.30  # m from the person to the middle of what the task moves
FLOOR = -0.74  # m, below the table's top
SEEN, UNSEEN = 0.97, 0.35  # confidence of a joint in the picture, and outside of it


@dataclass(frozen=True)
class Performance:
    """What became of it. instruction: as said. seconds: simulated."""

    episode: Episode
    progress: TaskProgress
    instruction: str
    seconds: float


def task_of(name: str, seed: int) -> Task:
    """The task as this seed has it: a declared one with things of other sizes and colours than usual, except for seeds
    divisible by four. Raises SceneError for an unknown name."""
    task = make_task(name)
    if isinstance(task, SimulatedTableTask) and seed % 4:
        return SimulatedTableTask(task.declared.varied(np.random.default_rng([seed, 0x7417])))
    return task


def acts_of(task: Task) -> tuple[tuple[Act, ...], tuple[Grasp, ...]]:
    """What is done in a task, and where each act's thing is taken."""
    if isinstance(task, SimulatedTableTask):
        return task.declared.acts, tuple(task.declared.grasp(act) for act in task.declared.acts)
    acts = PAPER_ACTS[task.name]
    return acts, tuple(act.grasp for act in acts if act.grasp is not None)


def perform(name: str, condition_name: str, seed: int, held_out: int = 1, lens: Lens | None = None) -> Performance:
    """Do it and give the episode; its pictures are drawn when they are asked for. Close it.

    held_out: wordings, the last ones, that are not used. Raises SceneError, DivergedError, EvaluationError.
    """
    random = np.random.default_rng([seed, *name.encode()])
    chosen = condition(condition_name)
    task = chosen.task(task_of(name, seed))
    acts, grasps = acts_of(task)
    places = task.place(seed)
    moved = np.mean([places[act.thing][0] for act in acts] + [places[act.to][0] for act in acts])
    person, person_x = draw_person(random), float(moved - REACH + random.normal(0.0, 0.015))
    variation = chosen.variation(task, seed, ())
    table = 0.0 if variation is None else variation.table_height
    scene = HandScene(task, seed, person.looks, lens or Lens(), variation, person_x)
    performer = Performer(scene, person, person_x, table, random)
    success = performer.perform(acts, grasps)
    words = task.instructions[: max(1, len(task.instructions) - held_out)]
    instruction = words[int(random.integers(len(words)))]
    times = np.array([look.seconds for look in performer.looks])
    moves = Moves(
        times, [look.snapshot for look in performer.looks], performer.hands,
        {side: performer.tracks[side].at(times) for side in SIDES},
    )  # fmt: skip
    notes = {"task": name, "llm_type": "simulated", "description": f"simulated hands, seed {seed}, {condition_name}"}
    viewer = Viewer(person, person_x, table, seed)
    episode = hand_episode(
        scene, moves, viewer, f"{name}/{seed}", instruction, notes, "success" if success else "failure"
    )
    return Performance(episode, scene.progress, instruction, performer.now)


@dataclass(frozen=True, eq=False)
class Moves:
    """What hands do at even times (N,) s, by side: wrists (N, 3), rotations (N, 3, 3) and postures (N, 19), as of a
    ``HandTrack``; snapshots: of the objects, N."""

    times: Array
    snapshots: list[Snapshot]
    hands: Mapping[str, Hand]
    rows: Mapping[str, tuple[Array, Array, Array]]


@dataclass(frozen=True)
class Viewer:
    """Whose head it is seen from: the person, her place (x, m), the table's height (m), and a seed for the sway."""

    person: Person
    x: float
    table: float
    seed: int


def with_pictures(episode: Episode, rate: float) -> Episode:
    """With ``rate`` pictures a second of those that there are; 0: with all. The episode's own closing closes both."""
    if not rate:
        return episode
    return replace(episode, cameras={name: _Thinned(camera, rate) for name, camera in episode.cameras.items()})


class _Thinned:
    """Every few pictures of a camera."""

    def __init__(self, camera: Camera, rate: float) -> None:
        every = max(1, round(RATE / rate))
        self.name, self.frame_id, self.size, self.intrinsics = (
            camera.name, camera.frame_id, camera.size, camera.intrinsics,
        )  # fmt: skip
        self.stamps_ns = camera.stamps_ns[::every]
        self._camera, self._every = camera, every

    def rgb(self, index: int, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """(height, width, 3) RGB."""
        return self._camera.rgb(range(0, len(self._camera.stamps_ns), self._every)[index], at_least)

    def encoded(self, index: int) -> bytes | None:
        """None: there are none."""
        return None


class DrawnCamera:
    """The head's camera; pictures are drawn when asked for."""

    def __init__(
        self, scene: HandScene, snapshots: list[Snapshot], stamps: Stamps, joints: Mapping[str, Array],
        arms: Mapping[str, Array], head: Array,
    ) -> None:  # fmt: skip
        self.name, self.frame_id, self.stamps_ns = CAMERA, "", stamps
        self.size = (scene.lens.height, scene.lens.width)
        self.intrinsics = intrinsics_of(scene.lens)
        self._scene, self._snapshots = scene, snapshots
        self._joints, self._arms, self._head = joints, arms, head

    def rgb(self, index: int, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """(height, width, 3) RGB."""
        return self._scene.draw(
            self._snapshots[index], {side: poses[index] for side, poses in self._joints.items()},
            {side: poses[index] for side, poses in self._arms.items()}, self._head[index],
        )  # fmt: skip

    def encoded(self, index: int) -> bytes | None:
        """None: there are none."""
        return None

    def objects_in_view(self, index: int) -> dict[str, Array]:
        """Middles (3,) of the task's objects in the camera's optical axes, m, in the picture or not."""
        head = self._head[index]
        camera_from_world = Rotation.from_quat(head[3:], scalar_first=True).inv()
        middles = self._scene.middles(self._snapshots[index])
        return {name: camera_from_world.apply(middle - head[:3]) for name, middle in middles.items()}


def intrinsics_of(lens: Lens) -> Array:
    """(3, 3), square pixels, middle of the picture."""
    focal = lens.height / 2 / np.tan(lens.vertical_fov / 2)
    return np.array([[focal, 0.0, (lens.width - 1) / 2], [0.0, focal, (lens.height - 1) / 2], [0.0, 0.0, 1.0]])


def hand_episode(
    scene: HandScene, moves: Moves, viewer: Viewer, name: str, instruction: str, notes: Mapping[str, str], label: str
) -> Episode:  # fmt: skip
    """Hands before a head camera as an episode; closing it closes the scene."""
    times, seed = moves.times, viewer.seed
    stamps = frame_stamps(len(times), RATE)
    joints, matrices, wrists, arms = {}, {}, {}, {}
    for side in SIDES:
        place, turn, posture = moves.rows[side]
        positions, rotations = moves.hands[side].joints(place, turn, posture)
        matrices[side] = positions, rotations
        joints[side] = _poses(positions, rotations)
        wrists[side] = place
        arms[side] = arm_poses(place, turn[:, :, 0], side, viewer.x, viewer.table)
    head = head_poses(times, wrists, viewer.person, viewer.x, viewer.table, seed)
    camera = DrawnCamera(scene, moves.snapshots, stamps, joints, arms, head)
    arkit = _Arkit(head[0], seed)
    streams = {"head": _pose_stream("head", stamps, arkit.poses(head))}
    for side in SIDES:
        positions, rotations = arkit.positions(matrices[side][0]), arkit.rotations(matrices[side][1])
        rows = np.concatenate(
            [
                positions[:, 0], action_space.rotation_6d_from_matrix(rotations[:, 0]),
                positions[:, TIPS].reshape(len(times), -1),
            ],
            axis=1,
        )  # fmt: skip
        streams[f"hand.{side}"] = Stream(f"hand.{side}", stamps, rows, HAND_COLUMNS[side], HAND_UNITS, WORLD)
        poses = _poses(positions, rotations)
        seen = _confidences(matrices[side][0], head, camera.intrinsics, camera.size, seed)
        knuckle = f"thumb_knuckle.{side}"
        streams[knuckle] = _pose_stream(knuckle, stamps, poses[:, THUMB_KNUCKLE_INDEX])
        streams[f"confidence.{side}"] = Stream(f"confidence.{side}", stamps, seen[:, :1], ("confidence",), ("1",))
        for i, joint in enumerate(joint_names(side)):
            streams[JOINT + joint] = _pose_stream(JOINT + joint, stamps, poses[:, i])
            key = f"confidence.{JOINT}{joint}"
            streams[key] = Stream(key, stamps, seen[:, i : i + 1], ("confidence",), ("1",))
    info = EpisodeInfo(
        name=name,
        path=Path(name),
        format=FORMAT,
        embodiment="human",
        robot="human",
        instructions=(instruction,),
        rate=RATE,
        start_ns=0,
        end_ns=int(stamps[-1]),
        label=label,
        metadata=notes,
    )  # fmt: skip
    return Episode(info, {CAMERA: camera}, streams, close=scene.close)


class _Arkit:
    """The simulation's world in ARKit's."""

    def __init__(self, head: Array, seed: int) -> None:
        heading = np.random.default_rng([seed, 0xA2]).uniform(-np.pi, np.pi)
        self._turn = Rotation.from_euler("y", heading) * Rotation.from_matrix(ROS_FROM_ARKIT.T)
        self._origin = np.array([head[0], head[1], FLOOR])

    def positions(self, values: Array) -> Array:
        """(..., 3)."""
        return np.asarray((values - self._origin) @ self._turn.as_matrix().T)

    def rotations(self, values: Array) -> Array:
        """(..., 3, 3)."""
        return np.asarray(self._turn.as_matrix() @ values)

    def poses(self, values: Array) -> Array:
        """(N, 7)."""
        turned = self._turn * Rotation.from_quat(values[:, 3:], scalar_first=True)
        return np.concatenate([self.positions(values[:, :3]), turned.as_quat(scalar_first=True)], axis=1)


def _poses(positions: Array, rotations: Array) -> Array:
    """(..., 7)."""
    quaternions = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat(scalar_first=True)
    return np.concatenate([positions, quaternions.reshape(*positions.shape[:-1], 4)], axis=-1)


def _pose_stream(name: str, stamps: Stamps, poses: Array) -> Stream:
    return Stream(name, stamps, continuous(poses), POSE_COLUMNS, POSE_UNITS, WORLD)


def _confidences(positions: Array, head: Array, intrinsics: Array, size: tuple[int, int], seed: int) -> Array:
    """(N, 25): high for joints in the picture, low for those outside, a little unsteady."""
    camera = Rotation.from_quat(head[:, 3:], scalar_first=True).as_matrix()
    seen = np.einsum("nij,nki->nkj", camera, positions - head[:, None, :3])
    depth = np.maximum(seen[..., 2], 1e-3)
    u = intrinsics[0, 0] * seen[..., 0] / depth + intrinsics[0, 2]
    v = intrinsics[1, 1] * seen[..., 1] / depth + intrinsics[1, 2]
    inside = (seen[..., 2] > 0.05) & (u >= 0) & (u < size[1]) & (v >= 0) & (v < size[0])
    noise = np.random.default_rng([seed, 0xC0]).normal(0.0, 0.02, inside.shape)
    return np.clip(np.where(inside, SEEN, UNSEEN) + noise, 0.0, 1.0)
