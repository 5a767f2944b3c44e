"""The layout between our own server and client: everything an observation and an answer hold, without loss.

Request: ``prompt``; ``images`` name to (h, w, 3) uint8 with ``image_stamps``; ``arms`` name to joints, eef, gripper;
``objects`` name to (7,) in ``world_frame``; ``stamp_ns``, ``oldest_ns``; ``seed``, ``episode``; ``progress`` (sequence,
executed steps, all executed steps) and ``under_way``, the chunks being executed, which real-time chunking agrees with.
Answer: ``arms`` as in ArmActions, ``body``, ``first_step_seconds``, ``step_seconds``, ``finished``; besides, for
clients that only know tables, ``actions`` (H, columns) with ``action_names``. Every array of an answer has H rows.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import ActionChunk, ArmActions, BodyActions, GripperKind, HandActions, Space
from mivla_ros.observation import ArmState, CameraImage, Observation
from mivla_ros.policies.policy import Actions, Progress
from mivla_ros.serving.errors import FrameError
from mivla_ros.serving.images import from_order
from mivla_ros.serving.layout import InferenceRequest, Message

NATIVE = "mivla"
Array = NDArray[np.float64]
MAX_CHUNKS = 100
MAX_STEPS = 100_000
MAX_STAMP = 2**62  # ns; sums of two stay within 64 bits


class NativeLayout:
    """Implements ``Layout`` for all robots."""

    name = NATIVE

    def request_to_message(self, request: InferenceRequest) -> Message:
        """All of a request."""
        seen, progress = request.observation, request.progress
        return {
            "prompt": seen.instruction,
            "stamp_ns": seen.stamp_ns,
            "oldest_ns": seen.oldest_ns,
            "images": {name: image.rgb for name, image in seen.images.items()},
            "image_stamps": {name: [image.stamp_ns, image.frame_id] for name, image in seen.images.items()},
            "arms": {
                name: {"joints": state.joints, "eef": state.eef, "gripper": float(state.gripper)}
                for name, state in seen.arms.items()
            },
            "objects": dict(seen.objects),
            "world_frame": seen.world_frame,
            "seed": request.seed,
            "episode": request.episode,
            "progress": [progress.sequence, progress.executed_steps, progress.total_executed_steps],
            "under_way": {
                "first_step": progress.first_step,
                "late_steps": list(progress.late_steps),
                "chunks": [_chunk_message(chunk) for chunk in progress.chunks],
            },
        }

    def request_from_message(self, message: Mapping[str, Any], now_ns: int) -> InferenceRequest:
        """All of a request; stamps that are missing are now."""
        entry = _Entry(message, "")
        stamp_ns = entry.whole("stamp_ns", now_ns)
        stamps = entry.child("image_stamps", {})
        pictures = {}
        for name, rgb in entry.child("images", {}).data.items():
            stamp, frame = _pair(stamps, name, stamp_ns)
            try:
                pictures[str(name)] = CameraImage(from_order(np.asarray(rgb), "hwc"), stamp, frame)
            except ValueError as error:
                raise FrameError(f"images/{name}", str(error)) from error
        arms_entry = entry.child("arms", {})
        arms = {name: arms_entry.child(name).arm() for name in arms_entry.data}
        objects_entry = entry.child("objects", {})
        objects = {name: objects_entry.floats(name, (7,)) for name in objects_entry.data}
        seen = Observation(
            stamp_ns,
            entry.whole("oldest_ns", stamp_ns),
            pictures,
            arms,
            entry.text("prompt", ""),
            entry.text("world_frame", "world"),
            objects,
        )
        return InferenceRequest(seen, entry.whole("seed", 0), entry.whole("episode", 0), entry.progress())

    def actions_to_message(self, actions: Actions, request: InferenceRequest) -> Message:
        """All of an answer."""
        arms = [_arm_message(arm) for arm in actions.arms]
        names, columns = _table(actions)
        message: Message = {
            "arms": arms,
            "first_step_seconds": float(actions.first_step_seconds),
            "step_seconds": float(actions.step_seconds),
            "finished": bool(actions.finished),
        }
        if columns:
            message |= {"actions": np.concatenate(columns, axis=1), "action_names": names}
        if actions.body is not None:
            message["body"] = _without_none(
                frame=actions.body.frame, poses=actions.body.poses, velocities=actions.body.velocities
            )
        return message

    def actions_from_message(self, message: Mapping[str, Any], request: InferenceRequest) -> Actions:
        """All of an answer."""
        entry = _Entry(message, "")
        body = None
        if "body" in message:
            given = entry.child("body")
            body = BodyActions(given.text("frame"), given.rows("poses", 7), given.rows("velocities", 6))
        return Actions(
            arms=tuple(arm.arm_actions() for arm in entry.children("arms")),
            first_step_seconds=entry.number("first_step_seconds"),
            step_seconds=entry.number("step_seconds"),
            body=body,
            finished=bool(message.get("finished", False)),
        )


def _pair(stamps: "_Entry", name: str, stamp_ns: int) -> tuple[int, str]:
    pair = stamps.data.get(name, [stamp_ns, ""])
    if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], int) and isinstance(pair[1], str)):
        raise FrameError(f"image_stamps/{name}", f"is {pair!r}, must be nanoseconds and a frame")
    return pair[0], pair[1]


def _chunk_message(chunk: ActionChunk) -> Message:
    return {
        "sequence": chunk.sequence,
        "frame_id": chunk.frame_id,
        "observation_ns": chunk.observation_ns,
        "first_step_ns": chunk.first_step_ns,
        "step_ns": chunk.step_ns,
        "horizon": chunk.horizon,
        "arms": [_arm_message(arm) for arm in chunk.arms],
    }


def _without_none(**values: object) -> Message:
    return {name: value for name, value in values.items() if value is not None}


def _arm_message(arm: ArmActions) -> Message:
    hand = None
    if arm.hand is not None:
        hand = _without_none(
            wrist=arm.hand.wrist,
            finger_tips=arm.hand.finger_tips,
            thumb_knuckle=arm.hand.thumb_knuckle,
            left=arm.hand.left,
        )
    return _without_none(
        name=arm.name,
        space=arm.space.name.lower(),
        eef_frame=arm.eef_frame,
        eef=arm.eef,
        gripper=arm.gripper,
        gripper_kind=arm.gripper_kind.name.lower(),
        joint_names=list(arm.joint_names),
        joints=arm.joints,
        hand=hand,
    )


def _table(actions: Actions) -> tuple[list[str], list[Array]]:
    """What the arms shall follow, side by side, with the columns' names."""
    names: list[str] = []
    columns: list[Array] = []
    for arm in actions.arms:
        if arm.space is Space.JOINT and arm.joints is not None:
            names += [f"{arm.name}.{joint}" for joint in arm.joint_names]
            columns.append(arm.joints)
        elif arm.space is Space.EEF and arm.eef is not None:
            names += [f"{arm.name}.eef.{value}" for value in ("x", "y", "z", "qw", "qx", "qy", "qz")]
            columns.append(arm.eef)
        elif arm.hand is not None:
            tips = arm.hand.finger_tips.reshape(len(arm.hand.wrist), -1)
            names += [f"{arm.name}.wrist.{value}" for value in ("x", "y", "z", "qw", "qx", "qy", "qz")]
            names += [f"{arm.name}.finger_tip.{k}" for k in range(tips.shape[1])]
            columns += [arm.hand.wrist, tips]
        if arm.gripper is not None:
            names.append(f"{arm.name}.gripper")
            columns.append(np.asarray(arm.gripper)[:, None])
    return names, columns


