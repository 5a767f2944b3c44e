"""The root error of this sub-package."""

from mivla_ros.stop_reasons import Stop


class StreamError(ValueError):
    """A stream that cannot be used now. ``stop`` holds the named reason, the stream, the value and the limit
    it broke.
    """

    def __init__(self, stop: Stop) -> None:
        super().__init__(str(stop))
        self.stop = stop
