"""Why an evaluation cannot be done."""


class EvaluationError(ValueError):
    """Names the condition, file or value at fault."""

    def __init__(self, subject: str, message: str) -> None:
        super().__init__(f"evaluation: {subject}: {message}")
        self.subject = subject
