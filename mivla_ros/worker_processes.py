"""Work in several processes, one a core, that start no threads of their own and end with the one that asked for them.

Nothing but the standard library is imported here, so that a worker knows its number of threads before numpy does.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import Any


def in_processes[O](
    function: Callable[..., O], calls: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[tuple[int, O]]:
    """Number of a call and its result, in the order they are done. calls: the arguments of each; the function must be
    importable. What it raises ends the work, as leaving the iteration does: calls under way are waited for."""
    # spawned, not forked: graphics, video and HDF5 libraries have threads and locks
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(calls)), mp_context=context, initializer=_begin) as pool:
        futures: dict[Future[O], int] = {pool.submit(function, *call): i for i, call in enumerate(calls)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    os.environ["OMP_NUM_THREADS"] = os.environ["LP_NUM_THREADS"] = "1"  # LP: the software that draws where no GPU does
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
