from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.observation import CameraImage
from mivla_ros.observations.image_stream import newest_set, smallest_skew
from mivla_ros.observations.samples import Samples

BLACK = np.zeros((2, 2, 3), np.uint8)

cameras = st.dictionaries(
    st.sampled_from(["head", "wrist", "side"]), st.lists(st.integers(0, 100), max_size=6), min_size=1
)


def streams(stamps: dict[str, list[int]]) -> dict[str, Samples[CameraImage]]:
    result = {}
    for name, own in stamps.items():
        result[name] = Samples[CameraImage](8)
        for stamp in own:
            result[name].add(stamp, CameraImage(BLACK, stamp))
    return result


@given(cameras, st.integers(0, 60))
def test_the_set_is_the_newest_one_within_the_skew(stamps: dict[str, list[int]], skew: int) -> None:
    fitting = [combination for combination in product(*stamps.values()) if max(combination) - min(combination) <= skew]
    chosen = newest_set(streams(stamps), skew)
    if not fitting:
        assert chosen is None
        return
    assert chosen is not None
    assert set(chosen) == set(stamps)
    picked = [image.stamp_ns for image in chosen.values()]
    assert max(picked) - min(picked) <= skew
    assert max(picked) == max(max(combination) for combination in fitting)
    # and of the sets with that newest stamp, no image could be newer
    rivals = [c for c in fitting if max(c) == max(picked)]
    assert all(stamp == max(column) for stamp, column in zip(picked, zip(*rivals, strict=True), strict=True))


@given(cameras.filter(lambda stamps: all(stamps.values())))
def test_smallest_skew_is_the_smallest_there_is(stamps: dict[str, list[int]]) -> None:
    expected = min(max(combination) - min(combination) for combination in product(*stamps.values()))
    assert smallest_skew(streams(stamps))[0] == expected


def test_smallest_skew_of_an_empty_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        smallest_skew(streams({"head": []}))
