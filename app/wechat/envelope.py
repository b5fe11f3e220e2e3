"""Signatures and AES of the callback: wechatpy's, with its gaps closed.

wechatpy compares signatures with `!=`, does not look at the padding and raises whatever comes;
here every signature is compared in constant time before wechatpy sees a byte.
"""

import hashlib
import hmac
import secrets
import struct

from wechatpy.crypto import PrpCrypto, WeChatCrypto
from wechatpy.exceptions import InvalidAppIdException


class ForAnotherApp(Exception):
    """Rightly encrypted, for somebody else's appid."""


class NotReadable(Exception):
    """Rightly signed, and still no message."""


def sign(*parts: str) -> str:
    """The SHA-1 (hex) of the parts, sorted and joined, as WeChat signs."""
    joined = "".join(sorted(parts)).encode(errors="backslashreplace")
    return hashlib.sha1(joined, usedforsecurity=False).hexdigest()


def is_signed(signature: str, *parts: str) -> bool:
    """Whether `signature` is that of the parts, without telling by its time how nearly."""
    return hmac.compare_digest(
        sign(*parts).encode(), signature.encode(errors="backslashreplace").lower()
    )


class _Cipher(PrpCrypto):  # type: ignore[misc]  # wechatpy has no types
    def get_random_string(self) -> str:
        """16 bytes nobody can foretell; wechatpy takes them from `random`."""
        return secrets.token_hex(8)


class Envelope:
    """Opens and seals for one app."""

    def __init__(self, token: str, aes_key: str, app_id: str) -> None:
        self._token = token
        self._app_id = app_id
        self._cipher = _Cipher(WeChatCrypto(token, aes_key, app_id).key)

    def open(self, sealed: str) -> str:
        """The message inside; its signature has been checked.

        Raises `ForAnotherApp` or `NotReadable`.
        """
        try:
            message: str = self._cipher.decrypt(sealed, self._app_id)
        except InvalidAppIdException as error:
            raise ForAnotherApp from error
        except (ValueError, IndexError, struct.error) as error:
            raise NotReadable(type(error).__name__) from error
        return message

    def seal(self, message: str, timestamp: str, nonce: str) -> tuple[str, str]:
        """The message encrypted, and the signature that belongs to it."""
        sealed: str = self._cipher.encrypt(message, self._app_id).decode()
        return sealed, sign(self._token, timestamp, nonce, sealed)
