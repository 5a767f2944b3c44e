"""The action-space contract of a checkpoint: for which robot its numbers mean what. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from mivla_ros.action_space import FINGERS, QUATERNION_ORDER, SIDES, VALUES
from mivla_ros.model.config import NetworkConfig
from mivla_ros.model.errors import CheckpointError, ContractError
from mivla_ros.robots.profile import ArmProfile, RobotProfile

GRIPPER_SENSE = "0 closed, 1 open"
ROTATION_6D = "first two columns"
CONTRACT_FILE = "contract.json"


@dataclass(frozen=True)
class GripperContract:
    """closed, open: joint values (m or rad) of openings 0 and 1."""

    joint: str
    closed: float
    open: float


@dataclass(frozen=True)
class ArmContract:
    """joints: the robot's names for joint1 and on of this side, base to tip. eef: pose of eef_frame in base_frame."""

    name: str
    side: str
    joints: tuple[str, ...]
    base_frame: str
    eef_frame: str
    gripper: GripperContract | None


@dataclass(frozen=True)
class Contract:
    """values: name, unit and kind of the 76, in order. robot_hash: SHA-256 of the profile's file, for the record.

    cameras: names in the order of the network's places. first_step_seconds, step_seconds: when step 0 is due after
    the observation, and the time between two steps. instruction: an example of the words it was trained with.
    """

    values: tuple[tuple[str, str, str], ...]
    sides: tuple[str, ...]
    fingers: tuple[str, ...]
    quaternion_order: str
    rotation_6d: str
    gripper_sense: str
    robot: str
    robot_hash: str
    arms: tuple[ArmContract, ...]
    cameras: tuple[str, ...]
    horizon: int
    first_step_seconds: float
    step_seconds: float
    instruction: str


def make_contract(
    profile: RobotProfile,
    config: NetworkConfig,
    step_seconds: float = 0.1,
    first_step_seconds: float | None = None,
    cameras: Sequence[str] | None = None,
    instruction: str = "",
) -> Contract:
    """The contract of a network for a robot.

    step_seconds: 0.1, H-RDT's stride of 3 at 30 Hz, unless told. first_step_seconds: one step unless told. cameras:
    the profile's first ones, as many as the network has places. Raises CheckpointError where the robot does not fit
    into the action space or the network.
    """
    names = tuple(cameras) if cameras is not None else tuple(c.name for c in profile.cameras)[: config.cameras]
    known = [camera.name for camera in profile.cameras]
    for name in names:
        if name not in known:
            raise CheckpointError(f"robot {profile.name!r} has no camera {name!r}, only {known}", "cameras")
    if len(names) > config.cameras:
        raise CheckpointError(
            f"network {config.name!r} has places for {config.cameras} cameras, {len(names)} are named", "cameras"
        )
    if step_seconds <= 0:
        raise CheckpointError(f"step_seconds is {step_seconds}, must be above 0", "step_seconds")
    _check_arms(profile, config)
    return Contract(
        values=_values(),
        sides=SIDES,
        fingers=FINGERS,
        quaternion_order=QUATERNION_ORDER,
        rotation_6d=ROTATION_6D,
        gripper_sense=GRIPPER_SENSE,
        robot=profile.name,
        robot_hash=profile.hash,
        arms=tuple(_arm(arm) for arm in profile.arms),
        cameras=names,
        horizon=config.horizon,
        first_step_seconds=step_seconds if first_step_seconds is None else first_step_seconds,
        step_seconds=step_seconds,
        instruction=instruction,
    )


def contract_mismatches(contract: Contract, profile: RobotProfile) -> tuple[tuple[str, str, str], ...]:
    """(key, expected by the checkpoint, found in the profile) for everything that would make its numbers mean
    something else on this robot. Another hash of the profile alone is none: limits and rates may be tuned."""
    found: list[tuple[str, object, object]] = [("robot", contract.robot, profile.name)]
    arms = {arm.name: _arm(arm) for arm in profile.arms}
    expected = {arm.name: arm for arm in contract.arms}
    found.append(("arms", list(expected), list(arms)))
    for name in expected.keys() & arms.keys():
        ours, theirs = expected[name], arms[name]
        for key in ("side", "joints", "base_frame", "eef_frame", "gripper"):
            found.append((f"arms.{name}.{key}", getattr(ours, key), getattr(theirs, key)))
    cameras = [camera.name for camera in profile.cameras]
    missing = [name for name in contract.cameras if name not in cameras]
    found.append(("cameras", list(contract.cameras), cameras if missing else list(contract.cameras)))
    return tuple((key, _words(a), _words(b)) for key, a, b in found if a != b)


