"""What is taken for a photo, what is refused, and what becomes of it."""

import io
import math
import struct
import zlib
from datetime import UTC, datetime

import pytest
from PIL import Image, ImageCms

from app.domain import jpeg
from app.errors import PhotoUnreadable
from app.services import pictures, renditions
from tests.pictures import a_jpeg, a_picture, a_png, a_png_bomb, an_interlaced_png, encoded, taken

MORNING = datetime(2026, 6, 1, 0, 30, tzinfo=UTC)


def whole(kind: str) -> bytes:
    return encoded(a_picture(), kind, exif=taken("2026:06:01 08:30:00"))


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("HEIF", "image/heic"),
    ],
)
async def test_four_types_are_read(kind: str, content_type: str) -> None:
    assert await pictures.inspect(whole(kind)) == pictures.Inspected(
        content_type, 800, 600, MORNING
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize("part", [0.01, 0.3, 0.7, 0.99])
async def test_cut_short_is_unreadable(kind: str, part: float) -> None:
    content = whole(kind)
    with pytest.raises(PhotoUnreadable):
        await pictures.inspect(content[: int(len(content) * part)])


async def test_progressive_jpeg_cut_short_is_unreadable() -> None:
    content = a_jpeg(progressive=True)
    assert (await pictures.inspect(content)).width == 800
    with pytest.raises(PhotoUnreadable):
        await pictures.inspect(content[: len(content) // 2])


def an_animation(kind: str) -> bytes:
    return encoded(
        a_picture(1), kind, save_all=True, append_images=[a_picture(2)], duration=100, loop=0
    )


def a_webp_of(width: int, height: int) -> bytes:
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4)
    chunk += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def a_heic_of(width: int, height: int) -> bytes:
    content = whole("HEIF")
    said = b"ispe" + bytes(4) + struct.pack(">II", 800, 600)
    assert said in content
    return content.replace(said, b"ispe" + bytes(4) + struct.pack(">II", width, height))


def a_jpeg_of_many_scans() -> bytes:
    content = a_jpeg(size=(64, 64), progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * 200 + b"\xff\xd9"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff",
        "这是一段文字，不是照片。".encode() * 100,
        encoded(a_picture(), "GIF"),
        encoded(a_picture(), "TIFF"),
        encoded(a_picture(), "AVIF"),
        an_animation("WEBP"),
        an_animation("PNG"),
        a_png_bomb(),
        a_png(100, 100, zlib.compress(bytes(100))),
        a_png(20_000, 20_000, zlib.compress(bytes(100))),
        a_png(1 << 30, 1 << 30, b""),
        a_png(10, 10, b"not zlib"),
        a_png(0, 10, zlib.compress(b"")),
        a_webp_of(16_000, 16_000),
        a_heic_of(64, 64),
        a_heic_of(5000, 5000),
        a_heic_of(20_000, 20_000),
        a_jpeg_of_many_scans(),
    ],
    ids=[
        "nothing",
        "three bytes",
        "text",
        "gif",
        "tiff",
        "avif",
        "animated webp",
        "apng",
        "png bomb",
        "too few pixels",
        "400 megapixels",
        "an exapixel",
        "no zlib",
        "no width",
        "256 megapixels of webp",
        "heic larger than it says",
        "heic smaller than it says",
        "400 megapixels of heic",
        "scans without end",
    ],
)
async def test_bombs_and_lies_are_unreadable(content: bytes) -> None:
    with pytest.raises(PhotoUnreadable):
        await pictures.inspect(content)


async def test_jpeg_is_measured_by_its_header() -> None:
    content = bytearray(a_jpeg())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", 10_001, 10_000)
    with pytest.raises(PhotoUnreadable) as refused:
        await pictures.inspect(bytes(content))
    assert refused.value.detail == "照片超过一亿像素，请用普通拍照模式重新拍一张。"


async def test_a_hundred_megapixels_are_well() -> None:
    row = bytes(10_001)
    unfolding = zlib.compressobj(1)
    pixels = b"".join(unfolding.compress(row) for _ in range(10_000)) + unfolding.flush()
    found = await pictures.inspect(a_png(10_000, 10_000, pixels))
    assert (found.width, found.height) == (10_000, 10_000)


@pytest.mark.parametrize(
    "picture",
    [
        a_picture(),
        a_picture().convert("P"),
        a_picture().convert("RGBA"),
        a_picture().convert("LA"),
        a_picture().convert("1"),
        a_picture(size=(1, 1)),
        a_picture(size=(5, 3)),
        Image.frombytes("I;16", (70, 50), bytes(range(250)) * 28),
    ],
    ids=["rgb", "palette", "rgba", "grey with alpha", "one bit", "one pixel", "tiny", "16 bits"],
)
async def test_every_kind_of_png_is_counted_right(picture: Image.Image) -> None:
    found = await pictures.inspect(encoded(picture, "PNG"))
    assert (found.width, found.height) == picture.size


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 3), (8, 8), (33, 17)])
async def test_interlaced_png_is_counted_right(size: tuple[int, int]) -> None:
    picture = a_picture(size=(64, 64)).resize(size).convert("L")
    content = an_interlaced_png(picture)
    assert opened(content).tobytes() == picture.tobytes()
    assert (await pictures.inspect(content)).width == picture.width


