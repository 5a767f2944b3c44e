"""A policy of the registry, made ready to be served, and the life of the serving process."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from enum import StrEnum

from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
from mivla_ros.policies.options import split_options
from mivla_ros.policies.policy import Policy
from mivla_ros.policies.registry import PolicyContext, make_policy
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile
from mivla_ros.serving.adapter import load_adapter
from mivla_ros.serving.adapter_layout import AdapterLayout
from mivla_ros.serving.credentials import is_loopback, read_api_key, server_tls
from mivla_ros.serving.errors import ServingError
from mivla_ros.serving.layout import Layout, Message, metadata_of
from mivla_ros.serving.native import NATIVE, NativeLayout
from mivla_ros.serving.robotwin import ROBOTWIN
from mivla_ros.serving.robotwin_tcp import RoboTwinTcpServer
from mivla_ros.serving.robotwin_ws import RoboTwinServer
from mivla_ros.serving.server import PolicyServer, ServerOptions

log = logging.getLogger(__name__)


class Protocol(StrEnum):
    """What is spoken on the wire."""

    OPENPI = "openpi"
    ROBOTWIN = "robotwin"
    ROBOTWIN_WS = "robotwin_ws"

    @property
    def adapter(self) -> str:
        """The layout where none is named."""
        return NATIVE if self is Protocol.OPENPI else ROBOTWIN


class ServedPolicy:
    """What ``PolicyServer`` needs of a policy by name: one for every connection, the layout, the metadata.

    The first one is made here, so that what is wrong with it is said at the start. A policy whose connection has ended
    is kept for the next one, which resets it: weights are loaded once, unless two robots are connected at a time.
    """

    def __init__(self, name: str, options: Sequence[str], robot: str, adapter: str = NATIVE, arm: str = "") -> None:
        """options: ``NAME=VALUE`` each. Raises PolicyError, AdapterError and what a profile raises."""
        profile = load_profile(robot)
        urdf = robot_description(profile)
        self._name, self._options = name, split_options(name, options)
        self._context = PolicyContext(profile, urdf)
        self._idle: list[Policy] = [make_policy(name, self._context, self._options)]
        self.spec = self._idle[0].spec
        self.layout: Layout = NativeLayout()
        if adapter != NATIVE:
            chains = {a.name: chain_from_urdf(urdf, a.base_frame, a.eef_frame) for a in profile.arms}
            self.layout = AdapterLayout(
                load_adapter(adapter), profile, arm, lambda arm, joints: forward_kinematics(chains[arm], joints)
            )
        self.metadata: Message = metadata_of(self.spec, self.layout.name, profile.name)
        self.metadata["reset_pose"] = [float(q) for q in profile.arms[0].ready]

    def __call__(self) -> Policy:
        """A policy for one connection."""
        return self._idle.pop() if self._idle else make_policy(self._name, self._context, self._options)

    def release(self, policy: Policy) -> None:
        """Keep it for the next connection, or close it where there is one already."""
        if self._idle:
            policy.close()
        else:
            self._idle.append(policy)

    def close(self) -> None:
        """Give back what no connection has."""
        while self._idle:
            self._idle.pop().close()


def serve_until_signal(
    served: ServedPolicy,
    host: str,
    port: int,
    api_key_file: str = "",
    certificate: str = "",
    private_key: str = "",
    max_frame: int = ServerOptions.max_frame,
    max_connections: int = ServerOptions.max_connections,
    protocol: Protocol = Protocol.OPENPI,
) -> int:
    """Serve until SIGINT or SIGTERM; 0. Raises ServingError for keys, certificates, addresses and adapters."""
    if protocol is Protocol.ROBOTWIN and (api_key_file or certificate or private_key):
        raise ServingError(str(protocol), "its clients know neither keys nor TLS; use an SSH tunnel")
    options = ServerOptions(
        host=host,
        port=port,
        api_key=read_api_key(api_key_file) if api_key_file else "",
        tls=server_tls(certificate, private_key),
        max_frame=max_frame,
        max_connections=max_connections,
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # what matters of it is said here, in one line
    if not is_loopback(host):
        if not options.api_key:
            log.warning("no API key: whoever reaches %s may use the policy (--api-key-file)", host)
        elif options.tls is None:
            log.warning("no TLS: the API key can be read on the way (--tls-cert, --tls-key, or an SSH tunnel)")
    asyncio.run(_serve(served, _server(served, options, protocol)))
    return 0


def _server(served: ServedPolicy, options: ServerOptions, protocol: Protocol) -> PolicyServer | RoboTwinTcpServer:
    if protocol is Protocol.ROBOTWIN:
        return RoboTwinTcpServer(served, served.layout, options, served.release)
    kind = PolicyServer if protocol is Protocol.OPENPI else RoboTwinServer
    return kind(served, served.layout, served.metadata, options, served.release)


async def _serve(served: ServedPolicy, server: PolicyServer | RoboTwinTcpServer) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for kind in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(kind, ending.set)
    try:
        await server.start()
        spec = served.spec
        print(
            f"serving {spec.name} ({spec.revision}) for {served.metadata['robot']}, adapter {served.layout.name}, "
            f"on {server.address}",
            flush=True,
        )
        await ending.wait()
    finally:
        await server.close()
        served.close()