class _Entry:
    """Reads a received map and names what is missing or wrong."""

    def __init__(self, data: object, path: str) -> None:
        if not isinstance(data, Mapping) or not all(isinstance(key, str) for key in data):
            raise FrameError(path.rstrip("/") or "message", "must be a map with texts as keys")
        self.data, self.path = data, path

    def get(self, key: str, default: Any = ...) -> Any:  # noqa: ANN401
        if key not in self.data:
            if default is ...:
                raise FrameError(self.path + key, "is missing")
            return default
        return self.data[key]

    def child(self, key: str, default: Any = ...) -> "_Entry":  # noqa: ANN401
        return _Entry(self.get(key, default), f"{self.path}{key}/")

    def children(self, key: str) -> list["_Entry"]:
        items = self.get(key)
        if not isinstance(items, list):
            raise FrameError(self.path + key, "must be a list")
        return [_Entry(item, f"{self.path}{key}[{i}]/") for i, item in enumerate(items)]

    def text(self, key: str, default: Any = ...) -> str:  # noqa: ANN401
        value = self.get(key, default)
        if not isinstance(value, str):
            raise FrameError(self.path + key, f"is of type {type(value).__name__}, must be text")
        return str(value)

    def whole(self, key: str, default: Any = ..., low: int = -MAX_STAMP, high: int = MAX_STAMP) -> int:  # noqa: ANN401
        value = self.get(key, default)
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            raise FrameError(self.path + key, f"is of type {type(value).__name__}, must be a whole number")
        if not low <= value <= high:
            raise FrameError(self.path + key, f"is {value}, must be from {low} to {high}")
        return int(value)

    def wholes(self, key: str, default: Any = ...) -> list[int]:  # noqa: ANN401
        values = self.get(key, default)
        if not isinstance(values, list) or not all(type(n) is int and 0 <= n <= MAX_STAMP for n in values):
            raise FrameError(self.path + key, f"is {str(values)[:80]}, must be a list of whole numbers from 0")
        return values

    def number(self, key: str) -> float:
        value = self.get(key)
        if not isinstance(value, int | float | np.number) or isinstance(value, bool):
            raise FrameError(self.path + key, f"is of type {type(value).__name__}, must be a number")
        return float(value)

    def floats(self, key: str, shape: tuple[int, ...]) -> Array:
        """An array of numbers; -1 in the shape fits any length."""
        value = np.asarray(self.get(key))
        fits = value.ndim == len(shape) and all(w in (-1, n) for w, n in zip(shape, value.shape, strict=True))
        if value.dtype.kind not in "iuf" or not fits:
            wanted = ", ".join("any" if n < 0 else str(n) for n in shape)
            raise FrameError(self.path + key, f"has shape {value.shape} of {value.dtype}, must be ({wanted}) numbers")
        return value.astype(float)

    def rows(self, key: str, *shape: int) -> Array | None:
        return None if self.data.get(key) is None else self.floats(key, (-1, *shape))

    def word[E: (Space, GripperKind)](self, key: str, kind: type[E]) -> E:
        names = {member.name.lower(): member for member in kind}
        value = self.text(key)
        if value not in names:
            raise FrameError(self.path + key, f"is {value!r}, must be one of {', '.join(names)}")
        return names[value]

    def progress(self) -> Progress:
        counts = self.wholes("progress", [0, 0, 0])
        if len(counts) != 3:
            raise FrameError("progress", f"is {str(counts)[:80]}, must be three whole numbers")
        sequence, executed, total = counts
        if "under_way" not in self.data:
            return Progress(sequence, executed, total)
        given = self.child("under_way")
        chunks = given.children("chunks")
        if len(chunks) > MAX_CHUNKS:
            raise FrameError(f"{given.path}chunks", f"are {len(chunks)}, at most {MAX_CHUNKS}")
        late = given.wholes("late_steps")
        first_step = given.whole("first_step", low=0)
        plans = tuple(chunk.chunk() for chunk in chunks)
        return Progress(sequence, executed, total, first_step, tuple(late), plans)

    def chunk(self) -> ActionChunk:
        return ActionChunk(
            frame_id=self.text("frame_id", ""),
            first_step_ns=self.whole("first_step_ns"),
            step_ns=self.whole("step_ns", low=1),
            horizon=self.whole("horizon", low=1, high=MAX_STEPS),
            arms=tuple(arm.arm_actions() for arm in self.children("arms")),
            observation_ns=self.whole("observation_ns"),
            sequence=self.whole("sequence", low=0),
        )

    def arm(self) -> ArmState:
        return ArmState(self.floats("joints", (-1,)), self.floats("eef", (7,)), self.number("gripper"))

    def arm_actions(self) -> ArmActions:
        names = self.get("joint_names", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise FrameError(f"{self.path}joint_names", "must be a list of texts")
        hand = None
        if "hand" in self.data:
            given = self.child("hand")
            hand = HandActions(
                given.floats("wrist", (-1, 7)),
                given.floats("finger_tips", (-1, 5, 3)),
                given.rows("thumb_knuckle", 7),
                bool(given.get("left", False)),
            )
        return ArmActions(
            name=self.text("name"),
            space=self.word("space", Space),
            eef_frame=self.text("eef_frame", ""),
            eef=self.rows("eef", 7),
            gripper=self.rows("gripper"),
            gripper_kind=self.word("gripper_kind", GripperKind),
            joint_names=tuple(names),
            joints=self.rows("joints", len(names)),
            hand=hand,
        )
