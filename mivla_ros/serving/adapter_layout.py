"""An adapter for one robot: requests and actions to the messages of its model and back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros import action_space
from mivla_ros.action_chunk import ArmActions, GripperKind, Space
from mivla_ros.observation import ArmState, CameraImage, Observation
from mivla_ros.policies.policy import Actions
from mivla_ros.robots.profile import ArmProfile, RobotProfile
from mivla_ros.serving import images
from mivla_ros.serving.adapter import (
    GRIPPER,
    JOINTS,
    MAX_HORIZON,
    POSITION,
    ROTATION,
    ZEROS,
    Adapter,
    ImageEntry,
    Linkage,
    ValueEntry,
    VectorEntry,
)
from mivla_ros.serving.errors import AdapterError, FrameError
from mivla_ros.serving.layout import EefPose, InferenceRequest, Message

Array = NDArray[np.float64]


class AdapterLayout:
    """Implements ``Layout`` for one robot by an adapter's data."""

    def __init__(self, adapter: Adapter, profile: RobotProfile, arm: str = "", eef_pose: EefPose | None = None) -> None:
        """arm: the one meant by the adapter's "any". eef_pose: used at the model's side, where the wire has only
        joints. Raises AdapterError where the robot lacks an arm, a joint or a camera that the adapter needs.
        """
        self.adapter, self.profile, self._eef_pose = adapter, profile, eef_pose
        self.name = adapter.name
        self._arms: dict[str, ArmProfile] = {}
        for value in (*adapter.actions.values, *(v for vector in adapter.state for v in vector.values)):
            if value.of != ZEROS:
                self._arms[value.arm] = self._bind(value, arm)
        self.arms = tuple(a for a in profile.arms if a in {v.name: v for v in self._arms.values()}.values())
        self._images = [(entry, camera) for entry in adapter.images if (camera := self._camera(entry))]
        bases = {self._arms[v.arm].base_frame for v in adapter.actions.values if v.of in (POSITION, ROTATION)}
        if len(bases) > 1:
            raise self._fail("actions.values", f"poses of arms with different bases {sorted(bases)} fit into no chunk")
        self.frame_id = self.arms[0].base_frame

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras of the robot that the adapter sends."""
        return tuple(dict.fromkeys(camera for _, camera in self._images))

    def request_to_message(self, request: InferenceRequest) -> Message:
        """What openpi's server of this adapter expects."""
        seen = request.observation
        message: Message = {}
        _put(message, self.adapter.prompt, seen.instruction)
        for entry, camera in self._images:
            if camera not in seen.images:
                if entry.needed:
                    raise FrameError("/".join(entry.key), f"the observation has no image of camera {camera!r}")
                continue
            rgb = seen.images[camera].rgb
            if entry.height:
                rgb = images.fit(rgb, entry.height, entry.width, entry.fit, entry.fill)
            _put(message, entry.key, images.to_order(rgb, entry.order))
        for vector in self.adapter.state:
            columns = [self._state_to_wire(value, seen) for value in vector.values]
            _put(message, vector.key, _padded(np.concatenate(columns), vector.size).astype(np.float32))
        return message

    def request_from_message(self, message: Mapping[str, Any], now_ns: int) -> InferenceRequest:
        """The observation in such a message. What the wire does not carry is NaN (joints) or absent (images)."""
        prompt = _get(message, self.adapter.prompt, default="")
        if isinstance(prompt, np.ndarray) and prompt.ndim == 0:
            prompt = prompt.item()
        if not isinstance(prompt, str):
            raise FrameError("/".join(self.adapter.prompt), f"is of type {type(prompt).__name__}, must be text")
        pictures = {}
        for entry, camera in self._images:
            picture = _get(message, entry.key, default=None)
            if picture is None:
                if entry.needed:
                    raise FrameError("/".join(entry.key), f"is missing, there are {sorted(message)}")
                continue
            try:
                rgb = images.from_order(np.asarray(picture), entry.order)
            except ValueError as error:
                raise FrameError("/".join(entry.key), str(error)) from error
            pictures[camera] = CameraImage(rgb, now_ns)
        parts: dict[str, dict[str, Array]] = {}
        for vector in self.adapter.state:
            row = _numbers(_get(message, vector.key), vector.key)
            if row.shape != (vector.size,):
                raise FrameError("/".join(vector.key), f"has shape {row.shape}, must be ({vector.size},)")
            for value, columns in _split(vector, row[None]):
                if value.of != ZEROS:
                    parts.setdefault(self._arms[value.arm].name, {})[value.of] = _from_wire(value, columns)[0]
        arms = {arm.name: self._arm_state(arm, parts.get(arm.name, {})) for arm in self.arms}
        seen = Observation(now_ns, now_ns, pictures, arms, prompt, self.profile.world_frame)
        return InferenceRequest(seen)

    def actions_to_message(self, actions: Actions, request: InferenceRequest) -> Message:
        """A policy's actions as the rows that clients of this adapter expect. Raises FrameError where the policy gives
        no joints and the adapter wants them, or the other way round.
        """
        entry, given = self.adapter.actions, {arm.name: arm for arm in actions.arms}
        rows = actions.horizon
        if not rows:
            raise FrameError("actions", "the policy gives nothing to follow")
        columns = []
        for value in entry.values:
            if value.of == ZEROS:
                columns.append(np.zeros((rows, value.count)))
                continue
            arm = self._arms[value.arm]
            if arm.name not in given:
                raise FrameError("actions", f"the policy gives nothing for arm {arm.name!r}, only for {list(given)}")
            columns.append(self._actions_to_wire(value, given[arm.name], arm, request.observation, rows))
        message: Message = {}
        _put(message, entry.key, _padded(np.concatenate(columns, axis=1), entry.size))
        return message

    def actions_from_message(self, message: Mapping[str, Any], request: InferenceRequest) -> Actions:
        """The rows of an answer as actions for this robot."""
        entry = self.adapter.actions
        table = _numbers(_get(message, entry.key), entry.key)
        path = "/".join(entry.key)
        if table.ndim != 2 or table.shape[1] != entry.size or not 1 <= len(table) <= MAX_HORIZON:
            raise FrameError(path, f"has shape {table.shape}, must be (1 to {MAX_HORIZON}, {entry.size})")
        if not np.isfinite(table).all():
            raise FrameError(path, f"row {int(np.argmin(np.isfinite(table).all(axis=1)))} holds NaN or infinity")
        parts: dict[str, dict[str, Array]] = {}
        kinds: dict[str, GripperKind] = {}
        for value, columns in _split(entry, table):
            if value.of == ZEROS:
                continue
            name = self._arms[value.arm].name
            clipped = columns if value.clip is None else np.clip(columns, *value.clip)
            parts.setdefault(name, {})[value.of] = self._absolute(value, clipped, name, request.observation)
            if value.of == GRIPPER:
                kinds[name] = GripperKind.BINARY if value.binary else GripperKind.CONTINUOUS
        arms = [
            _arm_actions(arm, parts[arm.name], kinds.get(arm.name, GripperKind.CONTINUOUS))
            for arm in self.arms
            if arm.name in parts
        ]
        return Actions(tuple(arms), entry.first_step_seconds, entry.step_seconds)

    # ---- the robot's side of the data ----

    def _fail(self, key: str, message: str) -> AdapterError:
        return AdapterError(f"adapter {self.adapter.source}: {key}", message)

    def _bind(self, value: ValueEntry, chosen: str) -> ArmProfile:
        arms = {arm.name: arm for arm in self.profile.arms}
        what = f"robot {self.profile.name!r} has {', '.join(f'{a.name} ({a.side})' for a in arms.values())}"
        if value.arm == "any":
            if chosen and chosen not in arms:
                raise self._fail("arm", f"is {chosen!r}, {what}")
            if not chosen and len(arms) != 1:
                raise self._fail("arm", f"one of several must be chosen, {what}")
            arm = arms[chosen] if chosen else self.profile.arms[0]
        else:
            sides = [a for a in arms.values() if a.side == value.arm]
            if len(sides) != 1:
                raise self._fail("values", f"need one {value.arm} arm, {what}")
            arm = sides[0]
        if value.of == JOINTS and value.count != len(arm.joints):
            raise self._fail("values", f"are for {value.count} joints, arm {arm.name!r} has {len(arm.joints)}")
        if value.of == GRIPPER and arm.gripper is None:
            raise self._fail("values", f"need a gripper, arm {arm.name!r} has none")
        return arm

    def _camera(self, entry: ImageEntry) -> str:
        there = [camera.name for camera in self.profile.cameras]
        for name in entry.cameras:
            if name in there:
                return name
        if entry.needed:
            raise self._fail(
                "/".join(entry.key), f"needs a camera {' or '.join(entry.cameras)}, the robot has {', '.join(there)}"
            )
        return ""

    def _state_to_wire(self, value: ValueEntry, seen: Observation) -> Array:
        if value.of == ZEROS:
            return np.zeros(value.count)
        name = self._arms[value.arm].name
        if name not in seen.arms:
            raise FrameError("state", f"the observation has no arm {name!r}, only {list(seen.arms)}")
        return _to_wire(value, _measured(value, seen.arms[name])[None])[0]

    def _arm_state(self, arm: ArmProfile, parts: Mapping[str, Array]) -> ArmState:
        joints = parts.get(JOINTS, np.full(len(arm.joints), np.nan))
        eef = np.full(7, np.nan)
        if POSITION in parts and ROTATION in parts:
            eef = np.concatenate([parts[POSITION], parts[ROTATION]])
        elif JOINTS in parts and self._eef_pose is not None:
            eef = self._eef_pose(arm.name, joints)
        return ArmState(joints, eef, float(parts[GRIPPER][0]) if GRIPPER in parts else float("nan"))

    def _actions_to_wire(
        self, value: ValueEntry, given: ArmActions, arm: ArmProfile, seen: Observation, rows: int
    ) -> Array:
        if value.of == GRIPPER:
            if given.gripper is None:
                opening = np.full((rows, 1), seen.arms[arm.name].gripper)
            else:
                opening = np.asarray(given.gripper, dtype=float)[:, None]
            return _to_wire(value, opening)
        if value.of == JOINTS:
            if given.joints is None:
                raise FrameError(
                    "actions", f"adapter {self.name!r} wants joints, the policy gives none for {arm.name!r}"
                )
            try:
                order = [given.joint_names.index(name) for name in arm.joints]
            except ValueError as error:
                raise FrameError("actions", f"joints {list(given.joint_names)} are not {list(arm.joints)}") from error
            targets = given.joints[:, order]
        else:
            if given.eef is None:
                raise FrameError(
                    "actions", f"adapter {self.name!r} wants poses, the policy gives none for {arm.name!r}"
                )
            targets = given.eef[:, :3] if value.of == POSITION else given.eef[:, 3:]
        if value.reference == "absolute":
            return _clipped(value, _to_wire(value, targets))
        start = _measured(value, seen.arms[arm.name])[None]
        before = np.concatenate([start, targets[:-1]]) if value.reference == "previous" else np.repeat(start, rows, 0)
        if value.of == ROTATION:
            change = _quaternions(_rotations(targets) * _rotations(before).inv())
            return _clipped(value, _to_wire(value, change))
        return _clipped(value, _to_wire(value, targets - before, is_change=True))

    def _absolute(self, value: ValueEntry, columns: Array, arm: str, seen: Observation) -> Array:
        """SI targets (H, n) from the wire's columns."""
        if value.reference == "absolute":
            return _from_wire(value, columns)
        start = _measured(value, seen.arms[arm])[None]
        change = _from_wire(value, columns, is_change=True)
        if value.of == ROTATION:
            turns, at = _rotations(change), _rotations(start)
            if value.reference == "observation":
                return _quaternions(turns * at)
            targets = []
            for turn in turns:
                at = turn * at
                targets.append(_quaternions(at)[0])
            return np.array(targets)
        return start + (np.cumsum(change, axis=0) if value.reference == "previous" else change)


