"""Serve a policy to robots on other machines, by openpi's websocket protocol, or to RoboTwin's evaluation.

Listens on this machine only, unless --host says otherwise. A robot of this suite is a client with policy:=openpi
policy_url:=ws://...; openpi's own client is one too, with the adapter of its robot (--adapter). With --protocol
robotwin (its own TCP protocol) or robotwin_ws (XPolicyLab's) RoboTwin's evaluation is the client. Ends on SIGINT and
SIGTERM.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mivla serve`."""
    parser.add_argument("--policy", default="mivla", help="name of the policy (default: mivla)")
    parser.add_argument("--checkpoint", default="", metavar="DIR", help="folder of a model's checkpoint")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="option of the policy; may be repeated"
    )
    parser.add_argument("--robot", default="piper", help="robot profile: a name, or a YAML file (default: piper)")
    parser.add_argument(
        "--protocol",
        choices=("openpi", "robotwin", "robotwin_ws"),
        default="openpi",
        help="what is spoken: openpi's (default), RoboTwin's own TCP protocol, or XPolicyLab's websocket one",
    )
    parser.add_argument(
        "--adapter",
        help="layout of the messages: mivla (for robots of this suite, the default with openpi), or an adapter's name "
        "or YAML file; robotwin is the default with its protocols",
    )
    parser.add_argument("--arm", default="", help="the arm that an adapter's 'any' means, where the robot has several")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0: any free one (default: 8000)")
    parser.add_argument("--api-key-file", default="", metavar="FILE", help="its first line is the key clients need")
    parser.add_argument("--tls-cert", default="", metavar="FILE", help="certificate chain (PEM): clients use wss://")
    parser.add_argument("--tls-key", default="", metavar="FILE", help="its private key (PEM)")
    parser.add_argument(
        "--max-frame-mb", type=float, default=32.0, metavar="MIB", help="size of one message at most (default: 32)"
    )
    parser.add_argument(
        "--max-connections", type=int, default=8, metavar="N", help="clients at one time at most (default: 8)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    from mivla_ros.commands.errors import CommandError
    from mivla_ros.policies.policy import PolicyError
    from mivla_ros.serving.array_packing import MEBIBYTE
    from mivla_ros.serving.errors import ServingError
    from mivla_ros.serving.serve_policy import Protocol, ServedPolicy, serve_until_signal

    for name, low, high in (("port", 0, 65535), ("max_frame_mb", 0.01, 1024), ("max_connections", 1, 1000)):
        value = getattr(arguments, name)
        if not low <= value <= high:
            raise CommandError(f"--{name.replace('_', '-')} is {value}, must be from {low} to {high}", 2)
    options = [*arguments.option]
    if arguments.checkpoint:
        options.append(f"checkpoint={arguments.checkpoint}")
    try:
        protocol = Protocol(arguments.protocol)
        adapter = arguments.adapter or protocol.adapter
        served = ServedPolicy(arguments.policy, options, arguments.robot, adapter, arguments.arm)
        return serve_until_signal(
            served,
            host=arguments.host,
            port=arguments.port,
            api_key_file=arguments.api_key_file,
            certificate=arguments.tls_cert,
            private_key=arguments.tls_key,
            max_frame=round(arguments.max_frame_mb * MEBIBYTE),
            max_connections=arguments.max_connections,
            protocol=protocol,
        )
    except (ServingError, PolicyError) as error:
        raise CommandError(str(error)) from error
