"""What making demonstrations may object to."""


class DemonstrationError(ValueError):
    """A demonstration that cannot be made. ``subject``: the option, condition or folder at fault."""

    def __init__(self, subject: str, message: str) -> None:
        super().__init__(f"{subject}: {message}")
        self.subject = subject
