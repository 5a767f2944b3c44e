"""The root error of this sub-package."""

from pathlib import Path


class EpisodeError(ValueError):
    """An episode that cannot be read or written.

    ``path``: the file or folder. ``key``: data set, column, topic or header field at fault. ``index``: its row, frame
    or message, None where it is about all of it. ``limit``: the limit that was broken, in words, empty where none is.
    """

    def __init__(self, path: Path | str, key: str, message: str, index: int | None = None, limit: str = "") -> None:
        where = key if index is None else f"{key}[{index}]"
        super().__init__(f"{path}: {where}: {message}" + (f" (limit: {limit})" if limit else ""))
        self.path = str(path)
        self.key = key
        self.index = index
        self.limit = limit
        self.reason = message

    def __reduce__(self) -> tuple[type["EpisodeError"], tuple[str, str, str, int | None, str]]:
        """Pickled by its parts, so that it crosses processes."""
        return EpisodeError, (self.path, self.key, self.reason, self.index, self.limit)
