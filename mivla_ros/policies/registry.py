"""Policies by name. A policy's module is imported when it is asked for, so that nobody needs the libraries of
all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_space import SIDES
from mivla_ros.policies.options import read_options
from mivla_ros.policies.policy import Policy, PolicyError, Remote
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.tabletop.catalogue import DECLARED
from mivla_ros.tabletop.table_task import TableTask

if TYPE_CHECKING:
    from mivla_ros.policies.pick_and_place import Job

MakeJobs = Callable[[dict[str, str], RobotProfile, Mapping[str, NDArray[np.float64]]], tuple["Job", ...]]
"""From arms by side, the profile, and bases in the world (7,) by arm where they stand still."""

SERVER_SECONDS = 10.0


@dataclass(frozen=True)
class PolicyContext:
    """What a policy may be made from: the robot's profile and its URDF text. task: another one than the profile's;
    declared: where the scene's things are not those of the catalogue."""

    profile: RobotProfile
    urdf: str
    task: str = ""
    declared: TableTask | None = None


@dataclass(frozen=True)
class PolicyEntry:
    """How a policy is made, whether it needs words, and one line about it for help texts."""

    make: Callable[[PolicyContext, Mapping[str, object]], Policy]
    summary: str
    needs_instruction: bool = True


def make_policy(
    name: str, context: PolicyContext, options: Mapping[str, object] | None = None, wait: float = SERVER_SECONDS
) -> Policy:
    """A policy by name. wait: s for the server of one of which nothing is known before; 0: it is given as it is, see
    ``Remote``. Raises PolicyError naming the policies or options there are, or what the policy itself objects to.
    """
    policy = entry(name).make(context, options or {})
    if wait and isinstance(policy, Remote) and policy.absence() is not None:
        try:
            policy.wait(wait)
        except PolicyError:
            policy.close()
            raise
    return policy


def entry(name: str) -> PolicyEntry:
    """What is known of a policy. Raises PolicyError naming the policies there are."""
    if name not in POLICIES:
        raise PolicyError(name, f"is not known, there are {', '.join(sorted(POLICIES))}", name)
    return POLICIES[name]


def _scripted(context: PolicyContext, options: Mapping[str, object]) -> Policy:
    """The expert of the task."""
    task = context.task or context.profile.task
    if context.declared is not None or task in DECLARED:
        from mivla_ros.policies.table_jobs import table_jobs

        return _pick_and_place(context, options, partial(table_jobs, context.declared or DECLARED[task]))
    if task == "umbrella_rack":
        from mivla_ros.policies.umbrella_jobs import umbrella_jobs

        return _pick_and_place(context, options, lambda arms, profile, bases: umbrella_jobs(arms))
    if task == "gather_objects":
        from mivla_ros.policies.gathering_jobs import gathering_jobs

        return _pick_and_place(context, options, lambda arms, profile, bases: gathering_jobs(arms))
    return _scripted_bottle(context, options)


def _pick_and_place(context: PolicyContext, options: Mapping[str, object], jobs: "MakeJobs") -> Policy:
    from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
    from mivla_ros.policies.frames import fixed_transform, inverse_pose
    from mivla_ros.policies.pick_and_place import PickAndPlaceOptions, PickAndPlacePolicy

    profile = context.profile
    chosen = read_options("scripted", PickAndPlaceOptions, options)
    ready, fixed = {}, {}
    for arm in profile.arms:
        ready[arm.name] = forward_kinematics(
            chain_from_urdf(context.urdf, arm.base_frame, arm.eef_frame), np.array(arm.ready)
        )
        if profile.body is None:
            fixed[arm.name] = fixed_transform(context.urdf, arm.base_frame, profile.world_frame)
    by_side = {arm.side: arm.name for arm in profile.arms}
    any_arm = profile.arms[0].name
    arms = {side: by_side.get(side, any_arm) for side in SIDES}
    bases = {name: inverse_pose(pose) for name, pose in fixed.items()}
    return PickAndPlacePolicy("scripted", profile, jobs(arms, profile, bases), fixed, ready, chosen)


def _scripted_bottle(context: PolicyContext, options: Mapping[str, object]) -> Policy:
    from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
    from mivla_ros.policies.frames import fixed_transform
    from mivla_ros.policies.scripted import ScriptedOptions, ScriptedPolicy

    chosen = read_options("scripted", ScriptedOptions, options)
    try:
        arm = context.profile.arm(chosen.arm) if chosen.arm else context.profile.arms[0]
    except KeyError as error:
        raise PolicyError("scripted", str(error.args[0]), "arm") from error
    chain = chain_from_urdf(context.urdf, arm.base_frame, arm.eef_frame)
    ready = forward_kinematics(chain, np.array(arm.ready))
    base_from_world = fixed_transform(context.urdf, arm.base_frame, context.profile.world_frame)
    return ScriptedPolicy(arm, base_from_world, ready, chosen)


def _noisy_expert(context: PolicyContext, options: Mapping[str, object]) -> Policy:
    from mivla_ros.policies.noisy_expert import NoisyExpert, NoisyExpertOptions

    chosen = read_options("noisy_expert", NoisyExpertOptions, options)
    same = {name: getattr(chosen, name) for name in ("horizon", "step_seconds", "period_seconds")}
    return NoisyExpert(_scripted_bottle(context, same), chosen)


def _demonstration(context: PolicyContext, options: Mapping[str, object]) -> Policy:
    from mivla_ros.policies.demonstration import DemonstrationOptions, DemonstrationPolicy

    return DemonstrationPolicy(context.profile.arms, read_options("demonstration", DemonstrationOptions, options))


def _openpi(context: PolicyContext, options: Mapping[str, object]) -> Policy:
    from mivla_ros.policies.openpi import OpenpiOptions, OpenpiPolicy

    return OpenpiPolicy(context.profile, read_options("openpi", OpenpiOptions, options))


def _replay(context: PolicyContext, options: Mapping[str, object]) -> Policy:
    from mivla_ros.policies.replay import ReplayOptions, ReplayPolicy

    return ReplayPolicy(context.profile, read_options("replay", ReplayOptions, options))


def _mivla(context: PolicyContext, options: Mapping[str, object]) -> Policy:
    return _learned("mivla", context, options)


def _h_rdt(context: PolicyContext, options: Mapping[str, object]) -> Policy:
    return _learned("h_rdt", context, options)


def _learned(name: str, context: PolicyContext, options: Mapping[str, object]) -> Policy:
    try:
        from mivla_ros.policies.mivla import MivlaOptions, MivlaPolicy
    except ImportError as error:
        raise PolicyError(name, f"needs PyTorch, transformers and safetensors: {error}", str(error.name)) from error

    return MivlaPolicy(name, context.profile, read_options(name, MivlaOptions, options))


POLICIES: dict[str, PolicyEntry] = {
    "scripted": PolicyEntry(_scripted, "the expert of the profile's task; reads the simulator's truth"),
    "noisy_expert": PolicyEntry(
        _noisy_expert, "the bottle's expert erring like a network; to compare chunk boundaries"
    ),
    "demonstration": PolicyEntry(_demonstration, "plays a recorded motion from a file", needs_instruction=False),
    "openpi": PolicyEntry(_openpi, "asks a policy server: openpi's own, or mivla serve"),
    "replay": PolicyEntry(_replay, "plays a recorded episode again", needs_instruction=False),
    "mivla": PolicyEntry(_mivla, "a checkpoint of MiVLA's network"),
    "h_rdt": PolicyEntry(_h_rdt, "a checkpoint of H-RDT's network"),
}
