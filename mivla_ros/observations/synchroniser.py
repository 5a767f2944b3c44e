"""Streams in, one observation out: what belongs to one moment, or the reason why nothing does."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mivla_ros.observation import ArmState, CameraImage, Observation
from mivla_ros.observations.errors import StreamError
from mivla_ros.observations.frozen_camera import FrozenCamera
from mivla_ros.observations.image_stream import newest_set, smallest_skew
from mivla_ros.observations.joint_stream import JointStream
from mivla_ros.observations.limits import StreamLimits
from mivla_ros.observations.samples import Samples
from mivla_ros.stop_reasons import Reason, Stop

EefPose = Callable[[str, NDArray[np.float64]], NDArray[np.float64]]
"""Forward kinematics: arm name and joints (rad) to the pose (7,) xyz + wxyz of its end effector in its base
frame.
"""

JOINTS, OBJECTS = "joint_states", "simulation/objects"


class Named(Protocol):
    """A camera, as far as it matters here."""

    @property
    def name(self) -> str:
        """Its stream's name."""
        ...


class GripperJoint(Protocol):
    """A gripper, as far as it matters here."""

    @property
    def joint(self) -> str:
        """Name of its joint."""
        ...

    def opening(self, position: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """0 closed to 1 open from the joint's value."""
        ...


class ArmJoints(Protocol):
    """An arm of a robot profile or of a data set, as far as it matters here."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def joints(self) -> tuple[str, ...]:
        """Joint names from base to tip."""
        ...

    @property
    def gripper(self) -> GripperJoint | None:
        """None where it has none."""
        ...


class Synchroniser:
    """Buffers every stream by header stamp and picks one moment of them. Adding and observing may be in
    different threads.

    Rule a stream, against the observation's stamp (its newest image's; without cameras the newest joints'):
    images: the newest set, one a camera, whose stamps lie within ``image_skew``, none older than
    ``image_age``. joints: linear between the neighbours of the stamp, see JointStream.at; newest no older
    than ``joint_age``. objects: the sample nearest to the stamp, at most ``object_gap`` from it, newest no
    older than ``object_age``. A stamp ahead of now by more than ``future`` makes its stream invalid: it would
    look fresh for ever.
    """

    def __init__(
        self,
        arms: Sequence[ArmJoints],
        cameras: Sequence[Named],
        eef_pose: EefPose,
        limits: StreamLimits | None = None,
        needs_objects: bool = False,
    ) -> None:
        self.limits = limits or StreamLimits()
        self.arms = tuple(arms)
        self.cameras = {camera.name: camera for camera in cameras}
        self.needs_objects = needs_objects
        self.counts: Counter[str] = Counter()
        """Samples received a stream, and of each stream those ``:duplicate`` or ``:invalid``."""
        self._eef_pose = eef_pose
        self._lock = Lock()
        self._last_now_ns: int | None = None
        self._earliest_ns = 0
        history_ns = round(self.limits.history * 1e9)
        names = [n for arm in arms for n in (*arm.joints, *((arm.gripper.joint,) if arm.gripper else ()))]
        self._joints = JointStream(JOINTS, names, history_ns)
        self._moving = np.array([name in arm.joints for arm in arms for name in self._names_of(arm)], dtype=bool)
        self._images: dict[str, Samples[CameraImage]] = {
            name: Samples(self.limits.image_count) for name in self.cameras
        }
        self._frozen = {name: FrozenCamera() for name in self.cameras}
        self._objects: Samples[tuple[str, Mapping[str, NDArray[np.float64]]]] = Samples(512, history_ns)
        self._faults: dict[str, Stop] = {}

    def add_image(self, camera: str, stamp_ns: int, rgb: NDArray[np.uint8], frame_id: str = "") -> None:
        """Keep one image, rgb (height, width, 3) uint8. What is wrong with it is said by ``observe``."""
        with self._lock:
            self.counts[camera] += 1
            if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
                message = f"image has shape {rgb.shape} and type {rgb.dtype}, must be (height, width, 3) uint8"
                self._fault(camera, Stop(Reason.STREAM_INVALID, camera, message=message))
                return
            if stamp_ns < self._earliest_ns:
                return
            if not self._images[camera].add(stamp_ns, CameraImage(rgb, stamp_ns, frame_id)):
                self.counts[f"{camera}:duplicate"] += 1
                return
            if self.limits.frozen > 0:
                self._frozen[camera].see(stamp_ns, rgb, self._joints_near(stamp_ns))
            self._faults.pop(camera, None)

    def add_joints(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """Keep one joint state message (rad, m); it may name some of the joints only, and joints nobody asked
        for.
        """
        with self._lock:
            self.counts[JOINTS] += 1
            if stamp_ns < self._earliest_ns:
                return
            try:
                self._joints.add(stamp_ns, names, positions)
            except StreamError as error:
                self._fault(JOINTS, error.stop)
            else:
                self._faults.pop(JOINTS, None)

    def add_objects(self, stamp_ns: int, poses: Mapping[str, NDArray[np.float64]], frame_id: str) -> None:
        """Keep the objects' true poses: name to (7,) xyz + wxyz in ``frame_id``."""
        with self._lock:
            self.counts[OBJECTS] += 1
            if stamp_ns < self._earliest_ns:
                return
            for name, pose in poses.items():
                if pose.shape != (7,) or not np.isfinite(pose).all():
                    self._fault(OBJECTS, Stop(Reason.STREAM_INVALID, f"{OBJECTS}: {name}", message=f"pose is {pose}"))
                    return
            if not self._objects.add(stamp_ns, (frame_id, dict(poses))):
                self.counts[f"{OBJECTS}:duplicate"] += 1
            self._faults.pop(OBJECTS, None)

    def add_fault(self, stream: str, message: str) -> None:
        """Say that a message of a stream could not be read (wrong encoding, say); stands until a good one
        comes.
        """
        with self._lock:
            self.counts[stream] += 1
            self._fault(stream, Stop(Reason.STREAM_INVALID, stream, message=message))

    def forget_before(self, stamp_ns: int) -> None:
        """Forget every sample, and take none from before this stamp, as after a reset of the scene."""
        with self._lock:
            self._clear()
            self._earliest_ns = stamp_ns

    def look_anew(self) -> None:
        """Judge from now on whether cameras are frozen: whatever was seen before is no evidence any more, as after a
        person has looked and released a stop.
        """
        with self._lock:
            self._frozen = {name: FrozenCamera() for name in self.cameras}

    def ages(self, now_ns: int) -> dict[str, float]:
        """Seconds since the newest stamp of each stream; infinity for one that has delivered nothing."""
        with self._lock:
            newest = {name: s.newest_ns if s else None for name, s in self._images.items()}
            try:
                newest[JOINTS] = self._joints.newest_ns()
            except StreamError:
                newest[JOINTS] = None
            if self.needs_objects:
                newest[OBJECTS] = self._objects.newest_ns if self._objects else None
            return {name: np.inf if ns is None else (now_ns - ns) / 1e9 for name, ns in newest.items()}

    def observe(self, now_ns: int, instruction: str) -> Observation | Stop:
        """The observation to act on now, or the reason why there is none."""
        with self._lock:
            try:
                return self._observe(now_ns, instruction)
            except StreamError as error:
                return error.stop

    def _observe(self, now_ns: int, instruction: str) -> Observation:
        future_ns = round(self.limits.future * 1e9)
        if self._last_now_ns is not None and now_ns < self._last_now_ns - future_ns:
            self._clear()  # the clock was set back: every stamp held is of another time
        self._last_now_ns = now_ns
        for name, samples in self._images.items():
            self._check_age(name, samples.newest_ns if samples else None, now_ns, self.limits.image_age)
        joints_ns = self._joints_newest_ns()
        self._check_age(JOINTS, joints_ns, now_ns, self.limits.joint_age)
        if self.needs_objects:
            newest_ns = self._objects.newest_ns if self._objects else None
            self._check_age(OBJECTS, newest_ns, now_ns, self.limits.object_age)
        images = self._pick_images(now_ns)
        stamp_ns = max((image.stamp_ns for image in images.values()), default=joints_ns)
        joints, joints_used_ns = self._joints.at(stamp_ns, round(self.limits.joint_gap * 1e9))
        self._check_frozen(joints)
        world_frame, objects, objects_ns = self._pick_objects(stamp_ns)
        return Observation(
            stamp_ns=stamp_ns,
            oldest_ns=min([image.stamp_ns for image in images.values()] + [joints_used_ns, objects_ns, stamp_ns]),
            images=images,
            arms=self._arm_states(joints),
            instruction=instruction,
            world_frame=world_frame,
            objects=objects,
        )

    def _joints_near(self, stamp_ns: int) -> NDArray[np.float64] | None:
        """The arms' newest positions, if they are of about that time: a picture must not be held against an older
        place of the arms.
        """
        latest = self._joints.latest()
        if latest is None or abs(stamp_ns - self._joints.newest_ns()) > self.limits.joint_gap * 1e9:
            return None
        return latest[self._moving]

    def _joints_newest_ns(self) -> int:
        try:
            return self._joints.newest_ns()
        except StreamError as error:
            raise StreamError(self._faults.get(JOINTS, error.stop)) from error

    def _check_age(self, stream: str, newest_ns: int | None, now_ns: int, limit: float) -> None:
        if newest_ns is None:
            raise StreamError(
                self._faults.get(stream, Stop(Reason.STREAM_MISSING, stream, message="nothing received yet"))
            )
        age = (now_ns - newest_ns) / 1e9
        if age > limit:
            raise StreamError(self._faults.get(stream, Stop(Reason.STREAM_STALE, stream, age, limit, "s")))
        if -age > self.limits.future:
            message = "stamped ahead of the clock: another clock, or use_sim_time differs"
            raise StreamError(Stop(Reason.STREAM_INVALID, stream, -age, self.limits.future, "s", message))

    def _pick_images(self, now_ns: int) -> dict[str, CameraImage]:
        if not self._images:
            return {}
        limit_ns = round(self.limits.image_age * 1e9)
        chosen = newest_set(self._images, round(self.limits.image_skew * 1e9))
        if chosen is None:
            skew_ns, first, second = smallest_skew(self._images)
            raise StreamError(
                Stop(
                    Reason.STREAM_SKEW,
                    f"{first}, {second}",
                    skew_ns / 1e9,
                    self.limits.image_skew,
                    "s",
                    "no images together",
                )
            )
        oldest = min(chosen, key=lambda name: chosen[name].stamp_ns)
        age_ns = now_ns - chosen[oldest].stamp_ns
        if age_ns > limit_ns:
            message = f"newest images within {self.limits.image_skew:g} s of each other are that old"
            raise StreamError(
                Stop(Reason.STREAM_SKEW, ", ".join(chosen), age_ns / 1e9, self.limits.image_age, "s", message)
            )
        return chosen

    def _check_frozen(self, joints: NDArray[np.float64]) -> None:
        for name, camera in self._frozen.items():
            seconds = camera.frozen_seconds(joints[self._moving], self.limits.frozen_motion)
            if self.limits.frozen > 0 and seconds > self.limits.frozen:
                message = f"same picture while an arm moved by more than {self.limits.frozen_motion:g} rad"
                raise StreamError(Stop(Reason.STREAM_FROZEN, name, seconds, self.limits.frozen, "s", message))

    def _pick_objects(self, stamp_ns: int) -> tuple[str, Mapping[str, NDArray[np.float64]], int]:
        if not self.needs_objects:
            return "world", {}, stamp_ns
        nearest = min(range(len(self._objects)), key=lambda i: abs(self._objects.stamps[i] - stamp_ns))
        used_ns = self._objects.stamps[nearest]
        gap = abs(used_ns - stamp_ns) / 1e9
        if gap > self.limits.object_gap:
            raise StreamError(
                Stop(Reason.STREAM_SKEW, OBJECTS, gap, self.limits.object_gap, "s", "from the newest image")
            )
        frame, poses = self._objects.values[nearest]
        return frame, poses, used_ns

    def _arm_states(self, joints: NDArray[np.float64]) -> dict[str, ArmState]:
        states, start = {}, 0
        for arm in self.arms:
            position = joints[start : start + len(arm.joints)]
            start += len(arm.joints)
            opening = 1.0
            if arm.gripper is not None:
                opening = float(arm.gripper.opening(joints[start]))
                start += 1
            states[arm.name] = ArmState(position.copy(), self._eef_pose(arm.name, position), opening)
        return states

    def _fault(self, stream: str, stop: Stop) -> None:
        self.counts[f"{stream}:invalid"] += 1
        self._faults[stream] = stop

    def _clear(self) -> None:
        for samples in self._images.values():
            samples.clear()
        self._frozen = {name: FrozenCamera() for name in self.cameras}
        self._joints.clear()
        self._objects.clear()
        self._faults.clear()
        self._last_now_ns = None
        self._earliest_ns = 0

    @staticmethod
    def _names_of(arm: ArmJoints) -> tuple[str, ...]:
        return (*arm.joints, *((arm.gripper.joint,) if arm.gripper else ()))
