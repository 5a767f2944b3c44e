"""What can go wrong between a policy server and its clients."""


class ServingError(RuntimeError):
    """Root of this package's errors. ``subject`` is the address, file, key or array at fault."""

    def __init__(self, subject: str, message: str) -> None:
        super().__init__(f"{subject}: {message}")
        self.subject = subject
        self.message = message


class FrameError(ServingError):
    """A frame, or an entry of it, that is not what it must be. ``subject``: the path of keys in the frame."""


class AdapterError(ServingError):
    """An adapter that cannot be used. ``subject``: its file and key."""


class ServerUnreachableError(ServingError):
    """No connection to the server now. ``subject``: its address."""


class RequestTimeoutError(ServingError):
    """An answer that has not come in time. ``seconds`` and ``limit`` say by how much."""

    def __init__(self, subject: str, seconds: float, limit: float, message: str = "no answer yet") -> None:
        super().__init__(subject, f"{message} after {seconds:.3f} s, limit {limit:g} s")
        self.seconds, self.limit = seconds, limit


class RequestCancelledError(ServingError):
    """The caller was let go by ``cancel`` or ``close``."""


class ServedPolicyError(ServingError):
    """The server answered with an error in words, and has closed the connection."""
