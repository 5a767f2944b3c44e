"""Picks a ROS domain that nobody on this machine uses."""

import os
import socket

# Ports of a domain: 7400 + 250 * domain (RTPS). Domains above 101 may fall into the ephemeral range of Linux.
FIRST_DOMAIN, LAST_DOMAIN = 1, 101


def _is_free(domain: int) -> bool:
    """True where no participant of this machine uses the domain: its first discovery port can be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", 7400 + 250 * domain + 10))
        except OSError:
            return False
    return True


def free_domain() -> int:
    """A ROS_DOMAIN_ID that nobody on this machine uses, different for tests that run at once."""
    count = LAST_DOMAIN - FIRST_DOMAIN + 1
    start = int.from_bytes(os.urandom(4), "little")
    for offset in range(count):
        domain = FIRST_DOMAIN + (start + offset) % count
        if _is_free(domain):
            return domain
    raise RuntimeError(f"no ROS domain from {FIRST_DOMAIN} to {LAST_DOMAIN} is free")
