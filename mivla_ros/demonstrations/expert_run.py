"""A headless run of the expert that writes what a recorder would have recorded: pictures, joints, commands, words."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mivla_ros.demonstrations.disturbance import Disturbance
from mivla_ros.demonstrations.memory import MemoryEpisode
from mivla_ros.episodes.episode_bag import EpisodeBag
from mivla_ros.policies.headless import Episode, HeadlessRun
from mivla_ros.retargeting.motion import JointTrajectory
from mivla_ros.simulation.pacing import Schedule
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.variation import Variation

SUCCESS, FAILURE = "success", "failure"
TAIL_SECONDS = 0.5  # recorded after the task is done, so that the policy learns to rest


class ExpertRun(HeadlessRun):
    """Episodes of the expert of the robot's task, each written into a bag or kept in memory."""

    _bag: EpisodeBag | MemoryEpisode | None = None

    def record(
        self,
        folder: Path,
        seed: int,
        limit: float,
        variation: Variation | None = None,
        instruction: str = "",
        disturbance: float = 0.0,
        metadata: Mapping[str, str] | None = None,
    ) -> Episode:
        """Play one seed and write ``folder``, a new bag that lies whole or not at all.

        disturbance: rad; deviation of the smooth errors that the arms make while the commands that are recorded stay
        the expert's, so that the data shows the way back (DART). Raises RecordingError, and what an episode raises.
        """
        words = instruction or self.simulation.instruction
        bag = EpisodeBag(folder, self.profile, words, "", **(metadata or {}))
        return self._play_into(bag, words, seed, limit, variation, disturbance)

    def remember(
        self,
        path: Path,
        seed: int,
        limit: float,
        variation: Variation | None = None,
        instruction: str = "",
        disturbance: float = 0.0,
        pictures: float = 0.0,
    ) -> tuple[Episode, MemoryEpisode]:
        """As ``record``, but kept in memory; only what will be looked at is drawn. path: what it is called.

        pictures: a second, 0 for as many as the cameras take.
        """
        words = instruction or self.simulation.instruction
        taken = MemoryEpisode(path, self.profile, words)
        return self._play_into(taken, words, seed, limit, variation, disturbance, pictures), taken

    def _play_into(
        self,
        bag: EpisodeBag | MemoryEpisode,
        words: str,
        seed: int,
        limit: float,
        variation: Variation | None,
        disturbance: float,
        pictures: float = 0.0,
    ) -> Episode:
        now_ns = self.simulation.time_ns
        rates = {c.name: min(c.rate, pictures or c.rate) for c in self.profile.cameras}
        self._schedules = {name: Schedule(rate, now_ns) for name, rate in rates.items()}
        self._joints_due = Schedule(self.profile.joint_state_rate, now_ns)
        self._commands_due = Schedule(self.profile.command_rate, now_ns)
        self._disturbance = Disturbance(seed, disturbance, now_ns)
        self._told = False
        self._bag = bag
        try:
            episode = self.episode(seed, limit, variation, words)
            self._rest(TAIL_SECONDS)
            bag.set_label(SUCCESS if episode.success else FAILURE)
        finally:
            self._bag = None
            bag.close()
        return episode

    def before_step(self, simulation: Simulation) -> None:
        """Record this moment."""
        if self._bag is not None:
            self._write(self._bag, simulation)

    def as_sent(self, controller: str, trajectory: JointTrajectory) -> JointTrajectory:
        """With the disturbance added, for arms; the commands that are recorded stay as they are."""
        arm = next((arm for arm in self.profile.arms if arm.controller == controller), None)
        if self._bag is None or arm is None or not self._disturbance.size:
            return trajectory
        times = trajectory.start_ns + trajectory.period_ns * np.arange(len(trajectory.positions))
        offset, speed = self._disturbance.at(times, trajectory.positions.shape[1])
        chain = self._chains[arm.name]
        wanted = np.clip(trajectory.positions + offset, chain.lower, chain.upper)
        speeds = np.where(wanted == trajectory.positions + offset, trajectory.velocities + speed, 0.0)
        speeds[-1] = 0.0  # controllers refuse a trajectory that ends in motion
        return replace(trajectory, positions=wanted, velocities=speeds)

    def _rest(self, seconds: float) -> None:
        end_ns = self.simulation.time_ns + round(seconds * 1e9)
        while self.simulation.time_ns < end_ns:
            self.before_step(self.simulation)
            self.simulation.step(2)

    def _write(self, bag: EpisodeBag | MemoryEpisode, simulation: Simulation) -> None:
        now_ns = simulation.time_ns
        for camera in self.profile.cameras:
            if not self._told:
                i = simulation.intrinsics(camera.name)
                matrix = np.array([[i.fx, 0.0, i.cx], [0.0, i.fy, i.cy], [0.0, 0.0, 1.0]])
                bag.add_camera_info(camera.name, now_ns, (i.height, i.width), matrix)
            if self._schedules[camera.name].due(now_ns):
                bag.add_rgb(camera.name, now_ns, simulation.render(camera.name))
        self._told = True
        if self._joints_due.due(now_ns):
            joints = simulation.joint_states()
            bag.add_joints(now_ns, joints.names, joints.positions.tolist(), joints.velocities.tolist())
        if self.follower is not None and self._commands_due.due(now_ns):
            names, positions = self.follower.commanded(now_ns)
            if names:
                bag.add_commands(now_ns, names, positions.tolist())
