"""The perceptual hash holds through what apps do to pictures, and tells pictures apart."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.domain.perceptual_hash import bands, distance, perceptual_hash
from tests.pictures import a_picture, encoded

hashes = st.integers(-(2**63), 2**63 - 1)


def hash_of(picture: Image.Image) -> int:
    grey = picture.convert("L").resize((32, 32), Image.Resampling.BOX)
    found = perceptual_hash(grey.tobytes())
    assert found is not None
    return found


def recompressed(picture: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(encoded(picture, "JPEG", quality=quality)))


@pytest.mark.parametrize("seed", range(12))
def test_recompressed_and_resized_is_near_same(seed: int) -> None:
    picture = a_picture(seed)
    original = hash_of(picture)
    changed = [
        recompressed(picture, 30),
        recompressed(picture, 60),
        recompressed(picture.resize((400, 300)), 75),
        recompressed(picture.resize((1080, 810)), 50),
        recompressed(recompressed(picture, 70).resize((320, 240)), 60),
    ]
    assert max(distance(original, hash_of(each)) for each in changed) <= 3


def test_different_pictures_are_not_near_same() -> None:
    found = [hash_of(a_picture(seed)) for seed in range(40)]
    least = min(distance(a, b) for n, a in enumerate(found) for b in found[:n])
    assert least > 3


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("L", (32, 32), 0),
        Image.new("L", (32, 32), 200),
        Image.effect_noise((32, 32), 3),
        a_picture().convert("L").resize((32, 32)).point(lambda value: value // 16),
    ],
    ids=["black", "plain", "flat", "dark"],
)
def test_dark_and_flat_pictures_have_none(picture: Image.Image) -> None:
    assert perceptual_hash(picture.tobytes()) is None


@given(hashes, st.lists(st.integers(0, 63), min_size=0, max_size=3, unique=True))
def test_hashes_three_bits_apart_share_a_band(value: int, flipped: list[int]) -> None:
    other = value
    for bit in flipped:
        other ^= 1 << bit
    if other >> 63 not in (0, -1):
        other -= 1 << 64 if other > 0 else -(1 << 64)
    assert distance(value, other) == len(flipped)
    assert any(a == b for a, b in zip(bands(value), bands(other), strict=True))
    assert all(-(2**15) <= band < 2**15 for band in bands(value))
