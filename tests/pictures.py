"""Pictures for tests: river banks enough for a camera's purposes, the same for the same seed."""

import io
import struct
import zlib
from random import Random
from typing import Any

import pillow_heif
from PIL import Image

from app.domain.png import SIGNATURE

pillow_heif.register_heif_opener()  # so that HEIC can be written; reading is the application's


def a_picture(seed: int = 1, size: tuple[int, int] = (800, 600)) -> Image.Image:
    """Large soft shapes with finer ones on them."""
    dice = Random(seed)  # noqa: S311
    coarse = Image.frombytes("RGB", (6, 5), dice.randbytes(90)).resize(
        size, Image.Resampling.BICUBIC
    )
    fine = Image.frombytes("RGB", (60, 45), dice.randbytes(8100)).resize(
        size, Image.Resampling.BICUBIC
    )
    return Image.blend(coarse, fine, 0.3)


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    made = io.BytesIO()
    picture.save(made, kind, **options)
    return made.getvalue()


def a_jpeg(seed: int = 1, size: tuple[int, int] = (800, 600), **options: Any) -> bytes:
    return encoded(a_picture(seed, size), "JPEG", quality=80, **options)


def taken(at: str, offset: str | None = None, orientation: int = 1) -> Image.Exif:
    """EXIF as cameras write it: `at` is `2026:06:01 08:30:00`."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "示例相机".encode().decode("latin-1")
    exif.get_ifd(0x8769)[0x9003] = at
    if offset is not None:
        exif.get_ifd(0x8769)[0x9011] = offset
    return exif


def a_png(width: int, height: int, pixels: bytes, *, interlaced: bool = False) -> bytes:
    """A grey PNG whose header says what it is told to, whatever its (compressed) pixels are."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced)
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


def an_interlaced_png(picture: Image.Image) -> bytes:
    """Pillow writes none: a grey picture in Adam7's seven passes."""
    grey, rows = picture.convert("L"), b""
    for left, top, across, down in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ):  # fmt: skip
        if left < grey.width:
            for y in range(top, grey.height, down):
                row = grey.crop((0, y, grey.width, y + 1)).tobytes()
                rows += b"\0" + row[left::across]
    return a_png(grey.width, grey.height, zlib.compress(rows), interlaced=True)


def a_png_bomb() -> bytes:
    """Some 200 kB that unfold to 200 MB behind a header of 10 × 10 pixels."""
    return a_png(10, 10, zlib.compress(bytes(200_000_000), 9))
