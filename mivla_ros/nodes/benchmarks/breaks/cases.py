"""The faults, one by one: how each is made, what it must be called, and what must be so until it is released."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from numpy.typing import NDArray

from mivla_msgs.msg import PolicyStatus, RetargetingStatus
from mivla_ros.nodes.benchmarks.breaks.measurement import Braking, braking, standstill
from mivla_ros.nodes.benchmarks.breaks.scene import BreakError, Scene
from mivla_ros.nodes.benchmarks.breaks.witness import Diagnosed, Sent
from mivla_ros.retargeting import JointTrajectory
from mivla_ros.retargeting.limits import JointLimits
from mivla_ros.stop_reasons import Reason

WATCHED = 0.7  # s of simulated time in which nothing may move after a stop, with the fault and again without it
DRIFT = 5e-3  # rad; more than that is a motion
WARNING = 1  # level of diagnostics


@dataclass(frozen=True)
class Began:
    """When a fault began: true time of simulation (ns), and how far the clock the nodes see is off it (ns)."""

    true_ns: int
    offset_ns: int = 0


@dataclass(frozen=True)
class Case:
    """One fault. ``begin`` makes it, ``end`` takes it away; ``reasons`` of which the first to come is the one."""

    name: str
    reasons: tuple[Reason, ...]
    begin: Callable[[Scene], Began]
    end: Callable[[Scene], None]


@dataclass(frozen=True)
class Result:
    """What happened. Times in s of simulated time, way in rad; NaN where there is no such thing.

    detected: from the fault to the first status that names it, by the node ``by``. braking: from that status to the
    first point of the stopping trajectory; commanded: the same from the retargeting node's own status. standstill,
    way: from that status to rest, measured at the joints. acceleration, jerk, join_jerk: greatest share of a limit, see
    Braking. diagnosed: from that status to the reason on /diagnostics. resumed: something moved before
    the release, though nothing may.
    """

    case: str
    reason: str
    by: str
    detected: float
    braking: float
    commanded: float
    standstill: float
    way: float
    acceleration: float
    jerk: float
    join_jerk: float
    diagnosed: float
    resumed: bool


def _spoiled(fault: str) -> Callable[[Scene], Began]:
    def begin(scene: Scene) -> Began:
        applied = scene.spoil(fault)
        return Began(applied["true_ns"], applied["offset_ns"])

    return begin


def _whole(scene: Scene) -> None:
    scene.spoil("")


def _relayed(name: str, fault: str, *reasons: Reason) -> Case:
    return Case(name, reasons, _spoiled(fault), _whole)


def _kill_policy(scene: Scene) -> Began:
    began = Began(scene.witness.true_ns)
    scene.graph.kill("policy")
    return began


def _start_policy(scene: Scene) -> None:
    scene.witness.clear()
    scene.graph.start("policy")
    scene.wait("the new policy node", lambda: scene.said("policy", PolicyStatus.STOPPED), 120)


def _second_policy(scene: Scene) -> Began:
    with scene.witness.lock:
        first = scene.witness.records.chunks[-1][1]
    scene.graph.start("second policy")

    def foreign() -> int:
        with scene.witness.lock:
            seen = next((time for time, session in scene.witness.records.chunks if session != first), 0)
        newest = scene.newest("retargeting")
        if not seen and newest is not None and newest.state == RetargetingStatus.STOPPED:
            # a process that starts takes a core, and cameras may stall for so long that they stop the arm by themselves
            scene.release()
            scene.witness.clear()
        return seen

    return Began(scene.wait("a chunk of the second policy node", foreign, 120))


def _end_second_policy(scene: Scene) -> None:
    scene.graph.kill("second policy")


def _operator_stop(scene: Scene) -> Began:
    began = Began(scene.witness.true_ns)
    scene.stop("the break table")
    return began


CASES = (
    Case("policy process killed", (Reason.POLICY_SILENT,), _kill_policy, _start_policy),
    _relayed("camera frozen but publishing", "camera frozen", Reason.STREAM_FROZEN),
    _relayed("camera gone", "camera gone", Reason.STREAM_STALE),
    _relayed("joint states stale", "joints stale", Reason.JOINTS_STALE, Reason.STREAM_STALE),
    _relayed("one joint missing", "joint missing", Reason.JOINTS_MISSING, Reason.STREAM_STALE),
    _relayed("joints unnamed", "joints unnamed", Reason.JOINTS_MISSING, Reason.STREAM_INVALID, Reason.STREAM_STALE),
    _relayed("chunk in a frame TF does not know", "wrong frame", Reason.TRANSFORM_MISSING),
    _relayed("chunk in a frame whose TF is old", "transform old", Reason.TRANSFORM_STALE),
    _relayed("clock jumps 5 s forward", "clock forward", Reason.CLOCK_JUMP),
    _relayed("clock jumps 5 s back", "clock back", Reason.CLOCK_JUMP),
    _relayed("chunk with NaN", "nan", Reason.CHUNK_INVALID),
    _relayed("chunk with infinity", "infinite", Reason.CHUNK_INVALID),
    _relayed("chunk without arms", "empty", Reason.CHUNK_INVALID),
    _relayed("chunk with too few poses", "wrong size", Reason.CHUNK_INVALID),
    _relayed("chunk in degrees", "degrees", Reason.CHUNK_OUT_OF_RANGE),
    _relayed("chunk in millimetres", "millimetres", Reason.CHUNK_OUT_OF_RANGE),
    _relayed("chunk out of order", "out of order", Reason.CHUNK_OUTDATED),
    _relayed("chunk twice", "duplicate", Reason.CHUNK_OUTDATED),
    _relayed("chunk expired", "expired", Reason.CHUNK_EXPIRED),
    Case("two policy nodes at once", (Reason.CHUNK_FOREIGN_SESSION,), _second_policy, _end_second_policy),
    Case("stop service called", (Reason.OPERATOR_STOP,), _operator_stop, lambda scene: None),
)
"""All but the death of the retargeting node, which has a course of its own: ``run_retargeting_death``."""

RETARGETING_DEATH = "retargeting process killed"


def run(scene: Scene, case: Case) -> Result:
    """Make a fault in the middle of a motion, watch the stop, take the fault away, release."""
    scene.make_swing()
    began = case.begin(scene)
    reasons = frozenset(reason.name for reason in case.reasons)
    stopped = scene.wait(
        f"a stop for {' or '.join(sorted(reasons))}", lambda: scene.said("retargeting", RetargetingStatus.STOPPED)
    )
    if stopped.reason not in reasons:
        raise BreakError(f"{case.name}: it stopped for {stopped.message.reason.message!r}")
    # the policy node names faults of its streams itself, before the retargeting node stops for them
    named = next(
        (
            s
            for s in scene.witness.records.said
            if s.who == "policy" and s.reason == stopped.reason and s.state == PolicyStatus.WAITING
        ),
        stopped,
    )
    detected_ns = min(named.stamp_ns, stopped.stamp_ns) - began.offset_ns
    scene.wait("rest", scene.rests)
    resumed = _moves(scene)
    diagnosed = _wait_for_diagnostics(scene, stopped.reason, stopped.stamp_ns)
    rest = standstill(list(scene.witness.records.joints), detected_ns)
    stop, how = _braking(scene)
    case.end(scene)
    resumed |= _moves(scene)
    generation = stopped.message.generation
    if scene.release() <= generation:
        raise BreakError(f"{case.name}: the release did not raise generation {generation}")
    first_ns = nan
    if stop is not None:
        first_ns = stop.seen_ns if stop.at_once else stop.trajectory.start_ns - began.offset_ns
    return Result(
        case=case.name,
        reason=stopped.reason,
        by=named.who,
        detected=max((detected_ns - began.true_ns) / 1e9, 0.0),
        braking=(first_ns - detected_ns) / 1e9,
        commanded=(first_ns + began.offset_ns - stopped.stamp_ns) / 1e9,
        standstill=rest.seconds,
        way=rest.way,
        acceleration=how.acceleration,
        jerk=how.jerk,
        join_jerk=how.join_jerk,
        diagnosed=diagnosed,
        resumed=resumed,
    )


def run_retargeting_death(scene: Scene) -> tuple[Result, Result]:
    """Kill the retargeting process in the middle of a motion, see the arm come to rest by what was sent before, start
    it again: the policy node's word for the death, and the new process's for its beginning.
    """
    scene.make_swing()
    died_ns = scene.witness.true_ns
    scene.graph.kill("retargeting")
    named = scene.wait(
        "the policy node's word", lambda: scene.said("policy", PolicyStatus.WAITING, frozenset({"STREAM_STALE"}))
    )
    scene.wait("rest", scene.rests)
    resumed = _moves(scene)
    rest = standstill(list(scene.witness.records.joints), died_ns)
    diagnosed = _wait_for_diagnostics(scene, named.reason, named.stamp_ns)
    _, how = _braking(scene)
    death = Result(
        RETARGETING_DEATH, named.reason, "policy", (named.stamp_ns - died_ns) / 1e9, nan, nan,
        rest.seconds, rest.way, how.acceleration, how.jerk, how.join_jerk, diagnosed, resumed,
    )  # fmt: skip
    scene.witness.clear()
    scene.graph.start("retargeting")
    stopped = scene.wait(
        "a stop after the restart",
        lambda: scene.said("retargeting", RetargetingStatus.STOPPED, frozenset({"RESTARTED"})),
        120,
    )
    # before it has heard the clock its stamps are zero
    first = next(said for said in scene.witness.records.said if said.who == "retargeting" and said.stamp_ns)
    resumed = _moves(scene)
    diagnosed = _wait_for_diagnostics(scene, stopped.reason, stopped.stamp_ns)
    sent = len(scene.witness.records.sent)
    scene.release()
    birth = Result(
        "retargeting process started again", stopped.reason, "retargeting", (stopped.stamp_ns - first.stamp_ns) / 1e9,
        nan, nan, nan, nan, nan, nan, nan, diagnosed, resumed or sent > 0,
    )  # fmt: skip
    return death, birth


def _moves(scene: Scene) -> bool:
    """Whether the arm moves, anything is sent to it or a chunk is taken in a while that should be quiet."""
    before, sent = scene.positions(), len(scene.witness.records.sent)
    scene.pause(WATCHED)
    tracking = scene.graph.runs("retargeting") and scene.is_tracking()
    moved = float(np.abs(scene.positions() - before).max()) > DRIFT
    return moved or tracking or len(scene.witness.records.sent) > sent


def _wait_for_diagnostics(scene: Scene, reason: str, named_ns: int) -> float:
    """Seconds from a status to the first diagnostic status that names the reason, with a warning's level at least."""

    def first() -> Diagnosed | None:
        with scene.witness.lock:
            named = (one for one in scene.witness.records.diagnosed if one.values.get("reason") == reason)
            return next((one for one in named if one.level >= WARNING), None)

    found: Diagnosed = scene.wait(f"{reason} on diagnostics", first)
    return max((found.stamp_ns - named_ns) / 1e9, 0.0)


def _braking(scene: Scene) -> tuple[Sent | None, Braking]:
    """The last trajectory sent, and how it brakes."""
    with scene.witness.lock:
        sent = list(scene.witness.records.sent)
    if not sent:
        return None, Braking(nan, nan, nan, nan, True)
    arm = scene.profile.arms[0]
    infinite = np.full(len(arm.joints), np.inf)
    limits = JointLimits(-infinite, infinite, np.array(arm.velocity), np.array(arm.acceleration), np.array(arm.jerk))
    stop, before = sent[-1].trajectory, [one.trajectory for one in sent[:-1]]
    if sent[-1].at_once and before:
        stop = replace(stop, start_ns=_joined(stop.positions[0], before[-1]))
    return sent[-1], braking(stop, before, limits)


def _joined(positions: NDArray[np.float64], motion: JointTrajectory) -> int:
    """When a motion was where a stop without a due time begins."""
    times = np.arange(motion.start_ns, motion.end_ns, motion.period_ns // 20)
    away = [float(np.abs(motion.state(int(time))[0] - positions).max()) for time in times]
    return int(times[int(np.argmin(away))])
