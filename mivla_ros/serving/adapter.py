"""Adapters: what a model behind a server calls and scales differently from us, as data in one YAML file each.

A file says which keys a message has, and what is in them::

    name: piper
    description: one line for people
    prompt: prompt                          # key of the instruction
    images:
      - {key: [images, cam_high], camera: [head_camera], size: [224, 224], order: chw, fit: pad, needed: true}
    state:
      - key: state                          # one vector; several may be given
        size: 14                            # optional; more than the values fill: zeros behind them
        values: [...]
    actions:
      key: actions                          # (horizon, columns)
      horizon: 50
      step_seconds: 0.02
      period_seconds: 0.5                   # time between two inferences
      first_step_seconds: 0.0               # when row 0 is due, after the observation
      values: [...]

A key is one text, or a list of texts for maps inside maps. A camera is the first of the list that the robot has; an
image that is not ``needed`` is left out where the robot has none of them. Values stand in the vector in the order of
the list. Each has an ``arm`` (left, right: the arm of that side; any: the robot's only arm, or the one chosen) and
says what it is ``of``:

- ``joints``: ``count`` of them, base to tip; SI = signs * scale * unit * wire + offsets (rad)
- ``position``: xyz of the end effector in the arm's base frame, with the same four
- ``rotation``: of the end effector in the arm's base frame, ``as`` axis_angle, quaternion_wxyz, quaternion_xyzw,
  rotation_6d (first two columns) or rpy (fixed axes x, y, z); axis_angle also with scale
- ``gripper``: the wire's values when ``closed`` and ``open`` (lists where several values say the same), linear
  between them, or the angle of a ``linkage``; ``binary: true``: nothing between open and closed
- ``zeros``: ``count`` values of no meaning

In actions, ``reference`` says what a value is counted from: ``absolute``, the ``observation``, or the ``previous`` row
(the first one from the observation); rotations are composed in the base frame. ``clip: [low, high]`` bounds the wire's
values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mivla_ros.serving.errors import AdapterError

ARMS = ("left", "right", "any")
JOINTS, POSITION, ROTATION, GRIPPER, ZEROS = OF = ("joints", "position", "rotation", "gripper", "zeros")
ROTATIONS = {"axis_angle": 3, "quaternion_wxyz": 4, "quaternion_xyzw": 4, "rotation_6d": 6, "rpy": 3}
REFERENCES = ("absolute", "observation", "previous")
UNITS = {"rad": 1.0, "deg": np.pi / 180, "m": 1.0, "mm": 1e-3}
ORDERS, FITS = ("hwc", "chw"), ("pad", "stretch", "crop")
MAX_COUNT, MAX_HORIZON, MAX_SIDE = 512, 1024, 4096
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Linkage:
    """A gripper whose horn (m) pushes its fingers through a rod (m), as ALOHA's.

    linear: the fingers' way (m) when closed and open. angle: the horn's angle (rad) where the wire says 0 and 1.
    """

    rod: float
    horn: float
    linear: tuple[float, float]
    angle: tuple[float, float]


@dataclass(frozen=True)
class ValueEntry:
    """Some columns of a vector; fields as in the module's text. scale holds the unit already."""

    arm: str
    of: str
    count: int
    signs: tuple[float, ...] = ()
    scale: float = 1.0
    offsets: tuple[float, ...] = ()
    rotation: str = "axis_angle"
    closed: tuple[float, ...] = (0.0,)
    open: tuple[float, ...] = (1.0,)
    linkage: Linkage | None = None
    binary: bool = False
    reference: str = "absolute"
    clip: tuple[float, float] | None = None


@dataclass(frozen=True)
class ImageEntry:
    """One camera's image in a message; height and width 0: as the camera gives it."""

    key: tuple[str, ...]
    cameras: tuple[str, ...]
    height: int
    width: int
    order: str
    fit: str
    fill: tuple[int, int, int]
    needed: bool


@dataclass(frozen=True)
class VectorEntry:
    """One vector of the robot's state in a message."""

    key: tuple[str, ...]
    size: int
    values: tuple[ValueEntry, ...]


@dataclass(frozen=True)
class ActionsEntry:
    """The answer's rows, ``size`` columns each."""

    key: tuple[str, ...]
    size: int
    values: tuple[ValueEntry, ...]
    horizon: int
    step_seconds: float
    period_seconds: float
    first_step_seconds: float


@dataclass(frozen=True)
class Adapter:
    """One adapter, checked. ``source`` is its file."""

    name: str
    description: str
    source: str
    prompt: tuple[str, ...]
    images: tuple[ImageEntry, ...]
    state: tuple[VectorEntry, ...]
    actions: ActionsEntry


