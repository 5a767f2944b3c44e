"""The Python of the solvers that retargeting is measured against."""

from pathlib import Path

from mivla_ros.extra_environment import ROOT, ExtraEnvironment, ExtraEnvironmentError
from mivla_ros.extra_environment import own_environment as without_own_python
from mivla_ros.retargeting.benchmarks.errors import BenchmarkError


def peers_python(root: Path = ROOT) -> Path:
    """The Python of the peers' environment, made first where it is missing or old.

    Raises BenchmarkError naming the file or command at fault.
    """
    try:
        return ExtraEnvironment("peers", "about 500 MB", root).make()
    except ExtraEnvironmentError as error:
        raise BenchmarkError(f"{error}; or use --no-peers") from error


def own_environment() -> dict[str, str]:
    """Variables for a peer's process, with one thread."""
    return without_own_python() | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