def check_robot(contract: Contract, profile: RobotProfile, source: str) -> None:
    """Raise ContractError naming every key in which the robot is not the one this checkpoint was made for."""
    mismatches = contract_mismatches(contract, profile)
    if mismatches:
        words = "; ".join(f"{key}: expected {expected}, found {found}" for key, expected, found in mismatches)
        raise ContractError(f"checkpoint {source}: not made for robot {profile.name!r}: {words}", mismatches)


def check_contract(contract: Contract, config: NetworkConfig, source: str) -> None:
    """Raise CheckpointError where the contract is not that of this suite's action space, or of this network."""
    for key, expected, found in (
        ("sides", SIDES, contract.sides),
        ("fingers", FINGERS, contract.fingers),
        ("quaternion_order", QUATERNION_ORDER, contract.quaternion_order),
        ("rotation_6d", ROTATION_6D, contract.rotation_6d),
        ("gripper_sense", GRIPPER_SENSE, contract.gripper_sense),
        ("horizon", config.horizon, contract.horizon),
    ):
        if expected != found:
            raise CheckpointError(f"{source}: {key} is {_words(found)}, must be {_words(expected)}", key)
    ours = _values()
    if len(contract.values) != len(ours):
        raise CheckpointError(f"{source}: values has {len(contract.values)} entries, must have {len(ours)}", "values")
    for index, (wanted, value) in enumerate(zip(ours, contract.values, strict=True)):
        if wanted != value:
            key = f"values[{index}]"
            raise CheckpointError(f"{source}: {key} is {_words(value)}, must be {_words(wanted)}", key)
    if len(contract.cameras) > config.cameras:
        raise CheckpointError(
            f"{source}: cameras names {len(contract.cameras)}, the network has places for {config.cameras}", "cameras"
        )
    if contract.step_seconds <= 0 or contract.first_step_seconds < 0:
        raise CheckpointError(
            f"{source}: step_seconds is {contract.step_seconds} (above 0), first_step_seconds "
            f"{contract.first_step_seconds} (0 or more)",
            "step_seconds",
        )


def _check_arms(profile: RobotProfile, config: NetworkConfig) -> None:
    from mivla_ros.action_space import ARM_JOINTS

    for arm in profile.arms:
        if len(arm.joints) > ARM_JOINTS:
            raise CheckpointError(
                f"arm {arm.name!r} of {profile.name!r} has {len(arm.joints)} joints, the action space {ARM_JOINTS}",
                "arms",
            )
    sides = [arm.side for arm in profile.arms]
    if len(set(sides)) != len(sides):
        raise CheckpointError(f"robot {profile.name!r} has arms on sides {sides}, one of each is the most", "arms")
    if not config.masked_inputs and set(sides) != set(SIDES):
        raise CheckpointError(
            f"network {config.name!r} has no masks, its values need a left and a right arm; "
            f"robot {profile.name!r} has {', '.join(sides)} only",
            "arms",
        )


def _values() -> tuple[tuple[str, str, str], ...]:
    return tuple((value.name, value.unit, str(value.kind)) for value in VALUES)


def _arm(arm: ArmProfile) -> ArmContract:
    gripper = arm.gripper
    return ArmContract(
        name=arm.name,
        side=arm.side,
        joints=arm.joints,
        base_frame=arm.base_frame,
        eef_frame=arm.eef_frame,
        gripper=None if gripper is None else GripperContract(gripper.joint, gripper.closed, gripper.open),
    )


def _words(value: object) -> str:
    if isinstance(value, GripperContract):
        return f"{value.joint} {value.closed:g} to {value.open:g}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return str(value)
