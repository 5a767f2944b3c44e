"""Draws the template hand, open and closed, as SVG: ``python -m mivla_ros.alignment.hand_picture FILE.svg``."""

import sys
from pathlib import Path

import numpy as np

from mivla_ros import action_space
from mivla_ros.alignment import hand_template
from mivla_ros.alignment.poses import Array

PIXELS = 2000.0  # a metre
SHOWN = ((False, "#1f6fb4", "open: gripper 1, pinch 0.15 m"), (True, "#d0641c", "closed: gripper 0, pinch 0.02 m"))
# title, axis to the right and its sign, axis downwards and its sign, origin in the picture, m
VIEWS = (
    ("right hand from the little finger's side", (0, 1), (1, 1), (0.03, 0.05)),
    ("right hand from its palm", (2, 1), (0, -1), (0.32, 0.22)),
)


def hand_lines(closed: bool) -> list[Array]:
    """Bone lines (n, 3) of a right hand, thumb first; the thumb is one straight line, bones of the palm start at the
    wrist.
    """
    wrist = np.zeros((1, 3))
    tips = hand_template.finger_tips(0.0 if closed else 1.0, "right")
    thumb = np.concatenate([wrist, hand_template.thumb_knuckle("right")[None], tips[:1]])
    fingers = [
        np.concatenate([wrist, hand_template.finger_joints(finger, closed)]) for finger in action_space.FINGERS[1:]
    ]
    return [thumb, *fingers]


def svg() -> str:
    """The picture: two views, both grips in each, with the pinch dashed."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 520" font-family="sans-serif" font-size="14">',
        '<rect width="960" height="520" fill="#ffffff"/>',
    ]
    for title, right, down, origin in VIEWS:
        left = PIXELS * origin[0]
        parts.append(f'<text x="{left - 30 if right[0] == 0 else left - 60:.0f}" y="24">{title}</text>')
        for closed, colour, _ in SHOWN:
            lines = hand_lines(closed)
            for line in lines:
                parts.append(_polyline(_flat(line, right, down, origin), colour, ""))
            pinch = _flat(np.stack([lines[0][-1], lines[1][-1]]), right, down, origin)
            parts.append(_polyline(pinch, colour, ' stroke-dasharray="5 4"'))
        parts.append(_axes(right, down, origin))
    for k, (_, colour, words) in enumerate(SHOWN):
        parts.append(f'<text x="40" y="{470 + 22 * k}" fill="{colour}">{words}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _flat(points: Array, right: tuple[int, int], down: tuple[int, int], origin: tuple[float, float]) -> Array:
    flat = np.stack([right[1] * points[:, right[0]], down[1] * points[:, down[0]]], axis=1)
    return PIXELS * (flat + origin)


def _polyline(points: Array, colour: str, more: str) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    line = f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="3"{more}/>'
    if more:
        return line
    return line + "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points)


def _axes(right: tuple[int, int], down: tuple[int, int], origin: tuple[float, float]) -> str:
    parts = []
    for axis in (right[0], down[0]):
        end = np.zeros((2, 3))
        end[1, axis] = 0.03
        line = _flat(end, right, down, origin)
        x, y = line[1]
        parts.append(_polyline(line, "#222222", ' stroke-opacity="0.9"'))
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 16:.1f}">{"xyz"[axis]}</text>')
    return "".join(parts)


def main() -> None:
    """Write the picture to the file named on the command line."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m mivla_ros.alignment.hand_picture FILE.svg")
    Path(sys.argv[1]).write_text(svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
