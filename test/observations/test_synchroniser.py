from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mivla_ros.observation import Observation
from mivla_ros.observations import StreamLimits, Synchroniser
from mivla_ros.robots.profile import load_profile
from mivla_ros.stop_reasons import Reason, Stop

MS = 1_000_000
START = 10_000 * MS
PROFILE = load_profile("piper")
NAMES = PROFILE.joint_names


def eef_pose(arm: str, joints: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([*joints[:3], 1.0, 0.0, 0.0, 0.0])


def picture(value: int) -> NDArray[np.uint8]:
    return np.full((24, 32, 3), value % 256, np.uint8)


def synchroniser(cameras: int = 2, needs_objects: bool = False, **limits: float) -> Synchroniser:
    return Synchroniser(PROFILE.arms, PROFILE.cameras[:cameras], eef_pose, StreamLimits(**limits), needs_objects)


def feed_joints(
    sync: Synchroniser, first_ms: int = 0, last_ms: int = 500, every_ms: int = 10, speed: float = 0.0
) -> None:
    for ms in range(first_ms, last_ms + 1, every_ms):
        sync.add_joints(START + ms * MS, NAMES, [speed * ms / 1e3] * 6 + [0.05])


def observed(sync: Synchroniser, now_ms: int) -> Observation:
    seen = sync.observe(START + now_ms * MS, "go")
    assert isinstance(seen, Observation), str(seen)
    return seen


def refused(sync: Synchroniser, now_ms: int) -> Stop:
    seen = sync.observe(START + now_ms * MS, "go")
    assert isinstance(seen, Stop)
    return seen


def test_an_observation_is_one_moment_of_all_streams() -> None:
    sync = synchroniser()
    feed_joints(sync, speed=0.4)
    sync.add_image("head_camera", START + 403 * MS, picture(1), "optical")
    sync.add_image("wrist_camera", START + 395 * MS, picture(2))
    seen = observed(sync, 500)
    assert seen.stamp_ns == START + 403 * MS
    assert seen.oldest_ns == START + 395 * MS
    assert seen.images["head_camera"].frame_id == "optical"
    assert seen.images["wrist_camera"].rgb[0, 0, 0] == 2
    assert seen.arms["arm"].joints == pytest.approx(np.full(6, 0.4 * 0.403))
    assert seen.arms["arm"].eef[:3] == pytest.approx(np.full(3, 0.4 * 0.403))
    assert seen.arms["arm"].gripper == pytest.approx(0.5)
    assert seen.instruction == "go"
    assert seen.objects == {}


def test_without_cameras_the_joints_give_the_stamp() -> None:
    sync = synchroniser(cameras=0)
    feed_joints(sync)
    assert observed(sync, 520).stamp_ns == START + 500 * MS


def test_an_image_that_runs_ahead_of_the_joints_holds_them_only_for_the_gap() -> None:
    sync = synchroniser(cameras=1, joint_gap=0.05)
    feed_joints(sync)
    sync.add_image("head_camera", START + 550 * MS, picture(1))
    assert observed(sync, 560).oldest_ns == START + 500 * MS
    sync.add_image("head_camera", START + 551 * MS, picture(1))
    assert refused(sync, 560).reason is Reason.STREAM_SKEW


@pytest.mark.parametrize("silent", ["head_camera", "wrist_camera", "joint_states", "simulation/objects"])
def test_a_stream_that_never_came_is_missing_by_name(silent: str) -> None:
    sync = synchroniser(needs_objects=True)
    if silent != "joint_states":
        feed_joints(sync)
    for camera in ("head_camera", "wrist_camera"):
        if silent != camera:
            sync.add_image(camera, START + 480 * MS, picture(1))
    if silent != "simulation/objects":
        sync.add_objects(START + 480 * MS, {"bottle": np.array([0, 0, 0, 1.0, 0, 0, 0])}, "world")
    stop = refused(sync, 500)
    assert stop.reason is Reason.STREAM_MISSING
    assert stop.subject == silent


@pytest.mark.parametrize(("stale", "age"), [("head_camera", 0.6), ("joint_states", 0.21), ("simulation/objects", 0.6)])
def test_a_stream_that_stopped_is_stale_with_its_age_and_limit(stale: str, age: float) -> None:
    sync = synchroniser(cameras=1, needs_objects=True)
    now_ms = 1000

    def newest(stream: str) -> int:
        return now_ms - (round(age * 1e3) if stream == stale else 5)

    feed_joints(sync, 0, newest("joint_states"), 5)
    sync.add_image("head_camera", START + newest("head_camera") * MS, picture(1))
    sync.add_objects(START + newest("simulation/objects") * MS, {"pad": np.array([0, 0, 0, 1.0, 0, 0, 0])}, "world")
    stop = refused(sync, now_ms)
    assert (stop.reason, stop.subject) == (Reason.STREAM_STALE, stale)
    assert stop.value == pytest.approx(age)
    assert stop.limit == {"head_camera": 0.5, "joint_states": 0.2, "simulation/objects": 0.5}[stale]
    assert stop.unit == "s"


def test_images_that_never_meet_are_refused_with_their_skew() -> None:
    sync = synchroniser(image_skew=0.02)
    feed_joints(sync)
    for ms in range(0, 500, 100):
        sync.add_image("head_camera", START + ms * MS, picture(ms))
        sync.add_image("wrist_camera", START + (ms + 50) * MS, picture(ms + 1))
    stop = refused(sync, 500)
    assert stop.reason is Reason.STREAM_SKEW
    assert stop.value == pytest.approx(0.05)
    assert stop.limit == 0.02


def test_images_together_only_in_the_past_are_refused() -> None:
    sync = synchroniser(image_skew=0.02)
    feed_joints(sync, 0, 900)
    for camera in ("head_camera", "wrist_camera"):
        sync.add_image(camera, START + 100 * MS, picture(0))
    sync.add_image("head_camera", START + 800 * MS, picture(1))
    sync.add_image("wrist_camera", START + 850 * MS, picture(1))
    stop = refused(sync, 900)
    assert (stop.reason, stop.subject) == (Reason.STREAM_SKEW, "head_camera, wrist_camera")
    assert stop.value == pytest.approx(0.8)


def test_a_stamp_ahead_of_the_clock_is_not_taken_for_fresh() -> None:
    sync = synchroniser(cameras=1)
    feed_joints(sync)
    sync.add_image("head_camera", START + 5000 * MS, picture(1))
    stop = refused(sync, 500)
    assert (stop.reason, stop.subject) == (Reason.STREAM_INVALID, "head_camera")
    assert stop.value == pytest.approx(4.5)


def test_a_clock_set_back_forgets_the_other_time() -> None:
    sync = synchroniser(cameras=1)
    feed_joints(sync)
    sync.add_image("head_camera", START + 490 * MS, picture(1))
    observed(sync, 500)
    assert refused(sync, -5000).reason is Reason.STREAM_MISSING
    feed_joints(sync, -5100, -5000)
    sync.add_image("head_camera", START - 5010 * MS, picture(2))
    assert observed(sync, -4990).stamp_ns == START - 5010 * MS


def test_the_same_picture_is_frozen_only_while_the_arm_moves() -> None:
    still, moving = synchroniser(cameras=1), synchroniser(cameras=1)
    for sync, speed in ((still, 0.0), (moving, 0.2)):
        for ms in range(0, 2000, 50):
            feed_joints(sync, ms, ms + 40, speed=speed)
            sync.add_image("head_camera", START + ms * MS, picture(7))
    observed(still, 2000)
    stop = refused(moving, 2000)
    assert (stop.reason, stop.subject) == (Reason.STREAM_FROZEN, "head_camera")
    assert stop.value == pytest.approx(1.95)
    feed_joints(moving, 2000, 2040, speed=0.2)
    moving.add_image("head_camera", START + 2000 * MS, picture(8))
    observed(moving, 2040)


def test_a_moving_gripper_alone_freezes_no_camera() -> None:
    sync = synchroniser(cameras=1)
    for ms in range(0, 2000, 10):
        sync.add_joints(START + ms * MS, NAMES, [0.0] * 6 + [ms / 1e3])
        if ms % 50 == 0:
            sync.add_image("head_camera", START + ms * MS, picture(7))
    observed(sync, 1995)


def test_a_broken_stream_says_what_is_wrong_instead_of_missing() -> None:
    sync = synchroniser(cameras=1)
    feed_joints(sync)
    sync.add_image("head_camera", START + 480 * MS, np.zeros((4, 4), np.uint8))
    stop = refused(sync, 500)
    assert (stop.reason, stop.subject) == (Reason.STREAM_INVALID, "head_camera")
    assert "(4, 4)" in stop.message
    sync.add_fault("head_camera", "encoding 'mono16' is not known")
    assert "mono16" in refused(sync, 500).message
    sync.add_image("head_camera", START + 490 * MS, picture(1))
    observed(sync, 500)


def test_joints_that_turn_to_nan_are_invalid_once_the_good_ones_are_old() -> None:
    sync = synchroniser(cameras=0)
    feed_joints(sync)
    sync.add_joints(START + 510 * MS, NAMES, [np.nan] * 7)
    observed(sync, 520)
    stop = refused(sync, 800)
    assert (stop.reason, stop.subject) == (Reason.STREAM_INVALID, "joint_states: joint1")


def test_objects_are_those_nearest_to_the_image() -> None:
    sync = synchroniser(cameras=1, needs_objects=True)
    feed_joints(sync)
    for ms in range(0, 500, 20):
        sync.add_objects(START + ms * MS, {"bottle": np.array([ms, 0, 0, 1.0, 0, 0, 0])}, "map")
    sync.add_image("head_camera", START + 309 * MS, picture(1))
    seen = observed(sync, 500)
    assert seen.objects["bottle"][0] == 300
    assert seen.world_frame == "map"
    assert seen.oldest_ns == START + 300 * MS


def test_a_pose_that_is_not_finite_is_no_object() -> None:
    sync = synchroniser(cameras=0, needs_objects=True)
    feed_joints(sync)
    sync.add_objects(START + 490 * MS, {"bottle": np.full(7, np.nan)}, "world")
    stop = refused(sync, 500)
    assert (stop.reason, stop.subject) == (Reason.STREAM_INVALID, "simulation/objects: bottle")


def test_images_are_kept_in_bounded_number_and_duplicates_counted() -> None:
    sync = synchroniser(cameras=1)
    for ms in range(1000):
        sync.add_image("head_camera", START + ms * MS, picture(ms))
        sync.add_image("head_camera", START + ms * MS, picture(ms))
    assert len(sync._images["head_camera"]) == StreamLimits().image_count
    assert sync.counts["head_camera"] == 2000
    assert sync.counts["head_camera:duplicate"] == 1000


def test_ages_name_every_stream() -> None:
    sync = synchroniser(needs_objects=True)
    feed_joints(sync)
    sync.add_image("head_camera", START + 400 * MS, picture(1))
    ages = sync.ages(START + 600 * MS)
    assert ages["joint_states"] == pytest.approx(0.1)
    assert ages["head_camera"] == pytest.approx(0.2)
    assert ages["wrist_camera"] == ages["simulation/objects"] == np.inf


@given(
    st.lists(st.tuples(st.sampled_from(["head_camera", "wrist_camera"]), st.integers(0, 600)), max_size=30),
    st.lists(st.integers(0, 600), max_size=60),
    st.integers(0, 700),
)
def test_whatever_arrives_an_observation_keeps_every_limit(images, joints, now_ms) -> None:
    sync = synchroniser()
    limits = sync.limits
    for ms in joints:
        sync.add_joints(START + ms * MS, NAMES, [ms / 1e3] * 7)
    for camera, ms in images:
        sync.add_image(camera, START + ms * MS, picture(ms))
    seen = sync.observe(START + now_ms * MS, "go")
    if isinstance(seen, Stop):
        assert Reason.STREAM_MISSING <= seen.reason <= Reason.STREAM_INVALID
        return
    stamps = [image.stamp_ns for image in seen.images.values()]
    assert len(stamps) == 2
    assert max(stamps) - min(stamps) <= limits.image_skew * 1e9
    assert START + now_ms * MS - min(stamps) <= limits.image_age * 1e9
    assert max(stamps) - START - now_ms * MS <= limits.future * 1e9
    assert seen.oldest_ns <= seen.stamp_ns == max(stamps)
    # joints equal seconds, so a wrong interpolation shows as a wrong time
    shown_ms = seen.arms["arm"].joints[0] * 1e3
    held = seen.stamp_ns - START - max(joints) * MS
    expected_ms = max(joints) if held > 0 else (seen.stamp_ns - START) / MS
    assert shown_ms == pytest.approx(expected_ms, abs=1e-6)


@pytest.mark.parametrize("name", ["image_age", "joint_gap", "future", "image_count", "frozen"])
def test_limits_that_nothing_could_meet_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        replace(StreamLimits(), **{name: -1})


def test_history_must_reach_back_to_the_oldest_image() -> None:
    with pytest.raises(ValueError, match="history"):
        StreamLimits(image_age=3.0)


def test_after_a_reset_of_the_scene_what_was_seen_before_counts_no_more() -> None:
    sync = synchroniser(cameras=1)
    feed_joints(sync)
    sync.add_image("head_camera", START + 480 * MS, picture(1))
    sync.forget_before(START + 500 * MS)
    feed_joints(sync)
    sync.add_image("head_camera", START + 490 * MS, picture(2))
    assert refused(sync, 510).reason is Reason.STREAM_MISSING
    feed_joints(sync, 510, 520)
    sync.add_image("head_camera", START + 515 * MS, picture(3))
    assert observed(sync, 530).images["head_camera"].rgb[0, 0, 0] == 3


def test_a_picture_is_not_held_against_an_older_place_of_the_arms() -> None:
    sync = synchroniser(cameras=1)
    feed_joints(sync, 0, 40, speed=0.0)
    sync.add_image("head_camera", START + 30 * MS, picture(6))
    # joint states are silent while the arm goes on and comes to rest, which the last new picture shows
    sync.add_image("head_camera", START + 400 * MS, picture(7))
    for ms in range(450, 3000, 50):
        sync.add_joints(START + ms * MS, NAMES, [0.5] * 6 + [0.05])
        sync.add_image("head_camera", START + ms * MS, picture(7))
    observed(sync, 2960)


def test_who_looks_anew_holds_nothing_against_a_camera() -> None:
    sync = synchroniser(cameras=1)
    for ms in range(0, 2000, 50):
        feed_joints(sync, ms, ms + 40, speed=0.2)
        sync.add_image("head_camera", START + ms * MS, picture(7))
    assert refused(sync, 2000).reason is Reason.STREAM_FROZEN
    sync.look_anew()
    sync.add_image("head_camera", START + 2000 * MS, picture(7))
    observed(sync, 2000)
