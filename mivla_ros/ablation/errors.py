"""What can go wrong with an ablation."""


class AblationError(ValueError):
    """subject: step, file or option; what: what is wrong with it."""

    def __init__(self, subject: str, what: str) -> None:
        super().__init__(f"{subject}: {what}")
