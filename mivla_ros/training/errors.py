"""What training may object to."""


class TrainingError(ValueError):
    """Data, options or a run that cannot go on. ``subject``: the file, option, term or episode at fault."""

    def __init__(self, subject: str, message: str) -> None:
        super().__init__(f"{subject}: {message}")
        self.subject = subject
