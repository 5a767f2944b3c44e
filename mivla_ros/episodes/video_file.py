"""Random access to the pictures of a video file: packets are indexed once, decoding begins at the key frame before."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mivla_ros.episodes.episode import Array, Stamps
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.observations.compressed_image import MAX_PIXELS

MAX_FRAMES = 20_000_000  # a week at 30 Hz
_CACHED = 8


class VideoFile:
    """One open video. ``count`` pictures of ``size`` (height, width); ``seconds`` (count,) their presentation times."""

    def __init__(self, path: Path, key: str) -> None:
        """Open and index it. Raises EpisodeError (under ``key``)."""
        import av

        self.path, self._key, self._errors = path, key, (av.FFmpegError, ValueError, IndexError, MemoryError)
        if not path.is_file():
            raise EpisodeError(path, key, "video is missing")
        try:
            self._container: Any = av.open(str(path))
        except self._errors as error:
            raise EpisodeError(path, key, f"video cannot be opened: {error}") from error
        try:
            self._index()
        except BaseException:
            self._container.close()
            raise

    def _index(self) -> None:
        if not self._container.streams.video:
            raise EpisodeError(self.path, self._key, "holds no video")
        stream = self._stream = self._container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise EpisodeError(self.path, self._key, "video has no known codec")
        self.size = (int(context.height), int(context.width))
        if not 0 < self.size[0] * self.size[1] <= MAX_PIXELS:
            text = f"says {self.size[1]}x{self.size[0]} pixels"
            raise EpisodeError(self.path, self._key, text, limit=f"1 to {MAX_PIXELS}")
        context.thread_count = 1  # readers run in parallel processes
        times: list[int] = []
        keys: list[int] = []
        try:
            for packet in self._container.demux(stream):
                if packet.pts is None:
                    continue
                times.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
                if len(times) > MAX_FRAMES:
                    raise EpisodeError(self.path, self._key, "has too many pictures", limit=f"{MAX_FRAMES}")
        except self._errors as error:
            raise EpisodeError(self.path, self._key, f"video is damaged: {error}", len(times)) from error
        if not times or not keys:
            raise EpisodeError(self.path, self._key, "video holds no picture")
        self._times = np.unique(np.array(times, dtype=np.int64))
        self._keys = np.sort(np.array(keys, dtype=np.int64))
        self.count = len(self._times)
        self.seconds = self._times * float(stream.time_base)
        self._frames: Iterator[Any] | None = None
        self._next = -1  # time of the newest decoded picture
        self._cache: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()

    def rgb(self, index: int) -> NDArray[np.uint8]:
        """(height, width, 3) RGB of a picture. Raises EpisodeError."""
        if not 0 <= index < self.count:
            raise EpisodeError(self.path, self._key, "no such picture", index, f"{self.count}")
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        target = int(self._times[index])
        key = int(self._keys[max(int(np.searchsorted(self._keys, target, side="right")) - 1, 0)])
        try:
            rgb = self._decode(target, key)
        except self._errors as error:
            self._frames = None
            raise EpisodeError(self.path, self._key, f"picture cannot be decoded: {error}", index) from error
        if rgb is None or rgb.shape[:2] != self.size:
            self._frames = None
            got = "nothing" if rgb is None else f"a picture of {rgb.shape[1]}x{rgb.shape[0]}"
            raise EpisodeError(self.path, self._key, f"decoding gives {got}", index)
        self._cache[index] = rgb
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return rgb

    def _decode(self, target: int, key: int) -> NDArray[np.uint8] | None:
        if self._frames is None or not key <= self._next < target:
            self._container.seek(key, stream=self._stream, backward=True)
            self._frames = self._container.decode(self._stream)
        for frame in self._frames:
            if frame.pts is None:
                continue
            self._next = frame.pts
            if frame.pts >= target:
                if frame.height * frame.width > MAX_PIXELS:
                    return None
                return frame.to_ndarray(format="rgb24") if frame.pts == target else None
        self._frames = None
        return None

    def close(self) -> None:
        """Give the file back."""
        self._frames = None
        self._container.close()


class VideoCamera:
    """A run of pictures of a video as a camera: picture i of ``stamps_ns`` is picture ``first`` + i of the file."""

    def __init__(
        self, name: str, video: VideoFile, stamps_ns: Stamps, first: int = 0, intrinsics: Array | None = None
    ) -> None:
        """Raises EpisodeError where the video has fewer pictures."""
        self.name, self.frame_id, self.stamps_ns, self.intrinsics = name, "", stamps_ns, intrinsics
        self._video, self._first = video, first
        if first < 0 or first + len(stamps_ns) > video.count:
            text = f"rows ask for pictures {first} to {first + len(stamps_ns)}"
            raise EpisodeError(video.path, name, text, limit=f"{video.count} pictures")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self._video.size

    def rgb(self, index: int, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """One picture; video is always decoded whole."""
        if not 0 <= index < len(self.stamps_ns):
            raise EpisodeError(self._video.path, self.name, "no such picture", index, f"{len(self.stamps_ns)}")
        return self._video.rgb(self._first + index)

    def encoded(self, index: int) -> bytes | None:
        """None: a picture of a video has no bytes of its own."""
        return None


def write_video(path: Path, pictures: Iterator[NDArray[np.uint8]], rate: float, group: int = 2, crf: int = 20) -> int:
    """Write RGB pictures of one size as H.264 in MP4, a key frame every ``group``; the number written.

    Odd sizes are cut by one pixel, as 4:2:0 asks.
    """
    from fractions import Fraction

    import av

    count = 0
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = None
        for rgb in pictures:
            height, width = rgb.shape[0] // 2 * 2, rgb.shape[1] // 2 * 2
            if stream is None:
                fps = Fraction(rate).limit_denominator(1001)
                stream = container.add_stream("libx264", rate=fps)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.options = {"crf": str(crf), "g": str(group), "preset": "veryfast", "bf": "0"}
                stream.codec_context.thread_count = 1
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = count, 1 / fps
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return count
