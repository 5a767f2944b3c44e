"""The overlay's cv_bridge: images survive the way through messages; what is no image is refused."""

from array import array
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

NAMED = {
    "mono8": ("uint8", 1),
    "mono16": ("uint16", 1),
    "rgb8": ("uint8", 3),
    "bgr8": ("uint8", 3),
    "rgba8": ("uint8", 4),
    "bgra8": ("uint8", 4),
    "rgb16": ("uint16", 3),
    "8UC1": ("uint8", 1),
    "8UC3": ("uint8", 3),
    "16UC1": ("uint16", 1),
    "16SC2": ("int16", 2),
    "32SC1": ("int32", 1),
    "32FC1": ("float32", 1),
    "32FC3": ("float32", 3),
    "64FC4": ("float64", 4),
}


def shaped(height: int, width: int, channels: int) -> tuple[int, ...]:
    return (height, width) if channels == 1 else (height, width, channels)


def gradient(encoding: str, height: int = 4, width: int = 5) -> np.ndarray:
    dtype, channels = NAMED[encoding]
    return np.arange(height * width * channels, dtype=dtype).reshape(shaped(height, width, channels))


@given(data=st.data(), encoding=st.sampled_from(sorted(NAMED)))
def test_an_image_comes_back_from_its_message(cv_bridge: ModuleType, data: st.DataObject, encoding: str) -> None:
    dtype, channels = NAMED[encoding]
    shape = shaped(data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8)), channels)
    image = data.draw(arrays(dtype, shape))
    bridge = cv_bridge.CvBridge()
    message = bridge.cv2_to_imgmsg(image, encoding)
    assert (message.height, message.width, message.encoding) == (*shape[:2], encoding)
    assert message.step == shape[1] * channels * image.itemsize
    assert isinstance(message.data, array)
    for desired in ("passthrough", encoding):
        again = bridge.imgmsg_to_cv2(message, desired)
        assert again.dtype == image.dtype
        np.testing.assert_array_equal(again, image)


@pytest.mark.parametrize("encoding", sorted(NAMED))
def test_an_encoding_names_element_type_and_channels(cv_bridge: ModuleType, encoding: str) -> None:
    bridge = cv_bridge.CvBridge()
    assert bridge.encoding_to_dtype_with_channels(encoding) == NAMED[encoding]
    cvtype = bridge.encoding_to_cvtype2(encoding)
    assert bridge.cvtype2_to_dtype_with_channels(cvtype) == NAMED[encoding]


def test_passthrough_names_the_element_type(cv_bridge: ModuleType) -> None:
    bridge = cv_bridge.CvBridge()
    assert bridge.cv2_to_imgmsg(gradient("bgr8")).encoding == "8UC3"
    assert bridge.cv2_to_imgmsg(gradient("32FC1")).encoding == "32FC1"


def test_rows_may_be_padded(cv_bridge: ModuleType) -> None:
    from sensor_msgs.msg import Image

    image = gradient("rgb8")
    padded = np.full((4, 5 * 3 + 7), 99, np.uint8)
    padded[:, :15] = image.reshape(4, 15)
    # The last row may end with its last pixel.
    message = Image(height=4, width=5, encoding="rgb8", step=22, data=array("B", padded.tobytes()[:-7]))
    np.testing.assert_array_equal(cv_bridge.CvBridge().imgmsg_to_cv2(message), image)


@pytest.mark.parametrize("encoding", ["mono16", "32FC1", "16SC2"])
def test_bytes_may_come_in_either_order(cv_bridge: ModuleType, encoding: str) -> None:
    image = gradient(encoding)
    bridge = cv_bridge.CvBridge()
    message = bridge.cv2_to_imgmsg(image.astype(image.dtype.newbyteorder(">")), encoding)
    assert message.is_bigendian == 1
    again = bridge.imgmsg_to_cv2(message)
    assert again.dtype == image.dtype
    np.testing.assert_array_equal(again, image)


def test_passthrough_shares_the_messages_memory(cv_bridge: ModuleType) -> None:
    bridge = cv_bridge.CvBridge()
    message = bridge.cv2_to_imgmsg(gradient("bgr8"), "bgr8")
    shared, copied = bridge.imgmsg_to_cv2(message), bridge.imgmsg_to_cv2(message, "bgr8")
    message.data[0] = 200
    assert shared[0, 0, 0] == 200
    assert copied[0, 0, 0] == 0


def test_a_view_with_gaps_becomes_a_message(cv_bridge: ModuleType) -> None:
    bridge = cv_bridge.CvBridge()
    image = gradient("rgb8", 6, 8)[::2, ::-1]
    np.testing.assert_array_equal(bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image, "rgb8")), image)


def test_the_header_goes_with_the_image(cv_bridge: ModuleType) -> None:
    from std_msgs.msg import Header

    message = cv_bridge.CvBridge().cv2_to_imgmsg(gradient("mono8"), "mono8", Header(frame_id="camera"))
    assert message.header.frame_id == "camera"


