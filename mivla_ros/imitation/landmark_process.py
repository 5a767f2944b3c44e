"""A video through the process that finds hands, to a landmarks file: frames go in by a pipe, one at a time."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mivla_ros.imitation.errors import ImitationError
from mivla_ros.imitation.landmarks import npz_arrays
from mivla_ros.imitation.video_file import VideoFacts, video_frames

SCRIPT = Path(__file__).with_name("mediapipe_hands.py")


def landmark_command(python: Path) -> tuple[str, ...]:
    """The command that finds hands with the MediaPipe of a Python, untouched by this one's paths."""
    return (str(python), "-I", str(SCRIPT))


def find_landmarks(video: Path, facts: VideoFacts, command: Sequence[str], out: Path) -> None:
    """Write the landmarks of a video to ``out`` (.npz), with the time of every frame.

    Raises ImitationError naming the command, the video and the process's last words where it fails.
    """
    from tqdm import tqdm

    times = []
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "landmarks.npz"
        sizes = ("--width", str(facts.width), "--height", str(facts.height), "--fps", repr(facts.fps))
        words = Path(folder) / "words"
        with open(words, "wb") as log:
            try:
                process = subprocess.Popen(
                    [*command, *sizes, "--out", str(part)],
                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log,
                )  # fmt: skip
            except OSError as error:
                raise ImitationError(video, f"{command[0]} cannot be started: {error}") from error
            assert process.stdin is not None
            try:
                bar = tqdm(total=facts.frames or None, desc="hands", unit="frame", disable=None)
                for time, rgb in video_frames(video):
                    times.append(time)
                    process.stdin.write(np.ascontiguousarray(rgb).data)
                    bar.update()
                bar.close()
                process.stdin.close()
            except BrokenPipeError:
                pass  # it has ended; its status and words say why
            except BaseException:
                process.kill()
                process.wait()
                raise
            status = process.wait()
        if status:
            lines = words.read_text(errors="replace").strip().splitlines() or ["no words"]
            text = f"{' '.join(command)} ended with status {status}: {lines[-1]}"
            raise ImitationError(video, text)
        arrays = npz_arrays(part)
    if not len(arrays["frame"]):
        raise ImitationError(video, f"no hand in any of its {len(times)} frames")
    arrays["frame_time"] = np.array(times)[arrays["frame"].astype(np.int64)]
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
