"""A policy, retargeting and the simulation in one loop without ROS: for tests, and to see how well a policy
does.

``python -m mivla_ros.policies.headless --policy scripted --seeds 0-49``
"""

import argparse
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import ActionChunk
from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
from mivla_ros.observation import Observation
from mivla_ros.observations import StreamLimits, Synchroniser
from mivla_ros.policies.frames import fixed_transform, inverse_pose
from mivla_ros.policies.options import split_options
from mivla_ros.policies.policy import Actions, Policy, PolicyError, PolicySpec, Progress
from mivla_ros.policies.registry import PolicyContext, entry, make_policy
from mivla_ros.policies.runner import PolicyRunner, PolicyState
from mivla_ros.retargeting import Command, Follower, Retargeter
from mivla_ros.retargeting.motion import JointTrajectory, Moved
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import RobotProfile, load_profile
from mivla_ros.simulation.pacing import Schedule
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.state import Snapshot
from mivla_ros.simulation.tasks import Task
from mivla_ros.simulation.trajectory import joint_trajectory
from mivla_ros.simulation.variation import Variation
from mivla_ros.stop_reasons import Stop

UNDRAWN = np.zeros((1, 1, 3), dtype=np.uint8)
KEPT = 64  # pictures not looked at
PERIODS = 2  # control periods of the simulation between two looks, 10 ms


@dataclass(frozen=True)
class Episode:
    """How an episode went. seconds: simulated, until success, else whole. offset: bottle from pad, m, for
    bottle_on_pad.
    """

    seed: int
    success: bool
    completion: float
    seconds: float
    reason: Stop
    refused_chunks: int
    clipped_steps: int
    offset: float
    failure: str

    def __str__(self) -> str:
        """One line."""
        words = "success" if self.success else f"FAILURE ({self.failure or self.reason})"
        offset = "" if np.isnan(self.offset) else f"bottle {1e3 * self.offset:.1f} mm from the pad's centre, "
        return (
            f"seed {self.seed}: {words}, completion {self.completion:.2f}, {self.seconds:.2f} s, {offset}"
            f"{self.refused_chunks} chunks refused, {self.clipped_steps} steps clipped"
        )


class _DrawnWhenSeen:
    """A policy whose pictures are drawn, from the state at their time, only once it looks at them: it looks at one in
    six, and drawing takes most of the time of a rollout."""

    def __init__(self, policy: Policy, simulation: Simulation) -> None:
        self._policy, self._simulation = policy, simulation
        self._taken: OrderedDict[tuple[str, int], Snapshot] = OrderedDict()

    @property
    def spec(self) -> PolicySpec:
        """The policy's."""
        return self._policy.spec

    def take(self, camera: str, stamp_ns: int) -> None:
        """The camera takes a picture now."""
        self._taken[camera, stamp_ns] = self._simulation.snapshot()
        while len(self._taken) > KEPT:
            self._taken.popitem(last=False)

    def reset(self, instruction: str, seed: int) -> None:
        """The policy's."""
        self._policy.reset(instruction, seed)

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        """The policy's answer to the observation with its pictures drawn."""
        images = {
            name: replace(image, rgb=self._simulation.render(name, self._taken[name, image.stamp_ns]))
            for name, image in observation.images.items()
        }
        return self._policy.infer(replace(observation, images=images), progress)

    def close(self) -> None:
        """The policy's."""
        self._policy.close()


