"""Sample photos of a river bank, drawn, each different in a way that picture hashes notice."""

import io
from random import Random

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1280, 960


def sample(number: int) -> bytes:
    """The JPEG of that number: the same number always gives the same picture, without EXIF."""
    dice = Random(number)  # noqa: S311 - a drawing
    image = Image.new("RGB", (WIDTH, HEIGHT), _shade(dice, (150, 190, 215), 35))
    draw = ImageDraw.Draw(image)
    horizon = dice.randint(200, 480)
    for depth in range(dice.randint(2, 4)):
        _hills(draw, dice, horizon + depth * 40, _shade(dice, (90, 120 + depth * 12, 95), 30))
    bank = horizon + dice.randint(150, 260)
    water = [(0, bank), (WIDTH, bank + dice.randint(-120, 120)), (WIDTH, HEIGHT), (0, HEIGHT)]
    draw.polygon(water, fill=_shade(dice, (70, 120, 140), 35))
    for _ in range(dice.randint(25, 60)):
        x, y = dice.randint(0, WIDTH), dice.randint(bank + 60, HEIGHT)
        length = dice.randint(30, 180)
        draw.line(
            [(x, y), (x + length, y + dice.randint(-4, 4))], _shade(dice, (150, 190, 200), 40), 3
        )
    for _ in range(dice.randint(3, 9)):
        _tree(draw, dice, dice.randint(0, WIDTH), bank + dice.randint(-40, 60))
    _stone(draw, dice, bank)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=86)
    return out.getvalue()


def _shade(dice: Random, colour: tuple[int, int, int], spread: int) -> tuple[int, int, int]:
    red, green, blue = (max(0, min(255, c + dice.randint(-spread, spread))) for c in colour)
    return red, green, blue


def _hills(draw: ImageDraw.ImageDraw, dice: Random, top: int, fill: tuple[int, int, int]) -> None:
    points: list[tuple[float, float]] = [(0, HEIGHT)]
    points += [(x, top + dice.randint(-90, 90)) for x in range(0, WIDTH + 161, 160)]
    draw.polygon([*points, (WIDTH, HEIGHT)], fill=fill)


def _tree(draw: ImageDraw.ImageDraw, dice: Random, x: int, foot: int) -> None:
    height, spread = dice.randint(120, 320), dice.randint(40, 120)
    draw.rectangle([x - 8, foot - height, x + 8, foot], fill=_shade(dice, (90, 65, 45), 15))
    crown = [x - spread, foot - height - spread, x + spread, foot - height + spread]
    draw.ellipse(crown, fill=_shade(dice, (60, 110, 60), 40))


def _stone(draw: ImageDraw.ImageDraw, dice: Random, bank: int) -> None:
    x, width, height = dice.randint(150, 1000), dice.randint(70, 150), dice.randint(120, 260)
    box = [x, bank + 40 - height, x + width, bank + 40]
    draw.rounded_rectangle(box, 12, fill=_shade(dice, (205, 200, 190), 20), outline=(90, 90, 90))
    for row in range(3):
        y = box[1] + 30 + row * 30
        draw.line([(x + 15, y), (x + width - 15, y)], fill=(160, 40, 40), width=6)
