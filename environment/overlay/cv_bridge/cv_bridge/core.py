"""CvBridge: images between ROS messages and numpy arrays."""

from array import array

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from .color import cvtColor2
from .encodings import DEPTHS, DTYPES, CvBridgeError, cv_type, getCvType, read

PASSTHROUGH = "passthrough"
_DECODED = {1: "mono", 3: "bgr", 4: "bgra"}


def _as_buffer(data: array | bytes | list[int]) -> memoryview:
    """View message data as bytes; only a list is copied."""
    return memoryview(bytes(data) if isinstance(data, list) else data).cast("B")


def _as_array(image: np.ndarray) -> array:
    # rclpy takes an array('B') as it is; bytes and lists it checks value by value.
    data = array("B")
    data.frombytes(np.ascontiguousarray(image).reshape(-1).view(np.uint8))
    return data


def _check_image(image: object) -> np.ndarray:
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
        shape = getattr(image, "shape", None)
        got = f"{type(image).__name__} {shape}"
        raise CvBridgeError(f"an image is a numpy array of 2 or 3 dimensions, got {got}")
    return image


class CvBridge:
    """Converts images between ROS messages and OpenCV's numpy arrays."""

    def dtype_with_channels_to_cvtype2(self, dtype: np.dtype, n_channels: int) -> str:
        """Return OpenCV's name of an element type, for example 8UC3."""
        name = np.dtype(dtype).name
        if name not in DEPTHS:
            raise CvBridgeError(f"no image encoding has elements of type {name}: use {', '.join(DEPTHS)}")
        return f"{DEPTHS[name]}C{n_channels}"

    def cvtype2_to_dtype_with_channels(self, cvtype: int) -> tuple[str, int]:
        """Return element type and channels (1 to 4) of OpenCV's number of an element type."""
        for depth, dtype in DTYPES.items():
            for channels in range(1, 5):
                if cv_type(read(f"{depth}C{channels}")) == cvtype:
                    return dtype.name, channels
        raise CvBridgeError(f"{cvtype} is no OpenCV element type with 1 to 4 channels")

    def encoding_to_cvtype2(self, encoding: str) -> int:
        """Return OpenCV's number of an encoding's element type; raises CvBridgeError if unknown."""
        return getCvType(encoding)

    def encoding_to_dtype_with_channels(self, encoding: str) -> tuple[str, int]:
        """Return element type and channels of an encoding; raises CvBridgeError on an unknown encoding."""
        known = read(encoding)
        return known.dtype.name, known.channels

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = PASSTHROUGH) -> np.ndarray:
        """Return the image (height, width[, channels]) of a message, in its own or another encoding.

        With "passthrough" the array shares the message's memory unless rows are padded or bytes swapped.
        Raises CvBridgeError on an unknown encoding, too little data, or where there is no such conversion.
        """
        encoding = read(img_msg.encoding)
        dtype = encoding.dtype.newbyteorder(">" if img_msg.is_bigendian else "<")
        height, width, step = img_msg.height, img_msg.width, img_msg.step
        pixel = dtype.itemsize * encoding.channels
        buffer = _as_buffer(img_msg.data)
        needed = (height - 1) * step + width * pixel if height and width else 0
        if (height > 1 and step < width * pixel) or buffer.nbytes < needed:
            raise CvBridgeError(
                f"{width}x{height} image of encoding '{img_msg.encoding}' needs rows of {width * pixel} "
                f"bytes, got step {step} and {buffer.nbytes} bytes of data"
            )
        shape: tuple[int, ...] = (height, width)
        strides: tuple[int, ...] = (step, pixel)
        if encoding.channels > 1:
            shape, strides = (*shape, encoding.channels), (*strides, dtype.itemsize)
        image = np.ndarray(shape, dtype, buffer, strides=strides)
        image = np.ascontiguousarray(image).astype(encoding.dtype, copy=False)
        if desired_encoding == PASSTHROUGH:
            return image
        return cvtColor2(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(self, cvim: np.ndarray, encoding: str = PASSTHROUGH, header: Header | None = None) -> Image:
        """Return the message of an image (height, width[, channels]).

        With "passthrough" the encoding is OpenCV's name of the element type (8UC3). Raises CvBridgeError
        where the image's element type or channels are not the encoding's.
        """
        image = _check_image(cvim)
        own = self.dtype_with_channels_to_cvtype2(image.dtype, 1 if image.ndim == 2 else image.shape[2])
        if encoding != PASSTHROUGH and read(encoding).cv_name != own:
            raise CvBridgeError(f"encoding '{encoding}' is {read(encoding).cv_name}, but the image is {own}")
        msg = Image()
        if header is not None:
            msg.header = header
        msg.height, msg.width = image.shape[:2]
        msg.encoding = own if encoding == PASSTHROUGH else encoding
        msg.is_bigendian = int(image.dtype.str.startswith(">"))
        msg.step = image.itemsize * int(np.prod(image.shape[1:]))
        msg.data = _as_array(image)
        return msg

    def compressed_imgmsg_to_cv2(
        self, cmprs_img_msg: CompressedImage, desired_encoding: str = PASSTHROUGH
    ) -> np.ndarray:
        """Return the decoded image: as stored (colour in BGR order) or in the desired encoding.

        Raises CvBridgeError on data that is no image.
        """
        buffer = np.frombuffer(_as_buffer(cmprs_img_msg.data), np.uint8)
        image = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if buffer.size else None
        if image is None:
            got = f"{buffer.size} bytes of format '{cmprs_img_msg.format}'"
            raise CvBridgeError(f"{got} are no image OpenCV can read")
        if desired_encoding == PASSTHROUGH:
            return image
        channels = 1 if image.ndim == 2 else image.shape[2]
        return cvtColor2(image, f"{_DECODED[channels]}{image.itemsize * 8}", desired_encoding)

    def cv2_to_compressed_imgmsg(self, cvim: np.ndarray, dst_format: str = "jpg") -> CompressedImage:
        """Return the message of an image (mono, BGR or BGRA) compressed as jpg, png and the like.

        Raises CvBridgeError where OpenCV cannot write the image in that format.
        """
        image = _check_image(cvim)
        what = f"a {image.dtype} image {image.shape} as '{dst_format}'"
        try:
            done, encoded = cv2.imencode(f".{dst_format}", image)
        except cv2.error as error:
            raise CvBridgeError(f"OpenCV could not write {what}: {error.err}") from error
        if not done:
            raise CvBridgeError(f"OpenCV could not write {what}")
        msg = CompressedImage(format=dst_format)
        msg.data = _as_array(encoded)
        return msg
