"""Images between ROS messages and numpy arrays."""

from .color import cvtColor2
from .core import CvBridge
from .encodings import CvBridgeError, getCvType

__all__ = ["CvBridge", "CvBridgeError", "cvtColor2", "getCvType"]