# ---- values ----


def _measured(value: ValueEntry, state: ArmState) -> Array:
    pick: dict[str, Callable[[], Array]] = {
        JOINTS: lambda: state.joints,
        POSITION: lambda: state.eef[:3],
        ROTATION: lambda: state.eef[3:],
        GRIPPER: lambda: np.array([state.gripper]),
    }
    return np.asarray(pick[value.of](), dtype=float)


def _to_wire(value: ValueEntry, si: Array, is_change: bool = False) -> Array:
    """(n, k) SI values (quaternions wxyz, openings) to the wire's columns (n, count)."""
    if value.of == ROTATION:
        return _rotation_to_wire(value, si)
    if value.of == GRIPPER:
        opening = np.round(si) if value.binary else si
        if value.linkage is not None:
            opening = _linkage_to_wire(value.linkage, opening)
        closed, opened = np.array(value.closed), np.array(value.open)
        return closed + opening * (opened - closed)
    offsets = 0.0 if is_change else np.array(value.offsets)
    return np.array(value.signs) * (si - offsets) / value.scale


def _from_wire(value: ValueEntry, wire: Array, is_change: bool = False) -> Array:
    """The wire's columns (n, count) to SI values; openings clipped to 0 to 1."""
    if value.of == ROTATION:
        return _rotation_from_wire(value, wire)
    if value.of == GRIPPER:
        opening = (wire[:, :1] - value.closed[0]) / (value.open[0] - value.closed[0])
        if value.linkage is not None:
            opening = _linkage_from_wire(value.linkage, opening)
        opening = np.clip(opening, 0.0, 1.0)
        return (opening > 0.5).astype(float) if value.binary else opening
    offsets = 0.0 if is_change else np.array(value.offsets)
    return np.array(value.signs) * value.scale * wire + offsets


