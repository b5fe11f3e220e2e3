"""Reading pictures with Pillow, off the event loop: two at a time, big ones alone.

Pillow is loaded there too, for the first picture: 10 MB that a web process may do without.
"""

import asyncio
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from app import clock
from app.domain import jpeg, png, webp
from app.errors import PhotoUnreadable

if TYPE_CHECKING:
    from PIL import Image

log = structlog.get_logger(__name__)

BYTES_LIMIT = 20 << 20
PIXELS_LIMIT = 100_000_000
_SCANS_LIMIT = 100
# What decoding takes, in bytes a pixel, and from how many bytes on it is done alone.
_BYTES_A_PIXEL = {"WEBP": 16, "HEIF": 7, "PNG": 6, "JPEG": 6, "MPO": 6}
_BIG_BYTES = 96 << 20
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1"}
_EXIF_IFD, _TAKEN, _TAKEN_OFFSET = 0x8769, 0x9003, 0x9011

_threads = ThreadPoolExecutor(2, thread_name_prefix="picture")
_alone = threading.Lock()
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the bytes prove: a whole picture of this type and size (pixels, as stored)."""

    content_type: str
    width: int
    height: int
    taken_at: datetime | None


@cache
def _pillow() -> Any:
    """Pillow's module of images, which from then on knows HEIC."""
    import pillow_heif  # noqa: PLC0415 - as this module says at its top
    from PIL import Image  # noqa: PLC0415

    # We look at the header ourselves, and Pillow's own limit would warn below ours.
    Image.MAX_IMAGE_PIXELS = None
    # An embedded thumbnail that can be read proves nothing about the picture.
    pillow_heif.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
    )
    return Image


async def inspect(content: bytes) -> Inspected:
    """Prove that `content` is a whole JPEG, PNG, WebP or HEIC of at most 100 megapixels.

    Raises `PhotoUnreadable` for everything else, whatever its name or header says.
    """
    return await aside(lambda: _inspect(content))


async def aside(make: Callable[[], Made]) -> Made:
    """Do the work on one of our two threads. Raises `PhotoUnreadable` for whatever goes wrong."""

    def run() -> Made:
        try:
            return make()
        except PhotoUnreadable:
            raise
        except Exception as error:  # noqa: BLE001  hostile bytes make readers raise almost anything
            log.info("photo unreadable", why=type(error).__name__)
            raise PhotoUnreadable from None

    return await asyncio.get_running_loop().run_in_executor(_threads, run)


def content_type_of(content: bytes) -> str | None:
    """The type, by the first bytes alone; None for what we do not take."""
    if content[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if content[:8] == png.SIGNATURE:
        return "image/png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS:
        return "image/heic"
    return None


def _inspect(content: bytes) -> Inspected:
    kind = content_type_of(content)
    if kind == "image/png":
        head = png.header(content)
        _refuse_too_many(head.width, head.height)
        return Inspected(kind, head.width, head.height, _taken_at(png.prove_whole(content)))
    with open_(content) as image:
        width, height = image.size
        with turn(image):
            image.draft(None, (1, 1))
            image.load()
        if kind != "image/jpeg" and image.size != (width, height):
            raise PhotoUnreadable
        return Inspected(kind or "", width, height, _taken_at(image.info.get("exif")))


def open_(content: bytes) -> "Image.Image":
    """The picture with nothing but its header read, and its size found bearable."""
    match content_type_of(content):
        case "image/jpeg":
            if jpeg.scans(content) > _SCANS_LIMIT:
                raise PhotoUnreadable
            kind = "JPEG"
        case "image/png":
            head = png.header(content)
            _refuse_too_many(head.width, head.height)
            kind = "PNG"
        case "image/webp":
            # Opening reserves the canvas already.
            _refuse_too_many(*webp.size(content))
            kind = "WEBP"
        case "image/heic":
            kind = "HEIF"
        case _:
            raise PhotoUnreadable
    image: Image.Image = _pillow().open(io.BytesIO(content), formats=[kind])
    _refuse_too_many(*image.size)
    return image


def _refuse_too_many(width: int, height: int) -> None:
    if width * height > PIXELS_LIMIT:
        raise PhotoUnreadable("照片超过一亿像素，请用普通拍照模式重新拍一张。")


def turn(image: "Image.Image") -> AbstractContextManager[object]:
    """What to hold while decoding: all but baseline JPEGs, read in rows, need memory at once."""
    if image.format in {"JPEG", "MPO"} and not image.info.get("progressive"):
        return nullcontext()
    needed = image.width * image.height * _BYTES_A_PIXEL[image.format or "WEBP"]
    return _alone if needed > _BIG_BYTES else nullcontext()


def exif_of(image: "Image.Image") -> "Image.Exif":
    """The picture's EXIF; a broken block does not make a picture broken."""
    try:
        return image.getexif()
    except Exception:  # noqa: BLE001  cameras and editors write anything here
        empty: Image.Exif = _pillow().Exif()
        return empty


def _taken_at(block: bytes | None) -> datetime | None:
    """DateTimeOriginal; where the camera did not say in which zone, the lake's is assumed."""
    if not block:
        return None
    try:
        exif = _pillow().Exif()
        exif.load(block)
        tags = exif.get_ifd(_EXIF_IFD)
        taken = datetime.strptime(str(tags[_TAKEN]).strip("\0 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007  zone follows
        zone = _offset(str(tags.get(_TAKEN_OFFSET, "")).strip("\0 "))
        return taken.replace(tzinfo=zone) if 2000 <= taken.year <= 2100 else None
    except Exception:  # noqa: BLE001  cameras write anything here
        return None


def _offset(text: str) -> tzinfo:
    try:
        return timezone(timedelta(hours=int(text[:3]), minutes=int(text[0] + text[4:6])))
    except (ValueError, IndexError):
        return clock.LAKE
