"""Compilation of the hot loops: numba where it is installed, plain Python (far too slow to use) where not."""

import logging
from collections.abc import Callable

try:
    from numba import njit as _njit
except ImportError:
    _njit = None

COMPILED = _njit is not None
"""Whether the loops run as machine code."""

if not COMPILED:
    logging.getLogger(__name__).warning(
        "numba is not installed: inverse kinematics and limits run as plain Python, too slow to move a robot with"
    )


def compiled[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call and keep the code on disk; without numba, return it as it is."""
    if _njit is None:
        return function
    result: Callable[P, R] = _njit(cache=True, error_model="numpy")(function)
    return result
