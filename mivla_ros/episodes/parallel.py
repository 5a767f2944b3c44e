"""One function over many items: in this process, in several, or on a Ray cluster, with progress."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from tqdm import tqdm

from mivla_ros.worker_processes import in_processes

WORKERS = ("processes", "ray")


def map_unordered[I, O](
    function: Callable[[I], O],
    items: Sequence[I],
    workers: int = 1,
    where: str = "processes",
    words: str = "",
    unit: str = "episode",
    address: str | None = None,
) -> Iterator[tuple[int, O]]:
    """Number of an item and its result, in the order they are done. The function must be importable.

    where: "processes" of this machine (one worker: this process), or "ray" (``address`` of a cluster, None for a local
    one of ``workers``). What a function raises ends the work. Raises ValueError for another ``where`` or no Ray.
    """
    if where not in WORKERS:
        raise ValueError(f"workers are {where!r}, must be one of {', '.join(WORKERS)}")
    with tqdm(total=len(items), desc=words, unit=unit, disable=not words or not items) as bar:
        if where == "ray":
            results = _on_ray(function, items, workers, address)
        elif workers <= 1 or len(items) <= 1:
            results = ((i, function(item)) for i, item in enumerate(items))
        else:
            results = in_processes(function, [(item,) for item in items], workers)
        for result in results:
            bar.update()
            yield result


def _on_ray(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int, address: str | None
) -> Iterator[tuple[int, Any]]:
    try:
        import ray
    except ImportError as error:
        raise ValueError("Ray is not installed: environment/requirements/extra/ray.in") from error
    started = not ray.is_initialized()
    if started:
        local = {} if address else {"num_cpus": workers, "include_dashboard": False}
        ray.init(address=address, log_to_driver=False, logging_level="error", **local)
    try:
        remote = ray.remote(num_cpus=1)(function)
        waiting: dict[Any, int] = {}
        numbers = iter(range(len(items)))
        most = max(2 * workers, 4)
        while True:
            with suppress(StopIteration):
                while len(waiting) < most:
                    number = next(numbers)
                    waiting[remote.remote(items[number])] = number
            if not waiting:
                return
            done, _ = ray.wait(list(waiting))
            for reference in done:
                yield waiting.pop(reference), ray.get(reference)
    finally:
        if started:
            ray.shutdown()
