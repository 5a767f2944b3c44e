"""Whose chunks are obeyed, and when not."""

import numpy as np
import pytest

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk
from mivla_ros.retargeting.acceptance import Acceptance, AcceptanceOptions
from mivla_ros.retargeting.errors import RetargetingError
from mivla_ros.stop_reasons import Reason, Stop
from test.retargeting.robots import START_NS, eef_chunk, swing


def chunk(**changes: object) -> ActionChunk:
    return eef_chunk(swing(np.arange(16) / 15)).stamped(**changes)


def refusal(acceptance: Acceptance, given: ActionChunk, now_ns: int = START_NS) -> Stop:
    with pytest.raises(RetargetingError) as caught:
        acceptance.check(given, now_ns)
    return caught.value.stop


@pytest.fixture
def acceptance() -> Acceptance:
    """Obeys the session of ``chunk()`` and has accepted its sequence 5 of generation 2."""
    acceptance = Acceptance("piper", AcceptanceOptions())
    acceptance.accept(chunk(sequence=5, generation=2), START_NS)
    return acceptance


def test_the_next_chunk_is_taken(acceptance: Acceptance) -> None:
    acceptance.check(chunk(sequence=6, generation=2), START_NS)
    acceptance.check(chunk(sequence=60, generation=3), START_NS)


@pytest.mark.parametrize(
    ("changes", "reason", "value", "limit"),
    [
        ({"sequence": 5, "generation": 2}, Reason.CHUNK_OUTDATED, 5, 5),
        ({"sequence": 4, "generation": 2}, Reason.CHUNK_OUTDATED, 4, 5),
        ({"sequence": 6, "generation": 1}, Reason.CHUNK_OUTDATED, 1, 2),
        ({"sequence": 6, "generation": 2, "robot": "locoman"}, Reason.CHUNK_INVALID, np.nan, np.nan),
        ({"sequence": 6, "generation": 2, "horizon": 0}, Reason.CHUNK_INVALID, 0, 1),
        ({"sequence": 6, "generation": 2, "horizon": 17}, Reason.CHUNK_INVALID, 16, 17),
        ({"sequence": 6, "generation": 2, "step_ns": 0}, Reason.CHUNK_INVALID, 0, 0),
        ({"sequence": 6, "generation": 2, "frame_id": ""}, Reason.CHUNK_INVALID, np.nan, np.nan),
        ({"sequence": 6, "generation": 2, "arms": ()}, Reason.CHUNK_INVALID, np.nan, np.nan),
        ({"sequence": 6, "generation": 2, "step_ns": 10 * NANOSECONDS, "valid_until_ns": START_NS * 9},
         Reason.CHUNK_OUT_OF_RANGE, 160, 60),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(
    acceptance: Acceptance, changes: dict[str, object], reason: Reason, value: float, limit: float
) -> None:
    stop = refusal(acceptance, chunk(**changes))
    assert stop.reason is reason
    assert (stop.value, stop.limit) == pytest.approx((value, limit), nan_ok=True)


def test_an_expired_chunk_is_refused(acceptance: Acceptance) -> None:
    late = chunk(sequence=6, generation=2)
    acceptance.check(late, late.valid_until_ns)
    stop = refusal(acceptance, late, late.valid_until_ns + NANOSECONDS // 2)
    assert stop.reason is Reason.CHUNK_EXPIRED and stop.value == pytest.approx(0.5)


def test_a_chunk_from_the_far_future_is_refused(acceptance: Acceptance) -> None:
    assert (
        refusal(acceptance, chunk(sequence=6, generation=2), START_NS - 6 * NANOSECONDS).reason
        is Reason.CHUNK_OUT_OF_RANGE
    )


def test_nan_names_the_arm_and_the_step(acceptance: Acceptance) -> None:
    joints = swing(np.arange(16) / 15)
    joints[3] = np.nan
    stop = refusal(acceptance, eef_chunk(joints, sequence=6, generation=2))
    assert stop.reason is Reason.CHUNK_INVALID
    assert "'arm'" in str(stop) and "step 3" in str(stop)


def test_a_second_policy_node_is_refused_while_the_first_is_heard(acceptance: Acceptance) -> None:
    other = chunk(session=b"x" * 16, sequence=1, generation=2)
    assert refusal(acceptance, other).reason is Reason.CHUNK_FOREIGN_SESSION
    # a chunk of the first counts as being heard even where it is refused itself
    soon = START_NS + NANOSECONDS * 4 // 5
    assert refusal(acceptance, chunk(sequence=5, generation=2), soon).reason is Reason.CHUNK_OUTDATED
    assert refusal(acceptance, other, soon + NANOSECONDS // 2).reason is Reason.CHUNK_FOREIGN_SESSION


def test_a_restarted_policy_node_takes_over_after_silence_if_it_knows_the_generation(
    acceptance: Acceptance,
) -> None:
    now_ns = START_NS + 3 * NANOSECONDS // 2
    times = {"first_step_ns": now_ns, "valid_until_ns": now_ns + NANOSECONDS}
    restarted = chunk(session=b"x" * 16, sequence=1, generation=2, **times)
    acceptance.check(restarted, now_ns)
    assert refusal(acceptance, restarted.stamped(generation=0), now_ns).reason is Reason.CHUNK_OUTDATED
    acceptance.accept(restarted, now_ns)
    assert refusal(acceptance, chunk(sequence=7, generation=2, **times), now_ns).reason is Reason.CHUNK_FOREIGN_SESSION


def test_after_a_release_only_a_new_generation_is_taken(acceptance: Acceptance) -> None:
    assert acceptance.raise_generation() == 3
    assert refusal(acceptance, chunk(sequence=6, generation=2)).reason is Reason.CHUNK_OUTDATED
    acceptance.check(chunk(sequence=6, generation=3), START_NS)
