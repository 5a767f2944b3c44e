"""The one root exception of alignment."""

from math import nan


class AlignmentError(ValueError):
    """Hands, poses or options that alignment cannot use. ``subject`` names what, ``row`` where in it (an index, a
    tuple of indices for more than one leading axis, None for all of it); ``value`` and ``limit`` are the evidence.
    """

    def __init__(
        self,
        subject: str,
        message: str,
        row: int | tuple[int, ...] | None = None,
        value: float = nan,
        limit: float = nan,
    ) -> None:
        where = "" if row is None else f" row {row}:"
        super().__init__(f"alignment: {subject}:{where} {message}")
        self.subject = subject
        self.row = row
        self.value = value
        self.limit = limit