def _clipped(value: ValueEntry, wire: Array) -> Array:
    return wire if value.clip is None else np.clip(wire, *value.clip)


def _linkage_to_wire(linkage: Linkage, opening: Array) -> Array:
    """Opening to 0..1 of the horn's angle: law of cosines of horn, rod and the fingers' way."""
    low, high = linkage.linear
    way = low + opening * (high - low)
    sine = (linkage.horn**2 + way**2 - linkage.rod**2) / (2 * linkage.horn * way)
    return (np.arcsin(np.clip(sine, -1, 1)) - linkage.angle[0]) / (linkage.angle[1] - linkage.angle[0])


def _linkage_from_wire(linkage: Linkage, wire: Array) -> Array:
    low, high = linkage.linear
    angle = np.clip(linkage.angle[0] + wire * (linkage.angle[1] - linkage.angle[0]), -np.pi / 2, np.pi / 2)
    reach = linkage.horn * np.sin(angle)
    way = reach + np.sqrt(reach**2 + linkage.rod**2 - linkage.horn**2)
    return (way - low) / (high - low)


def _rotations(quaternions: Array) -> Rotation:
    return Rotation.from_quat(quaternions, scalar_first=True)


def _quaternions(rotations: Rotation) -> Array:
    return np.asarray(action_space.canonical_quaternion(rotations.as_quat(scalar_first=True)), dtype=float)


