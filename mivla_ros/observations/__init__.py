"""Streams to observations: buffers by capture stamp, and the rules that pick one moment of them."""

from mivla_ros.observations.errors import StreamError
from mivla_ros.observations.limits import StreamLimits
from mivla_ros.observations.synchroniser import Synchroniser

__all__ = ["StreamError", "StreamLimits", "Synchroniser"]
