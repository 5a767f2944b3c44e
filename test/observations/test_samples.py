from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.observations.samples import Samples

arrivals = st.lists(st.integers(0, 200), max_size=120)


@given(arrivals, st.integers(1, 20))
def test_whatever_the_order_of_arrival_samples_are_sorted_unique_and_bounded(stamps: list[int], count: int) -> None:
    samples: Samples[int] = Samples(count)
    for stamp in stamps:
        samples.add(stamp, stamp)
    assert samples.stamps == sorted(set(samples.stamps))
    assert samples.values == samples.stamps
    assert len(samples) <= count
    if stamps:
        assert samples.newest_ns == max(stamps)


@given(arrivals)
def test_with_room_for_all_nothing_is_lost(stamps: list[int]) -> None:
    samples: Samples[int] = Samples(1000)
    for stamp in stamps:
        samples.add(stamp, stamp)
    assert samples.stamps == sorted(set(stamps))
    assert samples.duplicates == len(stamps) - len(set(stamps))


@given(arrivals, st.integers(0, 100))
def test_history_keeps_exactly_what_is_recent_enough(stamps: list[int], history: int) -> None:
    samples: Samples[int] = Samples(1000, history)
    for stamp in sorted(stamps):
        samples.add(stamp, stamp)
    assert samples.stamps == [s for s in sorted(set(stamps)) if s >= max(stamps) - history]


def test_the_first_of_two_samples_with_one_stamp_stays() -> None:
    samples: Samples[str] = Samples(5)
    assert samples.add(7, "first")
    assert not samples.add(7, "second")
    assert list(samples) == [(7, "first")]


@given(arrivals, st.integers(-5, 205))
def test_before_finds_the_newest_sample_at_or_before_a_stamp(stamps: list[int], at: int) -> None:
    samples: Samples[int] = Samples(1000)
    for stamp in stamps:
        samples.add(stamp, stamp)
    index = samples.before(at)
    expected = max((s for s in stamps if s <= at), default=None)
    assert (None if index is None else samples.stamps[index]) == expected
