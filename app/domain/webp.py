"""WebP (RFC 9649): its size, read before any decoder reserves memory for it."""

import struct

_ANIMATION = 0x02


class BrokenWebp(Exception):
    """Not a WebP, cut short, or animated."""


def size(content: bytes) -> tuple[int, int]:
    """Width and height in pixels of a whole, still picture. Raises `BrokenWebp`."""
    if len(content) < 30 or content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        raise BrokenWebp("no header")
    if struct.unpack_from("<I", content, 4)[0] + 8 > len(content):
        raise BrokenWebp("cut short")
    kind = content[12:16]
    if kind == b"VP8X":
        if content[20] & _ANIMATION:
            raise BrokenWebp("animated")
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
        return width, height
    if kind == b"VP8L" and content[20] == 0x2F:
        bits = struct.unpack_from("<I", content, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise BrokenWebp("no picture")
