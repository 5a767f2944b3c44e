"""Looks at a small share of the pictures in a thread of its own, within a share of one processor core."""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable

from mivla_ros.episodes.recording.image_checks import ImageCheck, check_image, decode_grey

BACKLOG = 4  # pictures that may wait; more are simply not looked at


class ImageWorker:
    """Takes JPEGs, tells ``on_check(camera, stamp_ns, check)``; a picture that is no JPEG gives None as its check."""

    def __init__(
        self, on_check: Callable[[str, int, ImageCheck | None], None], interval: float = 1.0, share: float = 0.05
    ) -> None:
        """interval: s between two pictures of one camera. share: of one core, at most."""
        self._on_check = on_check
        self._interval = interval
        self._share = share
        self._due: dict[str, float] = defaultdict(float)
        self._jobs: queue.Queue[tuple[str, int, bytes] | None] = queue.Queue(BACKLOG)
        self._rest_until = 0.0
        self._thread = threading.Thread(target=self._run, name="image checks", daemon=True)
        self._thread.start()

    def offer(self, camera: str, stamp_ns: int, jpeg: bytes | memoryview) -> None:
        """Take this picture if it is time to look at one of that camera; never waits."""
        now = time.monotonic()
        if now < self._due[camera] or now < self._rest_until:
            return
        self._due[camera] = now + self._interval
        try:
            self._jobs.put_nowait((camera, stamp_ns, bytes(jpeg)))
        except queue.Full:
            self._due[camera] = now

    def close(self) -> None:
        """End the thread once what waits has been looked at."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            camera, stamp_ns, jpeg = job
            began, used = time.monotonic(), time.thread_time()
            try:
                check = check_image(decode_grey(jpeg))
            except ValueError:
                check = None
            self._on_check(camera, stamp_ns, check)
            used = time.thread_time() - used
            self._rest_until = began + used / self._share
