"""What happens where one chunk gives way to the next, by count of executed steps.

Knows numpy, not ROS; the guided flow itself is in ``inference``.

``rtc``: inference of the next chunk overlaps execution of the current one; steps that will have been executed by then
are frozen, the rest is guided to agree with what is under way (inpainting for flow matching). ``ensemble``: every step
is the mean of what the newest chunks say about its due time. ``replace``: the newest chunk as it comes.
"""

from enum import StrEnum


class Chunking(StrEnum):
    """How a chunk follows another."""

    RTC = "rtc"
    ENSEMBLE = "ensemble"
    REPLACE = "replace"
