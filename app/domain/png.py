"""PNG (ISO/IEC 15948): proven whole without ever holding the picture decoded.

Pillow has no reduced decode for PNG, and a bomb of a few kilobytes may unfold to gigabytes; so we
walk the chunks, check each sum, and count what the pixels unfold to, a piece at a time.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIECE = 1 << 16
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Adam7: first column, first row, step across, step down of each pass.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


class BrokenPng(Exception):
    """Not a PNG, not whole, animated, or not what its header says."""


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What IHDR says; `bits` a pixel."""

    width: int
    height: int
    bits: int
    interlaced: bool

    @property
    def unfolded(self) -> int:
        """How many bytes the filtered rows of all passes make together."""
        passes = _PASSES if self.interlaced else ((0, 0, 1, 1),)
        total = 0
        for left, top, across, down in passes:
            columns = -(-(self.width - left) // across)
            rows = -(-(self.height - top) // down)
            if columns > 0 and rows > 0:
                total += rows * (1 + (columns * self.bits + 7) // 8)
        return total


def header(content: bytes) -> PngHeader:
    """The first chunk. Raises `BrokenPng`."""
    if content[:8] != SIGNATURE or content[8:16] != b"\x00\x00\x00\rIHDR" or len(content) < 33:
        raise BrokenPng("no header")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(
        ">IIBBBBB", content[16:29]
    )
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise BrokenPng("an impossible header")
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
        raise BrokenPng("no pixels")
    return PngHeader(width, height, depth * _SAMPLES[colour], bool(interlace))


def prove_whole(content: bytes) -> bytes | None:
    """Check all of it; answers the EXIF block if there is one. Raises `BrokenPng`.

    The caller has bounded the size by `header`: the time taken grows with it, the memory does not.
    """
    expected = header(content).unfolded
    unfolded, exif = 0, None
    inflating = zlib.decompressobj()
    for kind, body in _chunks(content):
        if kind == b"acTL":
            raise BrokenPng("animated")
        if kind == b"eXIf":
            exif = bytes(body)
        if kind != b"IDAT":
            continue
        rest = bytes(body)
        while rest and not inflating.eof:
            try:
                unfolded += len(inflating.decompress(rest, _PIECE))
            except zlib.error:
                raise BrokenPng("pixels that do not unfold") from None
            if unfolded > expected:
                raise BrokenPng("more pixels than the header says")
            rest = inflating.unconsumed_tail
    unfolded += len(inflating.flush())
    if not inflating.eof or unfolded != expected:
        raise BrokenPng("fewer pixels than the header says")
    return exif


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and body of each chunk, up to and with IEND."""
    view, place = memoryview(content), len(SIGNATURE)
    while place + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        if end + 4 > len(content):
            break
        body = view[place + 8 : end]
        if zlib.crc32(body, zlib.crc32(kind)) != struct.unpack_from(">I", content, end)[0]:
            raise BrokenPng("a chunk with a wrong sum")
        yield kind, body
        if kind == b"IEND":
            return
        place = end + 4
    raise BrokenPng("cut short")
