"""The newest images of several cameras that belong to one moment."""

from collections.abc import Mapping

from mivla_ros.observation import CameraImage
from mivla_ros.observations.samples import Samples


def newest_set(streams: Mapping[str, Samples[CameraImage]], max_skew_ns: int) -> dict[str, CameraImage] | None:
    """One image a camera, all stamps within ``max_skew_ns`` of each other, the newest such set; None where
    there is none.

    Tries each stamp, newest first, as the set's newest; every camera then gives its newest image at or before
    it.
    """
    stamps = sorted({stamp for samples in streams.values() for stamp in samples.stamps}, reverse=True)
    for newest in stamps:
        chosen: dict[str, CameraImage] = {}
        for name, samples in streams.items():
            index = samples.before(newest)
            if index is None or newest - samples.stamps[index] > max_skew_ns:
                break
            chosen[name] = samples.values[index]
        else:
            return chosen or None
    return None


def smallest_skew(streams: Mapping[str, Samples[CameraImage]]) -> tuple[int, str, str]:
    """Smallest spread (ns) any set of one image a camera could have, and the cameras with its newest and
    oldest image.
    """
    best: tuple[int, str, str] | None = None
    for first, samples in streams.items():
        for newest in samples.stamps:
            indices = {name: other.before(newest) for name, other in streams.items()}
            known = {name: streams[name].stamps[i] for name, i in indices.items() if i is not None}
            if len(known) < len(streams):
                continue
            oldest = min(known, key=known.__getitem__)
            spread = (newest - known[oldest], first, oldest)
            best = min(best, spread) if best else spread
    if best is None:
        raise ValueError("no stream, or an empty one")
    return best
