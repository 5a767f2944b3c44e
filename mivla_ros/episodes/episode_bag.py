"""Writes an episode as a bag of this suite without ROS: what the recorder would have recorded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mivla_ros import __version__
from mivla_ros.action_chunk import NANOSECONDS, ActionChunk
from mivla_ros.episodes.bag_chunks import chunk_to_decoded
from mivla_ros.episodes.bag_writer import BagWriter
from mivla_ros.episodes.episode import Array, Episode
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.message_source import ros2_types
from mivla_ros.episodes.topics import recorded_topics
from mivla_ros.robots.profile import RobotProfile

JPEG_QUALITY = 90


class EpisodeBag:
    """One bag being written. Stamps are capture times in ns and also the log times; any order is allowed."""

    def __init__(self, folder: Path, profile: RobotProfile, instruction: str, label: str = "", **metadata: str) -> None:
        """Open a new bag. Raises RecordingError where the folder exists or cannot be made."""
        self._store = ros2_types()
        self._types = self._store.types
        topics = {f"/{topic.name}".replace("//", "/"): topic for topic in recorded_topics(profile)}
        custom = {
            "robot": profile.name,
            "profile_hash": profile.hash,
            "mivla_version": __version__,
            "instruction": instruction,
            "label": label,
            **metadata,
        }
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._writer = BagWriter(folder, topics, {key: value for key, value in custom.items() if value})
        self._profile, self._instruction, self._said = profile, instruction, False

    def __enter__(self) -> "EpisodeBag":
        """The bag itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file."""
        self.close()

    def set_label(self, label: str) -> None:
        """How it went, where that is known only at the end: success, failure or a word of one's own."""
        self._writer.set_custom_data({"label": label})

    def add_rgb(self, camera: str, stamp_ns: int, rgb: NDArray[np.uint8], frame_id: str = "") -> None:
        """A picture (height, width, 3) of a camera of the profile, stored as JPEG."""
        import simplejpeg

        data = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), JPEG_QUALITY, "RGB", "420")
        self.add_encoded(camera, stamp_ns, data, frame_id)

    def add_encoded(self, camera: str, stamp_ns: int, data: bytes, frame_id: str = "") -> None:
        """A picture as JPEG or PNG bytes of true colours."""
        frame = frame_id or self._profile.camera(camera).frame
        kind = "png" if data[:2] == b"\x89P" else "jpeg"
        message = self._types["sensor_msgs/msg/CompressedImage"](
            header=self._header(stamp_ns, frame),
            format=f"rgb8; {kind} compressed bgr8",
            data=np.frombuffer(data, dtype=np.uint8),
        )
        self._write(f"/{camera}/image_raw/compressed", stamp_ns, message)

    def add_camera_info(self, camera: str, stamp_ns: int, size: tuple[int, int], matrix: Array) -> None:
        """Intrinsics (3, 3) in pixels of pictures of ``size`` (height, width), without distortion."""
        projection = np.zeros((3, 4))
        projection[:, :3] = matrix
        region = self._types["sensor_msgs/msg/RegionOfInterest"](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        message = self._types["sensor_msgs/msg/CameraInfo"](
            header=self._header(stamp_ns, self._profile.camera(camera).frame),
            height=size[0],
            width=size[1],
            distortion_model="plumb_bob",
            d=np.zeros(5),
            k=np.asarray(matrix, dtype=np.float64).ravel(),
            r=np.eye(3).ravel(),
            p=projection.ravel(),
            binning_x=0,
            binning_y=0,
            roi=region,
        )
        self._write(f"/{camera}/camera_info", stamp_ns, message)

    def add_joints(
        self,
        stamp_ns: int,
        names: Sequence[str],
        positions: Sequence[float],
        velocities: Sequence[float] = (),
        log_ns: int | None = None,
    ) -> None:
        """Measured joints (rad, m; rad/s, m/s). log_ns: when they arrived, where that is not the stamp."""
        message = self._types["sensor_msgs/msg/JointState"](
            header=self._header(stamp_ns),
            name=list(names),
            position=np.asarray(positions, dtype=np.float64),
            velocity=np.asarray(velocities, dtype=np.float64),
            effort=np.empty(0),
        )
        self._write("/joint_states", stamp_ns if log_ns is None else log_ns, message)

    def add_commands(self, due_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """Joints as commanded for a moment: what becomes the action of training."""
        message = self._types["mivla_msgs/msg/ExecutedSteps"](
            header=self._header(due_ns),
            session=self._uuid(bytes(16)),
            generation=0,
            sequence=0,
            horizon=0,
            first_step=0,
            dropped_steps=0,
            executed_steps=0,
            remaining_steps=0,
            total_executed_steps=0,
            due_time=self._time(due_ns),
            joint_names=list(names),
            joint_positions=np.asarray(positions, dtype=np.float64),
            holding=False,
        )
        self._write("/mivla/executed", due_ns, message)

    def add_chunk(self, chunk: ActionChunk) -> None:
        """A chunk, hands and body included, at the time its inference ended (its first step's, where that is not
        known)."""
        message = chunk_to_decoded(self._types, chunk)
        self._write("/mivla/actions", chunk.inference_end_ns or chunk.first_step_ns, message)

    def close(self) -> None:
        """Finish the file and write metadata.yaml; twice does no harm."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None  # type: ignore[assignment]

    def _write(self, topic: str, stamp_ns: int, message: Any) -> None:  # noqa: ANN401
        kind = str(message.__msgtype__)
        if not self._said and self._instruction:
            self._said = True
            words = self._types["std_msgs/msg/String"](data=self._instruction)
            self._write("/mivla/instruction", stamp_ns, words)
        self._writer.write(topic, stamp_ns, bytes(self._store.serialize_cdr(message, kind)))

    def _time(self, nanoseconds: int) -> Any:  # noqa: ANN401
        seconds, rest = divmod(int(nanoseconds), NANOSECONDS)
        return self._types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=rest)

    def _header(self, stamp_ns: int, frame_id: str = "") -> Any:  # noqa: ANN401
        return self._types["std_msgs/msg/Header"](stamp=self._time(stamp_ns), frame_id=frame_id)

    def _uuid(self, value: bytes) -> Any:  # noqa: ANN401
        return self._types["unique_identifier_msgs/msg/UUID"](uuid=np.frombuffer(value, dtype=np.uint8))


def write_bag(episode: Episode, folder: Path, profile: RobotProfile, cameras: Mapping[str, str] | None = None) -> None:
    """Write an episode of any format as a bag of a robot with that profile; joints and arms must be the profile's.

    cameras: the profile's camera by the episode's, where names differ; others are left out. Raises EpisodeError.
    """
    names = profile.joint_names
    joints = episode.streams.get("joints")
    if joints is None or any(name not in joints.columns for name in names):
        missing = [n for n in names if joints is None or n not in joints.columns]
        raise EpisodeError(episode.info.path, "joints", f"has no column {', '.join(missing)} of robot {profile.name}")
    known = {camera.name for camera in profile.cameras}
    chosen = cameras if cameras is not None else {name: name for name in episode.cameras if name in known}
    with EpisodeBag(folder, profile, episode.info.instruction, episode.info.label, source=episode.info.format) as bag:
        for stream_name, add in (("joints", bag.add_joints), ("commands", bag.add_commands)):
            if stream_name not in episode.streams:
                continue
            stream = episode.streams[stream_name]
            columns = [stream.columns.index(name) for name in names if name in stream.columns]
            for stamp, row in zip(stream.stamps_ns.tolist(), stream.values[:, columns], strict=True):
                there = np.isfinite(row)
                add(stamp, [stream.columns[c] for c, t in zip(columns, there, strict=True) if t], row[there].tolist())
        for source, target in chosen.items():
            camera = episode.cameras[source]
            if camera.intrinsics is not None:
                bag.add_camera_info(target, int(camera.stamps_ns[0]), camera.size, camera.intrinsics)
            for index, stamp in enumerate(camera.stamps_ns.tolist()):
                data = camera.encoded(index)
                if data is not None:
                    bag.add_encoded(target, stamp, data, camera.frame_id)
                else:
                    bag.add_rgb(target, stamp, camera.rgb(index), camera.frame_id)
        for chunk in episode.chunks:
            bag.add_chunk(chunk)
