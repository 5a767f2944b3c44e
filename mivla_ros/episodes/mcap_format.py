"""What every MCAP file is made of, as the reader, the scan of broken files and the writer of their end need it."""

import struct

MAGIC = b"\x89MCAP0\r\n"
RECORD_HEAD = struct.Struct("<BQ")  # opcode, length
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
CHUNK_HEAD = struct.Struct("<QQQI")  # first and last log time, size and checksum of the plain records
COMPRESSIONS = ("", "zstd", "lz4")


def decompress(data: bytes | memoryview, size: int, compression: str) -> bytes:
    """At most ``size`` + 1 bytes, whatever the data claim. Raises ValueError for a compression that is not known, and
    what the compressor raises for damaged data."""
    if compression == "zstd":
        import zstandard

        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data) as reader:
            return reader.read(size + 1)
    if compression == "lz4":
        import lz4.frame

        return lz4.frame.LZ4FrameDecompressor().decompress(bytes(data), max_length=size + 1)
    raise ValueError(f"compression {compression!r} is not known")
