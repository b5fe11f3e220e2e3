from hypothesis import given
from hypothesis import strategies as st

from app.domain.stele_code import token_of, version_of

codes = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=3, max_size=24
)
versions = st.integers(1, 999_999_999)
keys = st.binary(min_size=32, max_size=32)


@given(keys, codes, versions)
def test_a_token_names_its_print_and_fits_a_scene(key: bytes, code: str, version: int) -> None:
    token = token_of(key, code, version)

    assert len(token) <= 32
    assert version_of(key, code, token) == version


@given(keys, keys, codes, codes, versions)
def test_a_token_is_good_for_one_stele_and_one_key(
    key: bytes, other_key: bytes, code: str, other_code: str, version: int
) -> None:
    token = token_of(key, code, version)

    assert (version_of(key, other_code, token) == version) == (code == other_code)
    assert (version_of(other_key, code, token) == version) == (key == other_key)


@given(keys, codes, versions, st.data())
def test_a_token_with_one_character_changed_is_not_ours(
    key: bytes, code: str, version: int, data: st.DataObject
) -> None:
    token = token_of(key, code, version)
    at = data.draw(st.integers(0, len(token) - 1))
    changed = token[:at] + data.draw(st.sampled_from("0123456789AZaz.-_")) + token[at + 1 :]

    assert (version_of(key, code, changed) == version) == (changed == token)


@given(keys, codes, st.text(max_size=64))
def test_rubbish_is_not_ours(key: bytes, code: str, rubbish: str) -> None:
    assert version_of(key, code, rubbish) is None


def test_the_tokens_on_the_steles_stay_what_they_are() -> None:
    """Cut in stone: whoever changes how a token is made breaks every stele out there."""
    assert token_of(b"k" * 32, "JB-001", 1) == "1.BYvDmohyxJFOMYfd"
