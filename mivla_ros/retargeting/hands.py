"""Hands into end-effector poses, before anything else is done with a chunk: the paper's Eq. 2 from where hand and arm
were when the imitation began.

R^h, human world to robot world, is the rotation that TF gives from the chunk's frame to the arm's base: whoever
publishes hands says by one static transform how their world lies to the robot's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import ActionChunk, ArmActions, Space
from mivla_ros.alignment import AlignmentError, AlignmentOptions, InitialPair, Reference, eef_from_hand, hand_reference
from mivla_ros.kinematics import compose_poses
from mivla_ros.retargeting.errors import refuse
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HandOptions:
    """reference: point of the hand that the end effector follows. scale: metres of robot motion for one of the hand."""

    reference: Reference = Reference.THUMB_KNUCKLE
    scale: float = 1.0


@dataclass(frozen=True)
class Imitation:
    """What has to be remembered from the beginning of an imitation: one lasts as long as session and generation do.

    pairs: by arm, how the worlds lie to each other and where hand and end effector were when it began.
    """

    session: bytes = b""
    generation: int = -1
    pairs: Mapping[str, tuple[AlignmentOptions, InitialPair]] = field(default_factory=dict)


def follow_hands(
    chunk: ActionChunk,
    imitation: Imitation,
    base_from_frame: Mapping[str, Array],
    eef_now: Mapping[str, Array],
    first_step: int,
    options: HandOptions,
) -> tuple[ActionChunk, Imitation]:
    """The chunk with every hand replaced by end-effector poses in the chunk's frame, and the imitation it belongs to.

    base_from_frame (7,) and eef_now (7,), in the arm's base, by arm name. An arm's imitation begins with the hand's
    pose at ``first_step``. The gripper follows the pinch where the chunk itself gives no openings. Raises
    RetargetingError (CHUNK_INVALID, TRANSFORM_MISSING).
    """
    if not any(arm.space is Space.HAND for arm in chunk.arms):
        return chunk, imitation
    if (imitation.session, imitation.generation) != (chunk.session, chunk.generation):
        imitation = Imitation(chunk.session, chunk.generation)
    pairs, arms = dict(imitation.pairs), []
    for arm in chunk.arms:
        if arm.space is not Space.HAND:
            arms.append(arm)
            continue
        if arm.name not in base_from_frame or arm.name not in eef_now:
            raise refuse(Reason.TRANSFORM_MISSING, f"{chunk.frame_id} to the base of arm {arm.name!r}")
        try:
            if arm.name not in pairs:
                pairs[arm.name] = _begin(arm, base_from_frame[arm.name], eef_now[arm.name], first_step, options)
            arms.append(_followed(arm, *pairs[arm.name], base_from_frame[arm.name]))
        except AlignmentError as error:
            raise refuse(
                Reason.CHUNK_INVALID, f"arm {arm.name!r} hand", str(error), float(error.value), float(error.limit)
            ) from error
    return replace(chunk, arms=tuple(arms)), replace(imitation, pairs=pairs)


def _begin(
    arm: ArmActions, base_from_frame: Array, eef_now: Array, first_step: int, options: HandOptions
) -> tuple[AlignmentOptions, InitialPair]:
    assert arm.hand is not None  # check_chunk has seen to it
    worlds = Rotation.from_quat(base_from_frame[3:], scalar_first=True).as_matrix()
    alignment = AlignmentOptions(reference=options.reference, robot_from_human=worlds, scale=options.scale)
    reference = hand_reference(arm.hand, alignment)
    return alignment, InitialPair(reference[min(first_step, len(reference) - 1)], eef_now)


def _followed(arm: ArmActions, alignment: AlignmentOptions, pair: InitialPair, base_from_frame: Array) -> ArmActions:
    assert arm.hand is not None
    base_poses, openings = eef_from_hand(arm.hand, pair.hand, pair.eef, alignment)
    frame_poses = compose_poses(_inverse(base_from_frame), base_poses)
    gripper = openings if arm.gripper is None else arm.gripper
    return replace(arm, space=Space.EEF, eef_frame="", eef=frame_poses, gripper=gripper)


def _inverse(target_from_source: Array) -> Array:
    rotation = Rotation.from_quat(target_from_source[3:], scalar_first=True).inv()
    return np.concatenate([-rotation.apply(target_from_source[:3]), rotation.as_quat(scalar_first=True)])
