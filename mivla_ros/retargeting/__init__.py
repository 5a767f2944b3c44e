"""A whole action chunk to joint trajectories that the robot may execute as they are, or a named reason why
not.

Stages of one chunk, each in a file of its own::

    acceptance     the time contract: expired, outdated, foreign, unusable chunks are refused
    value_ranges   values of an impossible size; the workspace box
    smoothing      poses over the chunk, zero phase
    tracking       poses to the arm's base, inverse kinematics of the whole chunk, warm from where the arm
                   will be
    collisions     links that would touch each other or the surroundings: hold at the step before
    reference      joint values at the steps to a motion at the command rate within position, velocity,
                   acceleration and jerk limits, along the path, joined to the running motion
    limits         the limits, the hardest stop they allow, and a filter for grippers
    retargeter     the stages in order, and the report

Around them: ``motion`` (what was sent), ``progress`` (what of it has been executed), ``joint_watch`` (what
was measured) and ``follower`` (when to move, hold and stop). No ROS in here; ``nodes/retargeting_node.py`` is
the rim.
"""

from mivla_ros.retargeting.errors import RetargetingError
from mivla_ros.retargeting.follower import Command, Follower, FollowerOptions, Mode
from mivla_ros.retargeting.motion import ArmMotion, JointTrajectory
from mivla_ros.retargeting.report import ArmReport, Clip, RetargetingReport
from mivla_ros.retargeting.retargeter import Retargeted, Retargeter, RetargetingOptions

__all__ = [
    "ArmMotion",
    "ArmReport",
    "Clip",
    "Command",
    "Follower",
    "FollowerOptions",
    "JointTrajectory",
    "Mode",
    "Retargeted",
    "Retargeter",
    "RetargetingError",
    "RetargetingOptions",
    "RetargetingReport",
]
