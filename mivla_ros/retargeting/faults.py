"""What goes wrong while the arms move: which reasons end a motion, and what the policy node says about itself.

A fault that ends a motion is a stop: it latches, and a person releases it (docs/when_things_break.md says why for
each). Where nothing moves, the same fault is only named: there is no motion to end, and none that could resume.
"""

from dataclasses import dataclass

from mivla_ros.stop_reasons import Reason, Stop

CHUNK_FAULTS = frozenset(
    {
        Reason.CHUNK_EXPIRED,
        Reason.CHUNK_OUTDATED,
        Reason.CHUNK_INVALID,
        Reason.CHUNK_OUT_OF_RANGE,
        Reason.CHUNK_FOREIGN_SESSION,
        Reason.TRANSFORM_MISSING,
        Reason.TRANSFORM_STALE,
        Reason.RESTARTED,
    }
)
"""Refusals of a chunk that end the motion under way: somebody sends what must not be, here and now."""

POLICY_FAULTS = frozenset(
    {
        Reason.STREAM_MISSING,
        Reason.STREAM_STALE,
        Reason.STREAM_FROZEN,
        Reason.STREAM_INVALID,
        Reason.POLICY_FAILED,
        Reason.POLICY_OUTPUT_INVALID,
    }
)
"""What a policy node may say about itself that ends the motion of its chunk: it is blind, or broken. Not among them:
STREAM_SKEW, POLICY_DEADLINE and POLICY_UNREACHABLE, after which the chunk under way is as good as it was and ends at
rest by itself.
"""

OWN_STATUS = "mivla/retargeting_status"
"""A policy node that does not hear the retargeting node gives no more chunks; that is nothing against the one under
way, and mostly means that the machine is too busy.
"""

FAULTS = CHUNK_FAULTS | POLICY_FAULTS | {Reason.JOINTS_MISSING, Reason.JOINTS_STALE, Reason.CLOCK_JUMP}
FAULTS |= {Reason.POLICY_SILENT}
"""All that ends a motion by itself. A tracking error does too, but has a rule of its own."""


@dataclass(frozen=True)
class PolicyReport:
    """What a policy node says about itself (mivla_msgs/PolicyStatus): whose chunks it gives, the newest of them, and
    why it gives none. ``idle``: nobody wants it to run any more.
    """

    session: bytes
    generation: int
    sequence: int
    reason: Stop
    idle: bool = False

    @property
    def ends_motion(self) -> bool:
        """It is blind or broken, so that its newest chunk must not be executed any further."""
        return self.reason.reason in POLICY_FAULTS and self.reason.subject != OWN_STATUS

    @property
    def finished(self) -> bool:
        """It has nothing more to do; its newest chunk is to be executed to its end."""
        return self.idle and self.reason.reason is Reason.POLICY_FINISHED
