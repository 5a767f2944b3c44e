"""Measured tables and their place in a document."""

from pathlib import Path


class DocumentError(ValueError):
    """A document without the marks that its table belongs between."""


def write_between_marks(path: Path, text: str, begin: str, end: str) -> None:
    """Replace what stands between two marks in a document. Raises DocumentError where they are not there."""
    whole = path.read_text(encoding="utf-8")
    if whole.count(begin) != 1 or end not in whole[whole.index(begin) :]:
        raise DocumentError(f"{path}: must hold the line {begin!r} once, and {end!r} behind it")
    head, _, rest = whole.partition(begin)
    _, _, tail = rest.partition(end)
    path.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}", encoding="utf-8")
