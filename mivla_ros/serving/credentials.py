"""API keys and certificates of a policy server and its clients."""

import hmac
import ssl
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from mivla_ros.serving.errors import ServingError

SCHEME = "Api-Key "
MIN_KEY_LENGTH = 8


def read_api_key(path: str) -> str:
    """The key in a file's first line. Raises ServingError naming the file where it cannot be read or is too short."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "is not text"
        raise ServingError(path, f"API key: {reason}") from error
    key = text.splitlines()[0].strip() if text.strip() else ""
    if len(key) < MIN_KEY_LENGTH or not key.isascii() or any(c.isspace() or not c.isprintable() for c in key):
        raise ServingError(path, f"API key: the first line must be {MIN_KEY_LENGTH} or more ASCII letters or signs")
    return key


def authorization(key: str) -> str:
    """The value of the header ``Authorization`` for a key."""
    return SCHEME + key


def is_authorized(header: str | None, key: str) -> bool:
    """Whether a header brings the key; takes the same time whichever letter differs. Without a key all may come."""
    if not key:
        return True
    return hmac.compare_digest((header or "").encode("utf-8", "surrogateescape"), authorization(key).encode())


def server_tls(certificate: str, private_key: str) -> ssl.SSLContext | None:
    """TLS for a server, from PEM files; None where none is named. Raises ServingError naming the file."""
    if not certificate and not private_key:
        return None
    for path, what in ((certificate, "TLS certificate"), (private_key, "TLS key")):
        if not path:
            raise ServingError("TLS", f"{what} is missing: both --tls-cert and --tls-key are needed")
        if not Path(path).is_file():
            raise ServingError(path, f"{what}: there is no such file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, private_key)
    except (ssl.SSLError, OSError) as error:
        raise ServingError(certificate, f"TLS certificate and key cannot be used: {error}") from error
    return context


def client_tls(url: str, ca_file: str) -> ssl.SSLContext | None:
    """TLS for a client of a ``wss`` address, which trusts the system's authorities, or those of a PEM file."""
    if urlsplit(url).scheme != "wss":
        return None
    if ca_file and not Path(ca_file).is_file():
        raise ServingError(ca_file, "TLS authorities: there is no such file")
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (ssl.SSLError, OSError) as error:
        raise ServingError(ca_file, f"TLS authorities cannot be read: {error}") from error


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_url(url: str) -> str:
    """A server's address as given. Raises ServingError where it is none of ws://HOST:PORT and wss://HOST:PORT."""
    parts = urlsplit(url)
    try:
        port_is_good = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        port_is_good = False
    if parts.scheme not in ("ws", "wss") or not parts.hostname or not port_is_good:
        raise ServingError(url or "(empty)", "must be ws://HOST:PORT or wss://HOST:PORT")
    if parts.username or parts.password:
        raise ServingError(parts.hostname, "the address must not hold a password; use an API key file")
    return url
