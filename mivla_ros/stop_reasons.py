"""Named reasons for not running, the same names and numbers as in mivla_msgs/StopReason, usable without ROS."""

from dataclasses import dataclass
from enum import IntEnum
from math import isnan, nan


class Reason(IntEnum):
    """Why something does not run. Ranges: 100 policy node, 200 retargeting node, 300 simulator and drivers, 400
    recorder, 500 a person or another program."""

    NONE = 0  # nothing is wrong
    STREAM_MISSING = 100  # an input stream has not delivered anything yet
    STREAM_STALE = 101  # an input stream is older than its limit
    STREAM_SKEW = 102  # input streams are too far apart in time
    STREAM_FROZEN = 103  # a camera publishes the same image again and again
    STREAM_INVALID = 104  # an input has the wrong size, encoding, frame or name
    INSTRUCTION_MISSING = 105  # no instruction was given
    POLICY_NOT_LOADED = 110  # the policy could not be made or loaded
    POLICY_FAILED = 111  # the policy raised an error
    POLICY_OUTPUT_INVALID = 112  # the policy returned NaN, wrong sizes or wrong names
    POLICY_DEADLINE = 113  # inference took longer than its deadline
    POLICY_UNREACHABLE = 114  # the policy server does not answer
    POLICY_FINISHED = 115  # the policy has nothing more to do
    CHUNK_MISSING = 200  # no chunk has arrived yet
    CHUNK_EXHAUSTED = 201  # every step has been executed and no newer chunk is there
    CHUNK_EXPIRED = 202  # the chunk arrived, or was still current, after valid_until
    CHUNK_OUTDATED = 203  # generation or sequence older than the current one
    CHUNK_INVALID = 204  # NaN, empty, wrong sizes, unknown arm, joint or frame
    CHUNK_OUT_OF_RANGE = 205  # values of an impossible size (degrees sent as radians, mm as m)
    CHUNK_FOREIGN_SESSION = 206  # a second policy node publishes on the same topic
    POLICY_SILENT = 207  # the policy node whose chunk is executed is not heard any more
    JOINTS_MISSING = 210  # a joint of the profile is not in the joint states
    JOINTS_STALE = 211  # joint states are older than their limit
    TRANSFORM_MISSING = 212  # TF does not connect the chunk's frame and the arm's base
    TRANSFORM_STALE = 213  # TF connects them only for another time
    DESCRIPTION_MISSING = 214  # no robot description has arrived
    UNREACHABLE = 220  # a pose is out of the arm's reach
    LIMIT_POSITION = 221  # a joint's position limit
    LIMIT_VELOCITY = 222  # a joint's velocity limit
    LIMIT_ACCELERATION = 223  # a joint's acceleration limit
    LIMIT_WORKSPACE = 224  # the allowed box of the end effector
    COLLISION = 225  # two links, or a link and the surroundings, would touch
    LIMIT_JERK = 226  # a joint's jerk limit
    SINGULARITY = 227  # too near a singularity to follow without wild joint motion
    CLOCK_JUMP = 230  # time went backwards, or far forwards
    TRACKING_ERROR = 231  # the arm is too far from where it was sent
    RESTARTED = 232  # this node was restarted while a policy was moving the arms
    SIMULATION_FAILED = 300  # physics diverged, or rendering failed
    DRIVER_SILENT = 310  # the driver sends no feedback
    DRIVER_REFUSED = 311  # the driver refused to enable or to move
    DRIVER_FAULT = 312  # the driver reports a fault
    DISK_FULL = 400  # no room left for the recording
    FOLDER_GONE = 401  # the recording's folder has disappeared
    TOPIC_MISSING = 402  # a topic of the list is not published
    RECORDING_FAILED = 403  # the writer raised an error
    RECORDER_BUSY = 404  # another episode is being recorded
    RECORDER_IDLE = 405  # no episode is being recorded
    EPISODE_UNKNOWN = 406  # there is no episode of that name
    RECORDER_MISSING = 407  # no recorder answers
    OPERATOR_STOP = 500  # the stop service was called
    TASK_CANCELLED = 501  # the task's goal was cancelled
    TASK_TIMEOUT = 502  # the task's time was up
    SHUTDOWN = 503  # the node was asked to end


@dataclass(frozen=True)
class Stop:
    """A reason with its evidence: what it is about, the value measured, the limit it broke and their unit."""

    reason: Reason
    subject: str = ""
    value: float = nan
    limit: float = nan
    unit: str = ""
    message: str = ""

    def __str__(self) -> str:
        """One sentence with all of it."""
        words = self.reason.name.lower().replace("_", " ")
        text = f"{words}: {self.subject}" if self.subject else words
        if not isnan(self.value):
            text += f" is {self.value:.4g}{' ' + self.unit if self.unit else ''}"
        if not isnan(self.limit):
            text += f", limit {self.limit:.4g}{' ' + self.unit if self.unit else ''}"
        return f"{text} ({self.message})" if self.message else text


RUNNING = Stop(Reason.NONE)