class HeadlessRun:
    """One robot, one policy, any number of episodes; compiles the scene once."""

    def __init__(
        self,
        policy: str,
        options: Mapping[str, object] | None = None,
        robot: str = "piper",
        latency: float = 0.05,
        task: Task | None = None,
        busy: bool = False,
    ) -> None:
        """latency: simulated s from the observation to the chunk's arrival; busy: during which the policy infers, so
        that it takes no other observation (else it is spent on the way). task: None for the profile's. Raises
        PolicyError and what the parts raise.
        """
        self.profile: RobotProfile = load_profile(robot)
        urdf = robot_description(self.profile)
        context = PolicyContext(self.profile, urdf, "" if task is None else task.name, getattr(task, "declared", None))
        self.policy = make_policy(policy, context, options)
        self._entry = entry(policy)
        self.simulation = Simulation(self.profile, task)
        self._cameras = tuple(self.profile.camera(name) for name in self.policy.spec.cameras)
        self._latency_ns, self._busy = round(latency * 1e9), busy
        self._chains = {a.name: chain_from_urdf(urdf, a.base_frame, a.eef_frame) for a in self.profile.arms}
        self._retargeter = Retargeter(self.profile, urdf)
        self._bases = {
            (frame, a.name): fixed_transform(urdf, a.base_frame, frame)
            for a in self.profile.arms
            for frame in (a.base_frame, *(() if self.profile.body else (self.profile.world_frame,)))
        }
        self.runner: PolicyRunner | None = None
        self.follower: Follower | None = None

    def episode(
        self, seed: int, limit: float = 60.0, variation: Variation | None = None, instruction: str = ""
    ) -> Episode:
        """Run one episode until the whole task is done, the policy has finished or failed, or for ``limit`` simulated
        seconds.

        variation: how the scene differs from the usual one; None: not at all. Empty ``instruction``: the task's own.
        """
        simulation, self.follower = self.simulation, None
        simulation.reset(seed, variation)
        limits = StreamLimits(frozen=0)  # pictures are drawn when they are looked at: until then all are the same
        synchroniser = Synchroniser(
            self.profile.arms, self._cameras, self._eef_pose, limits, needs_objects=self.policy.spec.needs_objects
        )
        taken = _DrawnWhenSeen(self.policy, simulation)
        schedules = {camera.name: Schedule(camera.rate, simulation.time_ns) for camera in self._cameras}
        runner = PolicyRunner(
            taken,
            self.profile,
            synchroniser,
            lambda: simulation.time_ns,
            bytes(16),
            self._entry.needs_instruction,
        )
        self.runner = runner
        follower = self.follower = Follower(self._retargeter)
        runner.reset(instruction or simulation.instruction, seed)
        runner.start()
        end_ns = simulation.time_ns + round(limit * 1e9)
        under_way: list[ActionChunk] = []
        while simulation.time_ns < end_ns:
            self.before_step(simulation)
            simulation.step(PERIODS)
            now_ns = simulation.time_ns
            joints = simulation.joint_states()
            synchroniser.add_joints(joints.time_ns, joints.names, joints.positions.tolist())
            for camera in self._cameras:
                if schedules[camera.name].due(now_ns):
                    taken.take(camera.name, now_ns)
                    synchroniser.add_image(camera.name, now_ns, UNDRAWN, camera.frame)
            synchroniser.add_objects(now_ns, simulation.object_poses(), self.profile.world_frame)
            follower.on_joint_states(
                joints.time_ns, joints.names, joints.positions.tolist(), joints.velocities.tolist()
            )
            self._send(follower.tick(now_ns))
            if under_way and now_ns >= under_way[0].inference_end_ns + self._latency_ns:
                arrived = under_way.pop(0)
                self.on_chunk(arrived, now_ns)
                self._send(follower.on_chunk(arrived, now_ns, self._base_from_frame))
            done = follower.executed(now_ns)
            if done is not None:
                runner.report_executed(done.session, done.sequence, done.executed, done.total, done.first_step)
            chunk = None if self._busy and under_way else runner.step()
            if chunk is not None:
                under_way.append(chunk)
            ended = runner.status().state in (PolicyState.FAILED, PolicyState.INACTIVE) and not under_way
            if ended or simulation.progress().completion >= 1:
                break
        return self._result(seed, runner.status().reason, follower)

    def before_step(self, simulation: Simulation) -> None:
        """Called before every step; for those who want to disturb."""

    def _result(self, seed: int, reason: Stop, follower: Follower) -> Episode:
        progress, objects = self.simulation.progress(), self.simulation.object_poses()
        offset = float("nan")
        if {"bottle", "pad"} <= objects.keys():
            offset = float(np.linalg.norm(objects["bottle"][:2] - objects["pad"][:2]))
        return Episode(
            seed=seed,
            success=progress.success,
            completion=float(progress.completion),
            seconds=float(progress.seconds),
            reason=reason,
            refused_chunks=follower.counts.refused_chunks,
            clipped_steps=follower.counts.clipped_steps,
            offset=offset,
            failure=progress.failure,
        )

    def _eef_pose(self, arm: str, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        return forward_kinematics(self._chains[arm], joints)

    def _base_from_frame(self, arm: Moved, chunk: ActionChunk) -> NDArray[np.float64]:
        if self.profile.body is not None and chunk.frame_id == self.profile.world_frame:
            return inverse_pose(self.simulation.frame_pose(arm.base_frame))  # the body has moved since
        return self._bases[chunk.frame_id, arm.name]

    def on_chunk(self, chunk: ActionChunk, now_ns: int) -> None:
        """Called with every chunk when it arrives; for those who want to measure."""

    def on_command(self, command: Command) -> None:
        """Called with every command before it is sent; for those who want to measure."""

    def as_sent(self, controller: str, trajectory: JointTrajectory) -> JointTrajectory:
        """What the robot is really sent; for those who want to disturb it."""
        return trajectory

    def _send(self, commands: Sequence[Command]) -> None:
        for command in commands:
            self.on_command(command)
            trajectory = None if command.trajectory is None else self.as_sent(command.controller, command.trajectory)
            if trajectory is None:
                self.simulation.command(command.controller, joint_trajectory(command.joint_names, [], np.empty((0, 1))))
                continue
            seconds = np.arange(len(trajectory.positions)) * trajectory.period_ns * 1e-9
            self.simulation.command(
                command.controller,
                joint_trajectory(
                    trajectory.joint_names,
                    seconds,
                    trajectory.positions,
                    trajectory.velocities,
                    trajectory.start_ns,
                ),
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns 0 where every episode succeeded."""
    parser = argparse.ArgumentParser(description="Run a policy in the simulation without ROS.")
    parser.add_argument("--policy", default="scripted", help="name of the policy")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of the policy; may be repeated",
    )
    parser.add_argument("--robot", default="piper", help="robot profile")
    parser.add_argument("--seeds", default="0-9", metavar="FIRST-LAST", help="seeds of the scenes, such as 0-49")
    parser.add_argument(
        "--latency", type=float, default=0.05, help="simulated s from an observation to its chunk's arrival"
    )
    parser.add_argument("--limit", type=float, default=60.0, help="simulated s an episode has at most")
    chosen = parser.parse_args(arguments)
    first, _, last = chosen.seeds.partition("-")
    try:
        run = HeadlessRun(chosen.policy, split_options(chosen.policy, chosen.option), chosen.robot, chosen.latency)
    except PolicyError as error:
        parser.exit(2, f"{error}\n")
    episodes = []
    for seed in range(int(first), int(last or first) + 1):
        episodes.append(run.episode(seed, chosen.limit))
        print(episodes[-1], flush=True)
    done = [episode.seconds for episode in episodes if episode.success]
    mean = f", {np.mean(done):.2f} s each (longest {np.max(done):.2f} s)" if done else ""
    print(f"{len(done)} of {len(episodes)} succeeded{mean}")
    return 0 if len(done) == len(episodes) else 1


if __name__ == "__main__":
    sys.exit(main())
