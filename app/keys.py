"""The deployment's secret, and one key derived from it for every purpose."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping

from app.settings import BadSettings, Settings

SECRET_FILE = "secret_key"  # noqa: S105  its name
_LEAST_CHARACTERS = 16


class Keys:
    """One key a purpose, so that a signature made for one thing never stands for another.

    The record chain's key has versions, each from a secret of its own; the first is from the root
    unless `chain` names another. What an older version signed still verifies.
    """

    def __init__(self, root: bytes, chain: Mapping[int, bytes] | None = None) -> None:
        self._root = root
        self._chain = {
            version: hmac.digest(secret, f"record-chain:v{version}".encode(), hashlib.sha256)
            for version, secret in ({1: root} | dict(chain or {})).items()
        }

    @property
    def chain_version(self) -> int:
        """The version that signs now."""
        return max(self._chain)

    def chain_key(self, version: int) -> bytes | None:
        """The record chain's key of this version; None for one that nobody gave us."""
        return self._chain.get(version)

    def key(self, purpose: str) -> bytes:
        """32 bytes, always the same for the same purpose."""
        return hmac.digest(self._root, purpose.encode(), hashlib.sha256)

    def digest(self, purpose: str, value: str) -> bytes:
        """A keyed digest of `value`: what is stored in place of a token or code."""
        return hmac.digest(self.key(purpose), value.encode(), hashlib.sha256)


def open_keys(settings: Settings) -> Keys:
    """The keys of `secret_of` these settings. Raises `BadSettings`."""
    chain = {
        version: secret.get_secret_value().encode()
        for version, secret in settings.chain_secrets.items()
    }
    return Keys(secret_of(settings).encode(), chain)


def secret_of(settings: Settings) -> str:
    """`XUNHE_SECRET_KEY`, or a secret made once and kept in the data folder.

    Raises `BadSettings` when the secret is too short to be one.
    """
    if settings.secret_key is not None:
        given = settings.secret_key.get_secret_value()
        if len(given) < _LEAST_CHARACTERS:
            raise BadSettings(f"XUNHE_SECRET_KEY: at least {_LEAST_CHARACTERS} characters")
        return given
    path = settings.data_dir / SECRET_FILE
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f".{SECRET_FILE}.{os.getpid()}")
    if not path.exists():
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link and not a rename: of two processes that start at once, one wins, both read it.
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip()
