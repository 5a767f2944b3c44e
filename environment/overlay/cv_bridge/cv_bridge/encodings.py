"""What an image encoding's name says: element type, channels and colour order."""

import re
from dataclasses import dataclass

import cv2
import numpy as np

DTYPES: dict[str, np.dtype] = {
    "8U": np.dtype("uint8"),
    "8S": np.dtype("int8"),
    "16U": np.dtype("uint16"),
    "16S": np.dtype("int16"),
    "32S": np.dtype("int32"),
    "32F": np.dtype("float32"),
    "64F": np.dtype("float64"),
}
DEPTHS = {dtype.name: depth for depth, dtype in DTYPES.items()}

_GENERIC = re.compile(r"(8U|8S|16U|16S|32S|32F|64F)C(\d+)")
_COLOR = re.compile(r"(mono|rgba|bgra|rgb|bgr)(8|16)")
_BAYER = re.compile(r"bayer_(?:rggb|bggr|gbrg|grbg)(8|16)")
_YUV = ("yuv422", "yuv422_yuy2", "uyvy", "yuyv")
_CHANNELS = {"mono": 1, "rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}


class CvBridgeError(TypeError):
    """An image that cannot be converted: unknown encoding, wrong size or no such conversion."""


@dataclass(frozen=True)
class Encoding:
    """An encoding's element depth ("8U", "32F", ...), channels, and colour order where the name says one."""

    name: str
    depth: str
    channels: int
    color: str | None

    @property
    def dtype(self) -> np.dtype:
        """Element type, in this machine's byte order."""
        return DTYPES[self.depth]

    @property
    def cv_name(self) -> str:
        """OpenCV's name of the element type, for example 8UC3."""
        return f"{self.depth}C{self.channels}"


def read(name: str) -> Encoding:
    """Return what an encoding's name says; raises CvBridgeError where it is none of sensor_msgs' names."""
    if match := _COLOR.fullmatch(name):
        return Encoding(name, f"{match[2]}U", _CHANNELS[match[1]], match[1])
    # A bare "8UC" or "32FC" means one channel.
    if match := _GENERIC.fullmatch(name if name[-1:] != "C" else f"{name}1"):
        return Encoding(name, match[1], int(match[2]), None)
    if match := _BAYER.fullmatch(name):
        return Encoding(name, f"{match[1]}U", 1, None)
    if name in _YUV:
        return Encoding(name, "8U", 2, None)
    raise CvBridgeError(f"unknown image encoding '{name}'")


def cv_type(encoding: Encoding) -> int:
    """Return OpenCV's number of an element type; it differs between OpenCV versions."""
    return int(getattr(cv2, f"CV_{encoding.depth}C")(encoding.channels))


def getCvType(encoding: str) -> int:
    """Return OpenCV's number of an encoding's element type."""
    return cv_type(read(encoding))
