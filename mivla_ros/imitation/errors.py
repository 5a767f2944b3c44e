"""The one root exception of imitation."""

from pathlib import Path


class ImitationError(ValueError):
    """A file, an option or a robot that cannot be used. ``path`` names the file, ``key`` what in it."""

    def __init__(self, path: str | Path, message: str, key: str = "") -> None:
        where = f"{path}: {key}" if key else str(path)
        super().__init__(f"imitate: {where}: {message}")
        self.path = str(path)
        self.key = key
