"""What the monitors say about streams, joints and pictures that are good, and about each way they go bad."""

import math

import numpy as np
import pytest

from mivla_ros.episodes.recording.image_checks import check_image, decode_grey
from mivla_ros.episodes.recording.joint_monitor import JointMonitor
from mivla_ros.episodes.recording.skew_monitor import SkewMonitor
from mivla_ros.episodes.recording.stream_monitor import StreamMonitor
from test.episodes.recording.messages import HAND_VIDEO, PROFILE, SECOND, blurred, encoded, ready, texture

MS = 1_000_000


def test_rate_gaps_and_latency_of_a_steady_stream() -> None:
    monitor = StreamMonitor(expected_rate=30.0)
    for i in range(90):
        stamp = i * SECOND // 30
        monitor.see(stamp + 20 * MS, 1000, stamp, latency=True, sequence=i + 1)
    report = monitor.report(90 * SECOND // 30)
    assert report.mean_rate == pytest.approx(30.0, abs=0.1)
    assert report.rate == pytest.approx(30.0, abs=1.0)
    assert (report.gaps, report.lost, report.backwards, report.repeated, report.ahead) == (0, 0, 0, 0, 0)
    assert report.latency == report.latency_max == pytest.approx(0.020)
    assert report.bytes == 90_000


def test_a_hole_in_a_stream_is_one_gap_of_its_length_and_its_messages_are_counted_as_lost() -> None:
    monitor = StreamMonitor(expected_rate=100.0)
    for i in [*range(100), *range(140, 200)]:
        monitor.see(i * 10 * MS, 10, i * 10 * MS, sequence=i + 1)
    report = monitor.report(2 * SECOND)
    assert report.gaps == 1
    assert report.longest_gap == pytest.approx(0.41)
    assert report.lost == 40


def test_a_publisher_that_begins_anew_is_no_loss() -> None:
    monitor = StreamMonitor()
    for sequence in (7, 8, 1, 2, 0, 90):
        monitor.see(0, 1, sequence=sequence)
    assert monitor.report(1).lost == 0


def test_stamps_that_repeat_go_back_or_lie_ahead_are_counted() -> None:
    monitor = StreamMonitor(expected_rate=10.0)
    for arrival, stamp in ((100, 100), (200, 200), (300, 200), (400, 150), (500, 900)):
        monitor.see(arrival * MS, 1, stamp * MS, latency=True)
    report = monitor.report(SECOND)
    assert (report.repeated, report.backwards, report.ahead) == (1, 1, 1)


def test_skew_is_the_distance_to_the_nearest_stamp_of_the_other_stream() -> None:
    monitor = SkewMonitor(["a", "b"], ["joints"], limit=0.02)
    events = [("a", i * 100 * MS) for i in range(40)]
    events += [("b", i * 100 * MS + 30 * MS) for i in range(40)]
    events += [("joints", i * 10 * MS + 4 * MS) for i in range(400)]
    for stream, stamp in sorted(events, key=lambda e: e[1]):
        monitor.see(stream, stamp)
    reports = {(r.camera, r.other): r for r in monitor.reports()}
    assert reports["a", "b"].largest == pytest.approx(0.030)
    assert reports["a", "b"].wide == 1.0
    assert reports["a", "joints"].largest == pytest.approx(0.004)  # before its first image nothing else had come
    assert reports["b", "joints"].wide == 0.0
    assert monitor.largest("a") == pytest.approx(0.030)


def test_fast_motion_is_no_jump_and_a_jump_is_named() -> None:
    monitor = JointMonitor(PROFILE)
    speed = PROFILE.arms[0].velocity[0]
    for i in range(100):
        monitor.see(i * 10 * MS, list(ready()), list(ready(speed * i * 0.01).values()))
    assert monitor.jump_count == 0
    broken = ready(speed * 0.99) | {"joint2": 0.2}
    monitor.see(SECOND, list(broken), list(broken.values()))
    assert [jump.joint for jump in monitor.jumps] == ["joint2"]
    assert monitor.jumps[0].seconds == pytest.approx(0.01)
    assert monitor.missing == ()


def test_joints_that_never_come_and_values_that_are_none_are_told() -> None:
    monitor = JointMonitor(PROFILE)
    monitor.see(0, ["joint1", "stranger"], [math.nan, 1.0])
    monitor.see(1, ["joint2"], [0.5])
    assert monitor.invalid == 1
    assert "joint1" in monitor.missing
    assert "joint2" not in monitor.missing


def test_a_picture_is_sharper_the_less_it_is_blurred() -> None:
    values = [check_image(decode_grey(encoded(blurred(texture(), sigma)))).blur for sigma in (0, 2, 4, 6)]
    assert values == sorted(values)
    assert values[0] < 0.45
    assert values[-1] > 0.65


@pytest.mark.skipif(not HAND_VIDEO.is_file(), reason="the hand video in ../shared/data is not here")
def test_frames_of_a_real_video_are_sharp_and_their_blurred_copies_are_not() -> None:
    import av

    with av.open(str(HAND_VIDEO)) as container:
        frames = [f.to_ndarray(format="rgb24") for i, f in enumerate(container.decode(video=0)) if i % 60 == 0]
    for rgb in frames[:5]:
        scale = rgb.shape[1] / 640
        assert check_image(decode_grey(encoded(rgb))).blur < 0.6
        assert check_image(decode_grey(encoded(blurred(rgb, 7 * scale)))).blur > 0.6


def test_exposure_is_the_share_of_pixels_without_detail() -> None:
    dark = check_image(decode_grey(encoded((texture() * 0.03).astype(np.uint8))))
    bright = check_image(decode_grey(encoded(np.clip(texture().astype(int) + 200, 0, 255).astype(np.uint8))))
    fair = check_image(decode_grey(encoded(texture())))
    assert dark.dark > 0.95
    assert bright.bright > 0.8
    assert fair.dark < 0.05
    assert fair.bright < 0.05


def test_what_is_no_jpeg_is_refused() -> None:
    whole = encoded(texture())
    with pytest.raises(ValueError, match=r".+"):
        decode_grey(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r".+"):
        decode_grey(b"")