def _rotation_to_wire(value: ValueEntry, quaternions: Array) -> Array:
    rotations = _rotations(quaternions)
    if value.rotation == "axis_angle":
        return rotations.as_rotvec() / value.scale
    if value.rotation == "rotation_6d":
        return np.asarray(action_space.rotation_6d_from_matrix(rotations.as_matrix()), dtype=float)
    if value.rotation == "rpy":
        return rotations.as_euler("xyz")
    return rotations.as_quat(scalar_first=value.rotation == "quaternion_wxyz", canonical=True)


def _rotation_from_wire(value: ValueEntry, wire: Array) -> Array:
    try:
        if value.rotation == "axis_angle":
            return _quaternions(Rotation.from_rotvec(wire * value.scale))
        if value.rotation == "rotation_6d":
            return _quaternions(Rotation.from_matrix(action_space.matrix_from_rotation_6d(wire)))
        if value.rotation == "rpy":
            return _quaternions(Rotation.from_euler("xyz", wire))
        return _quaternions(Rotation.from_quat(wire, scalar_first=value.rotation == "quaternion_wxyz"))
    except ValueError as error:
        raise FrameError(f"rotation of arm {value.arm}", str(error)) from error


# ---- messages ----


def _arm_actions(arm: ArmProfile, parts: Mapping[str, Array], kind: GripperKind) -> ArmActions:
    gripper = parts[GRIPPER][:, 0] if GRIPPER in parts else None
    if JOINTS in parts:
        return ArmActions(
            arm.name, Space.JOINT, gripper=gripper, gripper_kind=kind, joint_names=arm.joints, joints=parts[JOINTS]
        )
    eef = np.concatenate([parts[POSITION], parts[ROTATION]], axis=1)
    return ArmActions(arm.name, Space.EEF, arm.eef_frame, eef=eef, gripper=gripper, gripper_kind=kind)


def _split(
    vector: VectorEntry | Any,  # noqa: ANN401
    table: Array,
) -> list[tuple[ValueEntry, Array]]:
    """Columns of each value of a table (n, size)."""
    found, start = [], 0
    for value in vector.values:
        found.append((value, table[:, start : start + value.count]))
        start += value.count
    return found


def _padded(values: Array, size: int) -> Array:
    missing = size - values.shape[-1]
    return np.concatenate([values, np.zeros((*values.shape[:-1], missing))], axis=-1) if missing else values


def _put(message: Message, key: Sequence[str], value: object) -> None:
    for part in key[:-1]:
        message = message.setdefault(part, {})
    message[key[-1]] = value


def _get(message: Mapping[str, Any], key: Sequence[str], default: Any = ...) -> Any:  # noqa: ANN401
    found: Any = message
    for part in key:
        if not isinstance(found, Mapping) or part not in found:
            if default is not ...:
                return default
            there = sorted(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
            raise FrameError("/".join(key), f"is missing, there are {there}")
        found = found[part]
    return found


def _numbers(values: object, key: Sequence[str]) -> Array:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise FrameError("/".join(key), f"holds no numbers: {error}") from error
    if array.dtype.kind not in "iuf":
        raise FrameError("/".join(key), f"is of type {array.dtype}, must be numbers")
    return array.astype(float)
