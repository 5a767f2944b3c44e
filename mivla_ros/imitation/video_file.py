"""Videos frame by frame, read and written with bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mivla_ros.imitation.errors import ImitationError

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoFacts:
    """width and height in px, frames a second, and how many frames the file says it has (0: it does not say)."""

    width: int
    height: int
    fps: float
    frames: int


def video_facts(path: Path) -> VideoFacts | None:
    """Facts of a video file; None where the file is none. Raises ImitationError where it has no picture to show."""
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return None
            stream = container.streams.video[0]
            rate = stream.average_rate
            if not rate or stream.width < 1 or stream.height < 1:
                words = f"{stream.width}x{stream.height} px at {rate} Hz, must have a size and a rate"
                raise ImitationError(path, words, "video stream")
            return VideoFacts(stream.width, stream.height, float(rate), int(stream.frames))
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, ImitationError):
            raise
        return None


def video_frames(path: Path) -> Iterator[tuple[float, Image]]:
    """Time (s from the first frame) and RGB (height, width, 3) of every frame, one at a time.

    Raises ImitationError naming the frame after which the file cannot be read.
    """
    import av

    count, first = 0, 0.0
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(container.streams.video[0]):
                time = float(frame.time) if frame.time is not None else count / float(frame.rate or 30)
                first = time if count == 0 else first
                count += 1
                yield time - first, frame.to_ndarray(format="rgb24")
    except av.FFmpegError as error:
        raise ImitationError(path, f"cannot be read after frame {count}: {error}", "video stream") from error


class VideoAt:
    """The picture that a video shows at times that never go back."""

    def __init__(self, path: Path) -> None:
        self._frames = video_frames(path)
        self._now: Image | None = None
        self._next: tuple[float, Image] | None = next(self._frames, None)

    def at(self, seconds: float) -> Image | None:
        """RGB of the newest frame at or before ``seconds``; the last one after the end; None for an empty video."""
        while self._next is not None and (self._next[0] <= seconds + 1e-6 or self._now is None):
            self._now = self._next[1]
            self._next = next(self._frames, None)
        return self._now

    def close(self) -> None:
        """Close the file."""
        self._frames.close()  # type: ignore[attr-defined]


class VideoWriter:
    """Writes H.264 in MP4. A file that is not ``close``d is removed."""

    def __init__(self, path: Path, width: int, height: int, fps: int) -> None:
        """Raises OSError where the file cannot be made."""
        import av

        self._path, self._part = path, path.with_name(f".{path.name}.part.mp4")
        self._container = av.open(str(self._part), "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=Fraction(fps))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.options = {"crf": "23", "preset": "veryfast", "threads": "1"}  # one thread: the same bytes always
        self._closed = False

    def write(self, rgb: Image) -> None:
        """The next frame, RGB (height, width, 3)."""
        import av

        for packet in self._stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and move it into place."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
        self._part.replace(self._path)
        self._closed = True

    def __enter__(self) -> "VideoWriter":
        """Itself; finished at the end of the with block, removed where that ends in an error."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish or remove."""
        if kind is None:
            self.close()
        else:
            self._container.close()
            self._part.unlink(missing_ok=True)
