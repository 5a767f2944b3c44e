"""Cameras at rest: size, rate, stamps, frame, field of view, focus, light."""

import math

import numpy as np

from mivla_ros.doctor.collected import CameraSeen, Collected
from mivla_ros.doctor.finding import Finding, failure, ok, warning
from mivla_ros.episodes.recording.image_checks import check_image
from mivla_ros.robots.profile import CameraProfile, RobotProfile

SECOND = 1e9
RATE_SHARE = 0.8
AGE = 0.3  # s; the policy node refuses 0.5
BLUR = 0.65  # of check_image: sharp scenes lie below 0.5, a lens out of focus above 0.7
DARK = 0.6  # share of the pixels without detail
FEATURELESS = 8.0  # grey levels: neither sharp nor blurred can be told
FOV = 0.1  # rad


def check_cameras(profile: RobotProfile, seen: Collected) -> list[Finding]:
    """Every camera of the profile."""
    findings: list[Finding] = []
    for camera in profile.cameras:
        found = seen.cameras.get(camera.name)
        if found is None or len(found.received_ns) < 2:
            advice = "look at its USB plug and hub (several cameras on one hub starve), then its driver's log"
            findings.append(failure("camera_silent", camera.name, "no pictures came", advice))
            continue
        mine = [*_shape(camera, found), *_time(camera, found), *_picture(camera, found)]
        findings += mine or [ok("camera", camera.name, f"{found.width} x {found.height}, sharp, in time")]
    return findings


def _shape(camera: CameraProfile, found: CameraSeen) -> list[Finding]:
    findings = []
    if abs(found.width / found.height - camera.width / camera.height) > 0.02 or found.width < camera.width:
        words = f"is {found.width} x {found.height}, the profile says {camera.width} x {camera.height}"
        advice = "set the camera's resolution to that shape, or change the profile before recording"
        findings.append(failure("camera_size", camera.name, words, advice, found.width, camera.width))
    if found.frame_id != camera.frame:
        words = f"is in frame {found.frame_id!r}, the profile says {camera.frame!r}"
        advice = "swapped cameras? assign them by serial number; else set the driver's frame id"
        findings.append(failure("camera_frame", camera.name, words, advice))
    if found.info is None:
        advice = "start the driver with its calibration, or calibrate"
        findings.append(warning("camera_info_missing", camera.name, "no camera_info comes", advice))
    else:
        width, height, fy = found.info
        fov = 2 * math.atan2(height / 2, fy) if fy > 0 else math.nan
        if (width, height) != (found.width, found.height):
            words = f"camera_info is for {width} x {height}, pictures are {found.width} x {found.height}"
            advice = "load the calibration of this resolution"
            findings.append(failure("camera_info_size", camera.name, words, advice, width, found.width))
        elif not abs(fov - camera.vertical_fov) <= FOV:
            words = f"sees {fov:.3f} rad from top to bottom, the profile says {camera.vertical_fov:g}"
            advice = (
                "another camera or crop than the policy was trained on: change the stream, or vertical_fov and retrain"
            )
            findings.append(warning("camera_fov", camera.name, words, advice, fov, camera.vertical_fov))
    return findings


def _time(camera: CameraProfile, found: CameraSeen) -> list[Finding]:
    findings = []
    received, stamps = np.array(found.received_ns) / SECOND, np.array(found.stamps_ns) / SECOND
    rate = (len(received) - 1) / max(received[-1] - received[0], 1e-9)
    if rate < RATE_SHARE * camera.rate:
        advice = "USB bandwidth (one hub a camera), exposure longer than a frame, or a busy machine"
        limit = RATE_SHARE * camera.rate
        findings.append(failure("camera_rate", camera.name, f"comes at {rate:.1f} Hz", advice, float(rate), limit))
    age = float(np.median(received - stamps))
    if (np.diff(stamps) < 0).any():
        advice = "two publishers, or a clock that is set while running"
        findings.append(failure("camera_stamps_order", camera.name, "stamps go back", advice))
    elif (np.diff(stamps) == 0).any():
        advice = "the driver repeats frames: lower its rate to what the sensor gives"
        findings.append(warning("camera_stamps_repeat", camera.name, "stamps repeat", advice))
    if abs(age) > AGE:
        words = f"pictures are {age:.3f} s old on arrival"
        advice = "clocks that differ (chrony), stamps of another clock, or a queue in the driver: set its buffer to 1"
        findings.append(failure("camera_age", camera.name, words, advice, age, AGE))
    return findings


def _picture(camera: CameraProfile, found: CameraSeen) -> list[Finding]:
    if found.grey is None:
        return []
    check = check_image(found.grey)
    if check.dark > DARK or check.bright > DARK:
        side = "dark" if check.dark > DARK else "bright"
        share = max(check.dark, check.bright)
        advice = "lens cap, exposure, light"
        return [failure("camera_light", camera.name, f"{share:.0%} of the picture is too {side}", advice, share, DARK)]
    if check.contrast < FEATURELESS:
        advice = "point it at the table and look again"
        words = "shows nothing but one grey, so its focus cannot be judged"
        return [warning("camera_featureless", camera.name, words, advice, check.contrast, FEATURELESS)]
    if check.blur > BLUR:
        words = f"is blurred ({check.blur:.2f})"
        advice = "focus the lens (a full page of print at working distance), clean it, fix autofocus"
        return [failure("camera_focus", camera.name, words, advice, check.blur, BLUR)]
    return []