@given(image=arrays(np.uint8, (3, 4, 3)))
def test_colour_orders_change_places(cv_bridge: ModuleType, image: np.ndarray) -> None:
    bridge = cv_bridge.CvBridge()
    message = bridge.cv2_to_imgmsg(image, "rgb8")
    np.testing.assert_array_equal(bridge.imgmsg_to_cv2(message, "bgr8"), image[..., ::-1])
    rgba = bridge.imgmsg_to_cv2(message, "rgba8")
    np.testing.assert_array_equal(rgba[..., :3], image)
    assert (rgba[..., 3] == 255).all()


def test_grey_weighs_the_colours_as_opencv_does(cv_bridge: ModuleType) -> None:
    bridge = cv_bridge.CvBridge()
    for encoding in ("rgb8", "bgr8"):
        red = np.zeros((1, 1, 3), np.uint8)
        red[..., encoding.index("r")] = 255
        grey = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(red, encoding), "mono8")
        assert grey.shape == (1, 1)
        assert grey[0, 0] == 76  # 0.299 of 255


def test_full_scale_stays_full_scale_between_8_and_16_bit(cv_bridge: ModuleType) -> None:
    bridge = cv_bridge.CvBridge()
    image = np.array([[0, 1, 255]], np.uint8)
    deep = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image, "mono8"), "mono16")
    np.testing.assert_array_equal(deep, [[0, 257, 65535]])
    np.testing.assert_array_equal(bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(deep, "mono16"), "mono8"), image)


def test_without_a_colour_values_keep_and_saturate(cv_bridge: ModuleType) -> None:
    bridge = cv_bridge.CvBridge()
    depth = np.array([[-1.0, 0.6, 70000.0]], np.float32)
    shallow = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(depth, "32FC1"), "16UC1")
    np.testing.assert_array_equal(shallow, [[0, 1, 65535]])


@given(image=arrays(np.uint8, (6, 7, 3)))
def test_png_keeps_every_value(cv_bridge: ModuleType, image: np.ndarray) -> None:
    bridge = cv_bridge.CvBridge()
    message = bridge.cv2_to_compressed_imgmsg(image, "png")
    assert message.format == "png"
    np.testing.assert_array_equal(bridge.compressed_imgmsg_to_cv2(message), image)
    np.testing.assert_array_equal(bridge.compressed_imgmsg_to_cv2(message, "rgb8"), image[..., ::-1])


def test_jpg_is_near_enough(cv_bridge: ModuleType) -> None:
    bridge = cv_bridge.CvBridge()
    image = np.full((32, 48, 3), (200, 90, 30), np.uint8)
    again = bridge.compressed_imgmsg_to_cv2(bridge.cv2_to_compressed_imgmsg(image))
    np.testing.assert_allclose(again.astype(int), image, atol=4)


def test_a_grey_picture_can_be_asked_for_in_colour(cv_bridge: ModuleType) -> None:
    bridge = cv_bridge.CvBridge()
    deep = np.array([[0, 65535]], np.uint16)
    got = bridge.compressed_imgmsg_to_cv2(bridge.cv2_to_compressed_imgmsg(deep, "png"), "rgb8")
    np.testing.assert_array_equal(got, [[[0, 0, 0], [255, 255, 255]]])


def test_what_is_no_image_is_refused_with_the_reason(cv_bridge: ModuleType) -> None:
    from sensor_msgs.msg import CompressedImage, Image

    bridge = cv_bridge.CvBridge()
    error = cv_bridge.CvBridgeError
    assert issubclass(error, TypeError)
    small = Image(height=2, width=2, encoding="rgb8", step=6, data=array("B", bytes(11)))
    with pytest.raises(error, match="11 bytes of data"):
        bridge.imgmsg_to_cv2(small)
    with pytest.raises(error, match="step 5"):
        bridge.imgmsg_to_cv2(Image(height=2, width=2, encoding="rgb8", step=5, data=array("B", bytes(99))))
    with pytest.raises(error, match="'purple8'"):
        bridge.imgmsg_to_cv2(Image(height=1, width=1, encoding="purple8", step=3, data=array("B", bytes(3))))
    with pytest.raises(error, match=r"from '32FC1' .* to 'rgb8'"):
        bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(gradient("32FC1")), "rgb8")
    with pytest.raises(error, match="'mono8' is 8UC1, but the image is 8UC3"):
        bridge.cv2_to_imgmsg(gradient("bgr8"), "mono8")
    with pytest.raises(error, match="int64"):
        bridge.cv2_to_imgmsg(np.zeros((2, 2), np.int64))
    with pytest.raises(error, match="list"):
        bridge.cv2_to_imgmsg([[1, 2], [3, 4]])
    with pytest.raises(error, match="2 or 3 dimensions"):
        bridge.cv2_to_compressed_imgmsg(np.zeros(4, np.uint8))
    with pytest.raises(error, match="4 bytes of format 'jpg'"):
        bridge.compressed_imgmsg_to_cv2(CompressedImage(format="jpg", data=array("B", b"nope")))
    with pytest.raises(error, match="'nothing'"):
        bridge.cv2_to_compressed_imgmsg(gradient("bgr8"), "nothing")
