"""What a command may raise to end with one line and a status."""


class CommandError(Exception):
    """A command cannot do what was asked; the message names the file or value and the limit it broke."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status
