"""States and actions of an episode in the unified 76 values, with a mask that says which of them it really has."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.episodes.episode import ArmLayout, Array, Episode, Stamps, Stream
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.interpolation import continuous, hands_at, numbers_at, poses_at
from mivla_ros.observation import Observation

SIDES = action_space.SIDES


class ActionSource(StrEnum):
    """What counts as the action of a robot: what was commanded, or where it was measured to be then."""

    AUTO = "auto"  # commands where there are any, else measured
    COMMANDS = "commands"
    MEASURED = "measured"


@dataclass(frozen=True, eq=False)
class Rows:
    """values (N, 76) float32, 0 where not there; mask (N, 76): True where the episode has the value."""

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]


class UnifiedEpisode:
    """An episode as rows of the unified action space. The six joints of an arm that has another number of joints are
    masked; its gripper and its end effector are not.
    """

    def __init__(self, episode: Episode, source: ActionSource = ActionSource.AUTO) -> None:
        """Raises EpisodeError where commands are asked for and there are none, or two arms have one side."""
        self.episode = episode
        sides = [arm.side for arm in episode.arms]
        if len(set(sides)) != len(sides):
            raise EpisodeError(episode.info.path, "arms", f"have sides {sides}, each side may have one")
        has_commands = "commands" in episode.streams
        if source is ActionSource.COMMANDS and not has_commands and episode.info.embodiment == "robot":
            raise EpisodeError(episode.info.path, "commands", "the episode holds none")
        self.commanded = has_commands and source is not ActionSource.MEASURED

    def state(self, stamp_ns: int, observation: Observation) -> Rows:
        """(1, 76) at a moment; the arms' values are the observation's own."""
        if self.episode.info.embodiment == "human":
            return self._human(np.array([stamp_ns], dtype=np.int64))
        rows = _empty(1)
        for arm in self.episode.arms:
            state = observation.arms[arm.name]
            _fill_arm(rows, arm, state.joints[None], np.array([state.gripper]), state.eef[None])
        return rows

    def states(self, stamps_ns: Stamps) -> Rows:
        """(N, 76) at moments, for statistics."""
        if self.episode.info.embodiment == "human":
            return self._human(stamps_ns)
        return self._robot(stamps_ns, "joints", "eef", gripper_newest=False)

    def actions(self, stamps_ns: Stamps) -> Rows:
        """(N, 76) of moments in the future of a state; beyond the end the last value is held and masked.

        Joints are linear between samples, rotations on SO(3), grippers the newest before.
        """
        if self.episode.info.embodiment == "human":
            rows = self._human(stamps_ns)
        elif self.commanded:
            rows = self._robot(stamps_ns, "commands", "command.eef", gripper_newest=True)
        else:
            rows = self._robot(stamps_ns, "joints", "eef", gripper_newest=True)
        rows.mask[stamps_ns > self.end_ns] = False
        return rows

    @property
    def end_ns(self) -> int:
        """Stamp of the last row of what counts as actions."""
        if self.episode.info.embodiment == "human":
            ends = [s.stamps_ns[-1] for s in self._hands().values()]
            return int(min(ends)) if ends else self.episode.info.end_ns
        name = "commands" if self.commanded else "joints"
        if name in self.episode.streams:
            end = int(self.episode.streams[name].stamps_ns[-1])
            return max(end, self.episode.info.end_ns) if self.commanded else end
        return self.episode.info.end_ns

    def _hands(self) -> dict[str, Stream]:
        streams = self.episode.streams
        return {side: streams[f"hand.{side}"] for side in SIDES if f"hand.{side}" in streams}

    def _human(self, stamps_ns: Stamps) -> Rows:
        rows = _empty(len(stamps_ns))
        for side, stream in self._hands().items():
            where = action_space.hand_slice(side)
            rows.values[:, where] = hands_at(stream, stamps_ns)
            rows.mask[:, where] = True
        return rows

    def thumb_knuckles(self, stamps_ns: Stamps) -> dict[str, Array]:
        """(N, 7) poses by side, for the alignment; empty for robots."""
        names = {side: f"thumb_knuckle.{side}" for side in SIDES}
        streams = self.episode.streams
        return {side: poses_at(streams[name], stamps_ns) for side, name in names.items() if name in streams}

    def _robot(self, stamps_ns: Stamps, joints_name: str, eef_name: str, gripper_newest: bool) -> Rows:
        rows = _empty(len(stamps_ns))
        streams = self.episode.streams
        joints = streams.get(joints_name)
        place = {name: i for i, name in enumerate(joints.columns)} if joints is not None else {}
        for arm in self.episode.arms:
            positions, openings, eef = np.empty((len(stamps_ns), 0)), None, None
            if joints is not None and arm.joints and all(name in place for name in arm.joints):
                positions = numbers_at(joints, [place[name] for name in arm.joints], stamps_ns)
                if self.episode.eef_pose is not None:
                    eef = continuous(np.asarray(self.episode.eef_pose(arm.name, positions)))
            if joints is not None and arm.gripper is not None and arm.gripper.joint in place:
                columns = [place[arm.gripper.joint]]
                openings = arm.gripper.opening(numbers_at(joints, columns, stamps_ns, gripper_newest)[:, 0])
            if eef is None:
                name = next((n for n in (f"{eef_name}.{arm.name}", f"eef.{arm.name}") if n in streams), "")
                eef = poses_at(streams[name], stamps_ns) if name else None
            _fill_arm(rows, arm, positions, openings, eef)
        return rows


def _empty(count: int) -> Rows:
    size = action_space.ACTION_SIZE
    return Rows(np.zeros((count, size), dtype=np.float32), np.zeros((count, size), dtype=bool))


def _fill_arm(rows: Rows, arm: ArmLayout, joints: Array, openings: Array | None, eef: Array | None) -> None:
    where = action_space.arm_slice(arm.side)
    if joints.shape[1] == action_space.ARM_JOINTS:
        six = slice(where.start, where.start + action_space.ARM_JOINTS)
        rows.values[:, six], rows.mask[:, six] = joints, True
    if arm.gripper is not None and openings is not None and np.isfinite(openings).all():
        rows.values[:, where.stop - 1], rows.mask[:, where.stop - 1] = openings, True
    if eef is not None and np.isfinite(eef).all():
        pose = action_space.pose_slice(arm.side)
        rows.values[:, pose], rows.mask[:, pose] = continuous(np.asarray(eef)), True
