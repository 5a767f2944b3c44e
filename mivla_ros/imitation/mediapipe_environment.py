"""MediaPipe's own Python: its pins clash with everybody else's. Where there is no checkout, the user names one."""

from pathlib import Path

from mivla_ros.extra_environment import ROOT, ExtraEnvironment, ExtraEnvironmentError
from mivla_ros.imitation.errors import ImitationError

PACKAGE = "mediapipe==0.10.21"
_WORDS = f"python3.12 -m venv DIR && DIR/bin/pip install {PACKAGE}, then --landmarks-python DIR/bin/python"


def made_python(root: Path = ROOT) -> Path | None:
    """The Python of the environment, where it is made and up to date."""
    return ExtraEnvironment("mediapipe", root=root).made()


def make_python(video: Path, root: Path = ROOT) -> Path:
    """The Python of the environment, made first where it is missing or old.

    Raises ImitationError naming the ``video`` that needs it and what to do instead where it cannot be made here.
    """
    try:
        return ExtraEnvironment("mediapipe", "370 MB", root).make()
    except ExtraEnvironmentError as error:
        raise ImitationError(video, f"needs MediaPipe in a Python of its own: {error}; by hand: {_WORDS}") from error
