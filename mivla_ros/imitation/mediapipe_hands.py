"""Finds hands in raw frames with MediaPipe: run by another Python, the one of MediaPipe's own environment.

Frames come on standard input, RGB, ``--width`` times ``--height`` times 3 bytes each, until it ends; the .npz that
``landmarks.py`` describes is written to ``--out``. Imports nothing of this package and needs only MediaPipe and NumPy.
Every frame read is answered with one line on standard output: its number and how many hands are in it.
"""

import argparse
import sys

import numpy as np


def main() -> int:
    """Entry point; 3 where this MediaPipe cannot find hands without fetching a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--fps", type=float, required=True)
    parser.add_argument("--hands", type=int, default=2)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    try:
        import mediapipe

        finder = mediapipe.solutions.hands.Hands(
            static_image_mode=False, max_num_hands=arguments.hands, model_complexity=1
        )
    except (ImportError, AttributeError, OSError, RuntimeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    size = arguments.width * arguments.height * 3
    scale = np.array([arguments.width, arguments.height, arguments.width])
    frame, rows = 0, []
    while len(raw := sys.stdin.buffer.read(size)) == size:
        image = np.frombuffer(raw, dtype=np.uint8).reshape(arguments.height, arguments.width, 3)
        found = finder.process(image)
        hands = zip(
            found.multi_hand_landmarks or (),
            found.multi_hand_world_landmarks or (),
            found.multi_handedness or (),
            strict=True,
        )
        count = 0
        for seen, world, side in hands:
            points = [np.array([[p.x, p.y, p.z] for p in part.landmark], dtype=np.float32) for part in (seen, world)]
            label = side.classification[0]
            rows.append((frame, points[0] * scale, points[1], label.label, label.score))
            count += 1
        print(frame, count, flush=True)
        frame += 1
    frames, image_points, world_points, labels, scores = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    np.savez_compressed(
        arguments.out,
        frame=np.array(frames, dtype=np.int64),
        image_landmarks=np.array(image_points, dtype=np.float32).reshape(-1, 21, 3),
        world_landmarks=np.array(world_points, dtype=np.float32).reshape(-1, 21, 3),
        handedness=np.array(labels, dtype="U5"),
        score=np.array(scores, dtype=np.float32),
        fps=np.float64(arguments.fps),
        size=np.array([arguments.height, arguments.width], dtype=np.float64),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
