"""Drawn photos of a bank, 640×480: no two alike, unless they are meant to be."""

import hashlib
import io
from collections.abc import Iterable
from random import Random

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from app.demo.plan import Picture
from app.domain.perceptual_hash import SIDE, distance, perceptual_hash

WIDTH, HEIGHT = 640, 480
_APART_BITS = 12
_TRIES = 50


class Album:
    """Draws pictures that differ from all that are known: give it their hashes."""

    def __init__(self, known: Iterable[int]) -> None:
        self._known = list(known)

    def draw(self, picture: Picture) -> bytes:
        """The JPEG; one that is not `fixed` is drawn until it resembles none that is known."""
        for attempt in range(1 if picture.fixed else _TRIES):
            image = _scene(f"{picture.scene}#{attempt}" if attempt else picture.scene)
            hash_ = _hash(image)
            if hash_ is None or picture.fixed:
                break
            if all(distance(hash_, other) >= _APART_BITS for other in self._known):
                self._known.append(hash_)
                break
        return _as_jpeg(_altered(image, picture), 70 if picture.smaller else 85)


def _scene(name: str) -> Image.Image:
    """Sky, hills, water, reeds and a stone, in another light each time."""
    luck = Random(hashlib.sha256(name.encode()).digest())  # noqa: S311 - a drawing
    # Clouds of light and shade over the whole picture, so that every one has a look of its own.
    light = Image.new("L", (5, 4))
    light.putdata([luck.randint(0, 255) for _ in range(20)])
    shade = light.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    image = Image.new("RGB", (WIDTH, HEIGHT), _colour(luck, (175, 200, 220)))
    draw = ImageDraw.Draw(image)
    horizon = luck.randint(70, 330)
    hills = [(x, horizon - luck.randint(10, 110)) for x in range(0, WIDTH + 80, 80)]
    draw.polygon([(0, HEIGHT), *hills, (WIDTH, HEIGHT)], fill=_colour(luck, (95, 130, 90)))
    bank = horizon + luck.randint(-60, 60)
    water = [(0, horizon), (WIDTH, bank), (WIDTH, HEIGHT), (0, HEIGHT)]
    draw.polygon(water, fill=_colour(luck, (80, 125, 145)))
    for _ in range(luck.randint(2, 7)):
        x, foot, size = luck.randint(0, WIDTH), bank + luck.randint(-30, 90), luck.randint(30, 120)
        green = _colour(luck, (60, 105, 60))
        draw.ellipse([x - size // 2, foot - 2 * size, x + size // 2, foot - size // 2], fill=green)
        draw.rectangle([x - 4, foot - size, x + 4, foot], fill=(85, 65, 45))
    x, top = luck.randint(40, WIDTH - 140), horizon + luck.randint(-50, 90)
    stone = [x, top, x + luck.randint(50, 110), top + luck.randint(80, 170)]
    draw.rounded_rectangle(stone, 8, fill=_colour(luck, (205, 200, 190)), outline=(90, 90, 90))
    draw.line([(x + 12, top + 30), (x + 40, top + 30)], fill=(160, 40, 40), width=5)
    for _ in range(luck.randint(20, 60)):
        x, y = luck.randint(0, WIDTH), luck.randint(horizon, HEIGHT)
        draw.line([(x, y), (x + luck.randint(15, 80), y)], fill=_colour(luck, (150, 185, 195)))
    shaded = Image.composite(image, ImageEnhance.Brightness(image).enhance(0.35), shade)
    return shaded.filter(ImageFilter.GaussianBlur(0.6))


def _colour(luck: Random, base: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = (max(0, min(255, part + luck.randint(-30, 30))) for part in base)
    return red, green, blue


def _altered(image: Image.Image, picture: Picture) -> Image.Image:
    if picture.again:
        image = ImageEnhance.Brightness(image).enhance(1 + 0.03 * picture.again)
    if picture.smaller:
        image = image.resize((round(WIDTH * 0.97), round(HEIGHT * 0.97)), Image.Resampling.LANCZOS)
    return image


def _hash(image: Image.Image) -> int | None:
    small = image.resize((480, 360), Image.Resampling.LANCZOS)
    return perceptual_hash(small.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX).tobytes())


def _as_jpeg(image: Image.Image, quality: int) -> bytes:
    made = io.BytesIO()
    image.save(made, "JPEG", quality=quality)
    return made.getvalue()