def adapter_names() -> tuple[str, ...]:
    """Names of the adapters that come with the package."""
    files = resources.files("mivla_ros.serving").joinpath("adapters").iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def load_adapter(name_or_path: str) -> Adapter:
    """An adapter by name ("aloha") or from a YAML file. Raises AdapterError naming the file, key and fault."""
    if name_or_path.endswith(SUFFIXES):
        source = name_or_path
        try:
            text = Path(source).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "is not text"
            raise AdapterError(f"adapter {source}", reason) from error
    else:
        source = f"{name_or_path}.yaml"
        if name_or_path not in adapter_names():
            raise AdapterError(
                f"adapter {name_or_path}",
                f"is not known, there are {', '.join(adapter_names())}; a file's name must end with .yaml",
            )
        text = resources.files("mivla_ros.serving").joinpath("adapters").joinpath(source).read_text("utf-8")
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AdapterError(f"adapter {source}", f"is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise AdapterError(f"adapter {source}", "must hold a mapping")
    return _Reader(source, "", data).adapter()


class _Reader:
    """Reads keys out of a mapping and names what is missing, wrong or unknown."""

    def __init__(self, source: str, path: str, data: Mapping[Any, Any]) -> None:
        self.source, self.path, self.data = source, path, {str(k): v for k, v in data.items()}

    def fail(self, key: str, message: str) -> AdapterError:
        return AdapterError(f"adapter {self.source}: {self.path}{key}", message)

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:  # noqa: ANN401
        if key not in self.data:
            if default is ...:
                raise self.fail(key, "is missing")
            return default
        value = self.data.pop(key)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.fail(key, f"is {value!r}, must be of type {' or '.join(k.__name__ for k in kinds)}")
        return value

    def word(self, key: str, choices: tuple[str, ...], default: Any = ...) -> str:  # noqa: ANN401
        value = str(self.take(key, str, default))
        if value not in choices:
            raise self.fail(key, f"is {value!r}, must be one of {', '.join(choices)}")
        return value

    def number(self, key: str, default: Any = ..., low: float = -np.inf, high: float = np.inf) -> float:  # noqa: ANN401
        value = float(self.take(key, (int, float), default))
        if not (np.isfinite(value) and low <= value <= high):
            raise self.fail(key, f"is {value:g}, must be a number from {low:g} to {high:g}")
        return value

    def whole(self, key: str, default: Any = ..., low: int = 1, high: int = MAX_COUNT) -> int:  # noqa: ANN401
        value = int(self.take(key, int, default))
        if not low <= value <= high:
            raise self.fail(key, f"is {value}, must be from {low} to {high}")
        return value

    def numbers(self, key: str, count: int | None, default: Any = ...) -> tuple[float, ...]:  # noqa: ANN401
        values = self.take(key, (list, tuple, int, float), default)
        values = [values] if isinstance(values, int | float) else values
        good = all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in values)
        if not good or (count is not None and len(values) != count) or not values:
            raise self.fail(key, f"is {values!r}, must be {count or 'some'} finite numbers")
        return tuple(float(v) for v in values)

    def texts(self, key: str, default: Any = ...) -> tuple[str, ...]:  # noqa: ANN401
        value = self.take(key, (str, list), default)
        values = [value] if isinstance(value, str) else value
        if not values or not all(isinstance(v, str) and v for v in values):
            raise self.fail(key, f"is {value!r}, must be a text or a list of texts")
        return tuple(values)

    def child(self, key: str) -> "_Reader":
        return _Reader(self.source, f"{self.path}{key}.", self.take(key, dict))

    def children(self, key: str, default: Any = ...) -> list["_Reader"]:  # noqa: ANN401
        items = self.take(key, list, default)
        if not all(isinstance(item, dict) for item in items):
            raise self.fail(key, "must be a list of mappings")
        return [_Reader(self.source, f"{self.path}{key}[{i}].", item) for i, item in enumerate(items)]

    def done(self) -> None:
        if self.data:
            raise self.fail(min(self.data), "is not a known key")

    def adapter(self) -> Adapter:
        made = Adapter(
            name=self.take("name", str),
            description=self.take("description", str, ""),
            source=self.source,
            prompt=self.texts("prompt", "prompt"),
            images=tuple(reader.image() for reader in self.children("images", [])),
            state=tuple(reader.vector() for reader in self.children("state", [])),
            actions=self.child("actions").actions(),
        )
        self.done()
        keys = [made.prompt, *(image.key for image in made.images), *(vector.key for vector in made.state)]
        for key in keys:
            if any(other[: len(key)] == key for other in keys if other is not key):
                raise self.fail("/".join(key), "is used twice")
        return made

    def image(self) -> ImageEntry:
        height, width = self.numbers("size", 2, [0, 0])
        for side in (height, width):
            if not (side == int(side) and 0 <= side <= MAX_SIDE):
                raise self.fail("size", f"is {height:g}, {width:g}, must be height and width from 1 to {MAX_SIDE}")
        fill = self.numbers("fill", 3, [0, 0, 0])
        if any(not (v == int(v) and 0 <= v <= 255) for v in fill):
            raise self.fail("fill", f"is {list(fill)}, must be red, green, blue from 0 to 255")
        red, green, blue = (int(v) for v in fill)
        entry = ImageEntry(
            key=self.texts("key"),
            cameras=self.texts("camera"),
            height=int(height),
            width=int(width),
            order=self.word("order", ORDERS, "hwc"),
            fit=self.word("fit", FITS, "pad"),
            fill=(red, green, blue),
            needed=self.take("needed", bool, True),
        )
        self.done()
        return entry

    def vector(self) -> VectorEntry:
        key, (size, values) = self.texts("key"), self.columns(actions=False)
        self.done()
        return VectorEntry(key, size, values)

    def actions(self) -> ActionsEntry:
        key, (size, values) = self.texts("key", "actions"), self.columns(actions=True)
        entry = ActionsEntry(
            key=key,
            size=size,
            values=values,
            horizon=self.whole("horizon", high=MAX_HORIZON),
            step_seconds=self.number("step_seconds", low=0.001, high=10.0),
            period_seconds=self.number("period_seconds", low=0.001, high=600.0),
            first_step_seconds=self.number("first_step_seconds", 0.0, low=-10.0, high=10.0),
        )
        self.done()
        return entry

    def columns(self, actions: bool) -> tuple[int, tuple[ValueEntry, ...]]:
        values = tuple(reader.value(actions) for reader in self.children("values"))
        filled = sum(value.count for value in values)
        size = self.whole("size", filled)
        if size < filled:
            raise self.fail("size", f"is {size}, its values fill {filled}")
        seen = [(v.arm, v.of) for v in values if v.of != ZEROS]
        for arm, of in seen:
            if seen.count((arm, of)) > 1:
                raise self.fail("values", f"{of} of arm {arm} appear twice")
        arms = {arm for arm, _ in seen}
        if "any" in arms and len(arms) > 1:
            raise self.fail("values", f"arm any stands beside {', '.join(sorted(arms - {'any'}))}")
        for arm in sorted(arms) if actions else ():
            kinds = {of for a, of in seen if a == arm}
            if (JOINTS in kinds) == bool({POSITION, ROTATION} & kinds) or ({POSITION} <= kinds) != (
                {ROTATION} <= kinds
            ):
                raise self.fail("values", f"arm {arm} needs either joints, or position and rotation")
        return size, values

    def value(self, actions: bool) -> ValueEntry:
        of = self.word("of", OF)
        if of == ZEROS:
            entry = ValueEntry("any", of, self.whole("count"))
            self.done()
            return entry
        arm = self.word("arm", ARMS)
        rotation = self.word("as", tuple(ROTATIONS)) if of == ROTATION else "axis_angle"
        closed = self.numbers("closed", None, 0.0) if of == GRIPPER else (0.0,)
        opened = self.numbers("open", len(closed), 1.0) if of == GRIPPER else (1.0,)
        if any(a == b for a, b in zip(closed, opened, strict=True)):
            raise self.fail("open", f"is {list(opened)}, must differ from closed")
        count = {
            JOINTS: lambda: self.whole("count", high=64),
            POSITION: lambda: 3,
            ROTATION: lambda: ROTATIONS[rotation],
            GRIPPER: lambda: len(closed),
        }[of]()
        scale, signs, offsets = 1.0, (1.0,) * count, (0.0,) * count
        if of in (JOINTS, POSITION) or (of == ROTATION and rotation == "axis_angle"):
            units = ("m", "mm") if of == POSITION else ("rad", "deg")
            scale = self.number("scale", 1.0) * UNITS[self.word("unit", units, units[0])]
        if of in (JOINTS, POSITION):
            signs, offsets = self.numbers("signs", count, signs), self.numbers("offsets", count, offsets)
        if scale <= 0:
            raise self.fail("scale", f"is {scale:g}, must be above 0; signs turn values round")
        if any(abs(sign) != 1 for sign in signs):
            raise self.fail("signs", f"is {list(signs)}, must be of 1 and -1")
        linkage = self.child("linkage").linkage() if of == GRIPPER and "linkage" in self.data else None
        clip = self.numbers("clip", 2) if "clip" in self.data else None
        if clip is not None and clip[0] >= clip[1]:
            raise self.fail("clip", f"is {list(clip)}, must be low, high")
        entry = ValueEntry(
            arm=arm,
            of=of,
            count=count,
            signs=signs,
            scale=scale,
            offsets=offsets,
            rotation=rotation,
            closed=closed,
            open=opened,
            linkage=linkage,
            binary=bool(self.take("binary", bool, False)) if of == GRIPPER else False,
            reference=self.word("reference", REFERENCES, "absolute") if actions and of != GRIPPER else "absolute",
            clip=None if clip is None else (clip[0], clip[1]),
        )
        self.done()
        return entry

    def linkage(self) -> Linkage:
        rod, horn = self.number("rod", low=1e-4, high=1.0), self.number("horn", low=1e-4, high=1.0)
        if rod <= horn:
            raise self.fail("rod", f"is {rod:g} m, must be longer than the horn of {horn:g} m")
        linear, angle = self.numbers("linear", 2), self.numbers("angle", 2)
        if not 0 < linear[0] < linear[1] or angle[0] == angle[1]:
            raise self.fail("linear", f"is {list(linear)}, must rise from closed to open above 0, and angles differ")
        self.done()
        return Linkage(rod, horn, (linear[0], linear[1]), (angle[0], angle[1]))
