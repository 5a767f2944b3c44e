"""The human's side of the picture: the video with what was found in it, or a drawing where there is no video."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.alignment.gripper_rule import pinch_distance
from mivla_ros.imitation.recording import Drawn, Recording
from mivla_ros.imitation.video_file import VideoAt
from mivla_ros.policies.hand_path import HandPath
from mivla_ros.policies.motion_file import EefMotion, HandMotion

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

PAPER = (250, 250, 248)
INK = {"left": (208, 100, 28), "right": (31, 111, 180), "": (31, 111, 180)}
TIP, FAINT = (200, 40, 40), (205, 205, 205)
TRAIL = 2.0  # s
BEHIND = 0.1  # s that a sample may lie from the moment and still be drawn


class HumanView(Protocol):
    """Draws the recording at times that never go back."""

    def draw(self, seconds: float) -> Image:
        """RGB (height, width, 3) at a time of the recording."""
        ...

    def close(self) -> None:
        """Give files back."""
        ...


def human_view(recording: Recording, width: int, height: int) -> HumanView:
    """The view that suits a recording."""
    if recording.video is not None or recording.drawn:
        return ImageView(recording, width, height)
    return SpaceView(recording, width, height)


class ImageView:
    """Landmarks as they were seen, over the video where there is one, else on paper around where they move."""

    def __init__(self, recording: Recording, width: int, height: int) -> None:
        self._recording, self._width, self._height = recording, width, height
        self._video = VideoAt(recording.video) if recording.video is not None else None
        self._size = recording.size
        self._first = np.zeros(2)
        if self._video is not None:
            picture = self._video.at(0.0)
            if picture is not None and not recording.drawn:
                self._size = (picture.shape[1], picture.shape[0])
        else:
            points = np.concatenate([drawn.points.reshape(-1, 2) for drawn in recording.drawn.values()])
            lower, upper = np.nanpercentile(points, [0, 100], axis=0)
            room = 0.15 * max(upper - lower)
            self._first = lower - room
            self._size = (int(upper[0] - lower[0] + 2 * room) + 1, int(upper[1] - lower[1] + 2 * room) + 1)
        self._scale = min(width / self._size[0], height / self._size[1])
        self._offset = 0.5 * (np.array([width, height]) - self._scale * np.array(self._size))

    def draw(self, seconds: float) -> Image:
        """RGB at a time of the recording."""
        import cv2

        canvas = np.full((self._height, self._width, 3), PAPER, dtype=np.uint8)
        if self._video is not None:
            picture = self._video.at(seconds + self._recording.video_start)
            if picture is not None:
                size = (round(self._scale * self._size[0]), round(self._scale * self._size[1]))
                small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
                x, y = (int(v) for v in self._offset)
                canvas[y : y + size[1], x : x + size[0]] = small
        for side, drawn in self._recording.drawn.items():
            self._hand(canvas, drawn, INK[side], seconds)
        return canvas

    def _hand(self, canvas: Image, drawn: Drawn, colour: tuple[int, int, int], seconds: float) -> None:
        near = int(np.argmin(np.abs(drawn.time - seconds)))
        if abs(drawn.time[near] - seconds) > BEHIND:
            return
        points = (drawn.points[near] - self._first) * self._scale + self._offset
        for line in drawn.lines:
            _polyline(canvas, points[list(line)], colour, 2)
        for point in points:
            _dot(canvas, point, colour, 3)

    def close(self) -> None:
        """Close the video."""
        if self._video is not None:
            self._video.close()


class SpaceView:
    """The motion in space, seen obliquely from behind its beginning: hands as wrist and finger tips, or an end effector
    as its two fingers, with the way it came.
    """

    def __init__(self, recording: Recording, width: int, height: int) -> None:
        self._recording, self._width, self._height = recording, width, height
        motion, turn = recording.motion, recording.robot_from_human
        self._turn = turn
        self._paths: dict[str, HandPath] = {}
        if isinstance(motion, HandMotion):
            self._paths = {
                side: HandPath(motion.time, rows, side, motion.thumb_knuckles.get(side))
                for side, rows in motion.hands.items()
            }
            tips = [rows[:, action_space.FINGER_TIPS].reshape(-1, 3) for rows in motion.hands.values()]
            points = np.concatenate([*tips, *(rows[:, :3] for rows in motion.hands.values())]) @ turn.T
        else:
            points = motion.poses[:, :3]
        flat = _oblique(points)
        lower, upper = flat.min(axis=0), flat.max(axis=0)
        self._scale = 0.7 * float(np.min(np.array([width, height]) / np.maximum(upper - lower, 0.15)))
        self._centre = 0.5 * (lower + upper)

    def draw(self, seconds: float) -> Image:
        """RGB at a time of the recording."""
        canvas = np.full((self._height, self._width, 3), PAPER, dtype=np.uint8)
        end = self._recording.seconds
        at = np.clip(np.array([seconds]), 0.0, end)
        before = np.clip(seconds - np.linspace(TRAIL, 0.0, 60), 0.0, end)
        motion = self._recording.motion
        if isinstance(motion, EefMotion):
            self._gripper(canvas, motion, at, before)
        for side, path in self._paths.items():
            hand, trail = path.at(at), path.at(before)
            _polyline(canvas, self._flat(trail.wrist[:, :3] @ self._turn.T), FAINT, 2)
            wrist, tips = hand.wrist[0, :3] @ self._turn.T, hand.finger_tips[0] @ self._turn.T
            for tip in tips:
                _polyline(canvas, self._flat(np.stack([wrist, tip])), INK[side], 2)
            for tip in self._flat(tips):
                _dot(canvas, tip, TIP, 4)
            _text(canvas, f"{side} hand, pinch {1e3 * float(pinch_distance(hand.finger_tips)[0]):.0f} mm", 1)
        return canvas

    def _gripper(self, canvas: Image, motion: EefMotion, at: Array, before: Array) -> None:
        from scipy.spatial.transform import Rotation

        def places(times: Array) -> Array:
            return np.stack([np.interp(times, motion.time, column) for column in motion.poses[:, :3].T], axis=1)

        _polyline(canvas, self._flat(places(before)), FAINT, 2)
        row = int(np.clip(np.searchsorted(motion.time, at[0]), 0, len(motion.time) - 1))
        turn, centre = Rotation.from_quat(motion.poses[row, 3:], scalar_first=True), places(at)[0]
        width = 0.04 if motion.gripper_width is None else float(motion.gripper_width[row])
        back = turn.apply([0.0, 0.0, -0.06])
        ends = []
        for sign in (-1, 1):
            finger = turn.apply([0.0, sign * (0.5 * width + 0.004), 0.0])
            _polyline(canvas, self._flat(np.stack([centre + finger, centre + finger + back])), INK[""], 4)
            ends.append(centre + finger + back)
        _polyline(canvas, self._flat(np.stack(ends)), INK[""], 4)
        _polyline(canvas, self._flat(np.stack([centre + back, centre + 2 * back])), INK[""], 4)
        _dot(canvas, self._flat(centre[None])[0], TIP, 4)
        if motion.gripper_width is not None:
            _text(canvas, f"gripper {1e3 * width:.0f} mm", 1)

    def _flat(self, points: Array) -> Array:
        return (_oblique(points) - self._centre) * self._scale + 0.5 * np.array([self._width, self._height])

    def close(self) -> None:
        """Nothing to give back."""


def _oblique(points: Array) -> Array:
    """Points (N, 3) of a REP-103 world to (N, 2) right and down, seen from behind, the left and above."""
    turn, tilt = np.deg2rad(-35.0), np.deg2rad(25.0)
    x, y, z = points.T
    ahead = np.cos(turn) * x - np.sin(turn) * y
    right = -(np.sin(turn) * x + np.cos(turn) * y)
    return np.stack([right, -(np.cos(tilt) * z + np.sin(tilt) * ahead)], axis=1)


def _polyline(canvas: Image, points: Array, colour: tuple[int, int, int], width: int) -> None:
    import cv2

    if np.isfinite(points).all():
        cv2.polylines(canvas, [np.round(points).astype(np.int32)], False, colour, width, cv2.LINE_AA)


def _dot(canvas: Image, point: Array, colour: tuple[int, int, int], radius: int) -> None:
    import cv2

    if np.isfinite(point).all():
        cv2.circle(canvas, (round(float(point[0])), round(float(point[1]))), radius, colour, -1, cv2.LINE_AA)


def _text(canvas: Image, words: str, line: int) -> None:
    import cv2

    place = (10, canvas.shape[0] - 14 * line)
    cv2.putText(canvas, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 60, 60), 1, cv2.LINE_AA)
