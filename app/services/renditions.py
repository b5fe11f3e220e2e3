"""Renditions: the two JPEGs of an image that people look at, and how it looks in 64 bits."""

import hashlib
import io
from dataclasses import dataclass
from datetime import datetime

import structlog
from PIL import Image as Picture
from PIL import ImageCms
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import queue
from app.domain.perceptual_hash import SIDE, bands, perceptual_hash
from app.errors import PhotoUnreadable
from app.models import Image, Photo
from app.services import judging, photo_facts, pictures
from app.settings import Settings
from app.storage import Store, original_key, rendition_key

log = structlog.get_logger(__name__)

LARGE, SMALL = 1600, 480
_QUALITY = 82
_MOST_AT_ONCE = 500
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Picture.Transpose.FLIP_LEFT_RIGHT,
    3: Picture.Transpose.ROTATE_180,
    4: Picture.Transpose.FLIP_TOP_BOTTOM,
    5: Picture.Transpose.TRANSPOSE,
    6: Picture.Transpose.ROTATE_270,
    7: Picture.Transpose.TRANSVERSE,
    8: Picture.Transpose.ROTATE_90,
}


_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class Renditions:
    """Two JPEGs for looking at, without EXIF, upright, sRGB; the hash is null if dark or flat."""

    large: bytes
    small: bytes
    perceptual_hash: int | None


async def make(
    session: AsyncSession, store: Store, sha256: bytes, settings: Settings, *, now: datetime
) -> None:
    """Make and keep both renditions of the image, and let the verdicts follow its hash.

    Doing it again is harmless. An image that cannot be decoded gets its `fault`. Raises
    `StorageUnavailable`: try again later.
    """
    image = await session.scalar(
        select(Image).where(Image.sha256 == sha256).with_for_update(key_share=True)
    )
    if image is None:
        return
    if image.renditions_at is None and image.fault is None:
        await _make(image, store, now)
        await session.flush()
    # Also when they were there: a photo that came meanwhile was judged without the hash.
    touched = await photo_facts.touched_by(
        session, sha256, near_same_bits=settings.evidence.near_same_bits
    )
    await judging.rejudge(session, touched, settings, now=now)


async def _make(image: Image, store: Store, now: datetime) -> None:
    try:
        made = await render(await store.get(original_key(image.sha256)))
    except PhotoUnreadable as error:
        image.fault = error.detail or error.title
        log.warning("photo without renditions", sha256=image.sha256.hex())
        return
    await store.put(rendition_key(image.sha256, "large"), made.large)
    await store.put(rendition_key(image.sha256, "small"), made.small)
    image.renditions_at = now
    image.large_sha256 = hashlib.sha256(made.large).digest()
    image.small_sha256 = hashlib.sha256(made.small).digest()
    if made.perceptual_hash is not None:
        image.perceptual_hash = made.perceptual_hash
        image.band_0, image.band_1, image.band_2, image.band_3 = bands(made.perceptual_hash)


async def defer_missing(session: AsyncSession, *, before: datetime) -> int:
    """Defer the job again for photos received before `before` that still wait; how many.

    Its attempts may be used up: a store may be gone for longer than anybody tries.
    """
    missing = await session.scalars(
        select(Image.sha256)
        .where(
            Image.renditions_at.is_(None),
            Image.fault.is_(None),
            exists().where(Photo.sha256 == Image.sha256, Photo.received_at < before),
        )
        .order_by(Image.received_at)
        .limit(_MOST_AT_ONCE)
    )
    added = 0
    for sha256 in missing.all():
        name = sha256.hex()
        added += await queue.defer_once(
            session, "make_renditions", lock=f"make_renditions {name}", sha256=name
        )
    return added


async def render(content: bytes) -> Renditions:
    """Both renditions of these bytes. Raises `PhotoUnreadable`."""
    return await pictures.aside(lambda: _render(content))


def _render(content: bytes) -> Renditions:
    with pictures.open_(content) as image:
        upright = _UPRIGHT.get(pictures.exif_of(image).get(_ORIENTATION, 1))
        profile = image.info.get("icc_profile")
        target = _within(image.size, LARGE)
        with pictures.turn(image):
            # JPEG decodes at 1/2, 1/4, 1/8 for a fraction of the time and memory.
            image.draft(None, target)
            image.load()
            large = _in_plain_mode(image).resize(
                target, Picture.Resampling.BICUBIC, reducing_gap=2.0
            )
    large = _in_srgb(large, profile)
    if upright is not None:
        large = large.transpose(upright)
    small = large.resize(_within(large.size, SMALL), Picture.Resampling.LANCZOS)
    grey = small.convert("L").resize((SIDE, SIDE), Picture.Resampling.BOX)
    return Renditions(_as_jpeg(large), _as_jpeg(small), perceptual_hash(grey.tobytes()))


def _within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size with its long side at most `side`, never larger than it was."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _in_plain_mode(image: Picture.Image) -> Picture.Image:
    """A mode that can be resized smoothly: palettes and 16-bit greys cannot."""
    if image.mode.startswith("I"):
        return image.point(lambda value: value / 256).convert("L")
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in {"L", "LA", "RGB", "RGBA", "CMYK"}:
        return image
    return image.convert("RGBA" if "A" in image.getbands() or "a" in image.getbands() else "RGB")


def _in_srgb(image: Picture.Image, profile: bytes | None) -> Picture.Image:
    """The same look in RGB; what is transparent lies on white."""
    if image.mode in {"LA", "RGBA"}:
        image = image.convert("RGBA")
        under = Picture.new("RGBA", image.size, "white")
        image = Picture.alpha_composite(under, image).convert("RGB")
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, io.BytesIO(profile), _SRGB, outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None  # a broken profile is no profile
        if converted is not None:
            return converted
    return image.convert("RGB")


def _as_jpeg(image: Picture.Image) -> bytes:
    image.info.clear()  # Pillow would carry the comment over
    made = io.BytesIO()
    image.save(made, "JPEG", quality=_QUALITY)
    return made.getvalue()