def test_scans_in_a_thumbnail_do_not_count() -> None:
    exif = taken("2026:06:01 08:30:00")
    exif[0x010E] = (b"\xff\xda" * 300).decode("latin-1")
    assert jpeg.scans(a_jpeg(exif=exif)) == 1
    assert jpeg.scans(a_jpeg(progressive=True)) > 5
    assert jpeg.scans(a_jpeg() + b"\xff\xda" * 300) == 1


@pytest.mark.parametrize(
    ("at", "offset", "expected"),
    [
        ("2026:06:01 08:30:00", None, MORNING),
        ("2026:06:01 08:30:00", "+08:00", MORNING),
        ("2026:05:31 21:00:00", "-03:30", MORNING),
        ("2026:06:01 00:30:00", "+00:00", MORNING),
        ("2026:06:01 08:30:00", "nowhere", MORNING),
        ("0000:00:00 00:00:00", None, None),
        ("1970:01:01 00:00:00", None, None),
        ("2026-06-01", None, None),
        ("", None, None),
    ],
)
async def test_taken_at_is_read_from_exif(
    at: str, offset: str | None, expected: datetime | None
) -> None:
    assert (await pictures.inspect(a_jpeg(exif=taken(at, offset)))).taken_at == expected


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
async def test_a_broken_exif_block_does_not_make_a_photo_broken() -> None:
    content = a_jpeg(exif=b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff" * 40)
    assert (await pictures.inspect(content)).taken_at is None
    assert (await renditions.render(content)).large != b""


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(
    ("size", "large", "small"),
    [
        ((4000, 3000), (1600, 1200), (480, 360)),
        ((1201, 1602), (1200, 1600), (360, 480)),
        ((1000, 100), (1000, 100), (480, 48)),
        ((300, 200), (300, 200), (300, 200)),
        ((1, 3000), (1, 1600), (1, 480)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_renditions_fit_and_are_never_larger(
    kind: str, size: tuple[int, int], large: tuple[int, int], small: tuple[int, int]
) -> None:
    made = await renditions.render(encoded(a_picture(size=size), kind, compress_level=1))
    assert (opened(made.large).size, opened(made.small).size) == (large, small)
    assert (opened(made.large).format, opened(made.small).format) == ("JPEG", "JPEG")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
async def test_renditions_look_like_the_original_and_tell_nothing_else(kind: str) -> None:
    picture = a_picture(7)
    made = await renditions.render(
        encoded(picture, kind, exif=taken("2026:06:01 08:30:00"), comment="某处")
    )
    for rendition in (opened(made.large), opened(made.small)):
        assert set(rendition.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert len(rendition.getexif()) == 0
        assert _apart(rendition, picture) < 4
    assert made.perceptual_hash is not None


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_renditions_stand_upright(orientation: int) -> None:
    exif = taken("2026:06:01 08:30:00", orientation=orientation)
    made = await renditions.render(encoded(a_picture(3), "JPEG", quality=90, exif=exif))
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)  # fmt: skip
    upright = a_picture(3) if turned is None else a_picture(3).transpose(turned)
    assert opened(made.small).size == ((480, 360) if orientation < 5 else (360, 480))
    assert _apart(opened(made.large), upright) < 4


async def test_other_colour_spaces_become_srgb() -> None:
    grey = a_picture().convert("L")
    cmyk = encoded(a_picture().convert("CMYK"), "JPEG")
    assert opened((await renditions.render(cmyk)).large).mode == "RGB"
    clear = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    made = await renditions.render(encoded(clear, "PNG"))
    assert opened(made.large).getpixel((20, 20)) == (255, 255, 255)
    deep = Image.frombytes("I;16", (2, 1), struct.pack("<HH", 0, 0xFFFF)).resize(
        (40, 20), Image.Resampling.NEAREST
    )
    made = await renditions.render(encoded(deep, "PNG"))
    assert opened(made.large).convert("L").getextrema() == (0, 255)
    broken = encoded(grey, "JPEG", icc_profile=b"no profile at all")
    assert opened((await renditions.render(broken)).large).mode == "RGB"
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert opened((await renditions.render(a_jpeg(icc_profile=lab))).large).mode == "RGB"


async def test_dark_pictures_get_no_hash() -> None:
    made = await renditions.render(encoded(Image.new("RGB", (800, 600), "black"), "JPEG"))
    assert made.perceptual_hash is None


def _apart(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of grey values at 16 × 16."""
    greys = [
        each.convert("L").resize((16, 16), Image.Resampling.BOX).tobytes() for each in (one, other)
    ]
    return math.fsum(abs(a - b) for a, b in zip(*greys, strict=True)) / 256
