"""Policies by name. A policy's module is imported when it is asked for, so that nobody needs the libraries of
all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mivla_ros.policies.options import read_options
from mivla_ros.policies.policy import Policy, PolicyError
from mivla_ros.robots.profile import RobotProfile


@dataclass(frozen=True)
class PolicyContext:
    """What a policy may be made from: the robot's profile and its URDF text."""

    profile: RobotProfile
    urdf: str


@dataclass(frozen=True)
class PolicyEntry:
    """How a policy is made, whether it needs words, and one line about it for help texts."""

    make: Callable[[PolicyContext, Mapping[str, object]], Policy]
    summary: str
    needs_instruction: bool = True


def make_policy(name: str, context: PolicyContext, options: Mapping[str, object] | None = None) -> Policy:
    """A policy by name. Raises PolicyError naming the policies or options there are, or what the policy
    itself objects to.
    """
    return entry(name).make(context, options or {})


def entry(name: str) -> PolicyEntry:
    """What is known of a policy. Raises PolicyError naming the policies there are."""
    if name not in POLICIES:
        raise PolicyError(name, f"is not known, there are {', '.join(sorted(POLICIES))}", name)
    return POLICIES[name]


def _scripted(context: PolicyContext, options: Mapping[str, object]) -> Policy:
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


def _demonstration(context: PolicyContext, options: Mapping[str, object]) -> Policy:
    from mivla_ros.policies.demonstration import DemonstrationOptions, DemonstrationPolicy

    return DemonstrationPolicy(context.profile.arms, read_options("demonstration", DemonstrationOptions, options))


POLICIES: dict[str, PolicyEntry] = {
    "scripted": PolicyEntry(_scripted, "the expert of bottle_on_pad; reads the simulator's truth"),
    "demonstration": PolicyEntry(_demonstration, "plays a recorded motion from a file", needs_instruction=False),
}
