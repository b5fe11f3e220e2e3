"""The deployment's secret, and one key derived from it for every purpose."""

import hashlib
import hmac
import os
import secrets

from app.settings import BadSettings, Settings

SECRET_FILE = "secret_key"  # noqa: S105  its name
_LEAST_CHARACTERS = 16


class Keys:
    """One key a purpose, so that a signature made for one thing never stands for another."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def key(self, purpose: str) -> bytes:
        """32 bytes, always the same for the same purpose."""
        return hmac.digest(self._root, purpose.encode(), hashlib.sha256)

    def digest(self, purpose: str, value: str) -> bytes:
        """A keyed digest of `value`: what is stored in place of a token or code."""
        return hmac.digest(self.key(purpose), value.encode(), hashlib.sha256)


def open_keys(settings: Settings) -> Keys:
    """The keys of `secret_of` these settings. Raises `BadSettings`."""
    return Keys(secret_of(settings).encode())


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
