"""Policies behind a websocket, by openpi's protocol: server, client and the adapters between robots and models.

The wire (as openpi speaks it): the server's first frame is a msgpack map of metadata; then every binary frame of the
client is an observation and every binary frame of the server its answer, in order; a text frame is an error, after
which the server closes. Arrays are msgpack maps, see ``array_packing``.

- ``array_packing``: those frames, packed and unpacked with limits
- ``native``, ``adapter`` with ``adapters/*.yaml``, ``adapter_layout``: what is in the frames
- ``client``: one connection that never blocks its user for longer than asked
- ``server``: a policy for every connection
"""

from mivla_ros.serving.errors import (
    AdapterError,
    FrameError,
    RequestCancelledError,
    RequestTimeoutError,
    ServedPolicyError,
    ServerUnreachableError,
    ServingError,
)

__all__ = [
    "AdapterError",
    "FrameError",
    "RequestCancelledError",
    "RequestTimeoutError",
    "ServedPolicyError",
    "ServerUnreachableError",
    "ServingError",
]
