"""Settings: whatever is wrong with one is said of the variable that the operator wrote."""

from pathlib import Path

import pytest

from app.settings import BadSettings, get_settings


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("XUNHE_TRUSTED_PROXIES", "10.0.0.0/8,proxy", "Input is not a valid IPv4 network"),
        (
            "XUNHE_CHAIN_SECRETS",
            "2:long enough for a secret,3:short",
            "Value error, must be version:secret, of at least 16 characters each",
        ),
        ("XUNHE_SESSION_DAYS", "36500", "Input should be less than or equal to 3650"),
        (
            "XUNHE_RATE_LIMIT_PER_PERSON",
            "many",
            "Input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_a_malformed_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as refused:
        get_settings.__wrapped__()
    assert str(refused.value) == f"{name}: {why}"
