"""Signatures and AES as the platform makes and checks them, written from its description."""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

BLOCK = 32


class Unreadable(Exception):
    """What was meant to be encrypted for us cannot be read."""


def sign(*parts: str) -> str:
    """The SHA-1 (hex) of the parts, sorted and joined."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def matches(signature: str, *parts: str) -> bool:
    """Whether `signature` is that of the parts, compared in constant time."""
    return hmac.compare_digest(sign(*parts).encode(), signature.encode())


class Sealer:
    """Encrypts and decrypts for one account; the format is random(16) length(4) message appid."""

    def __init__(self, aes_key: str, app_id: str) -> None:
        self._key = base64.b64decode(aes_key + "=")
        self._app_id = app_id.encode()

    def _cipher(self) -> Cipher[CBC]:
        return Cipher(AES(self._key), CBC(self._key[:16]))

    def encrypt(self, message: bytes, random: bytes | None = None) -> str:
        """Encrypt a message; `random` is for tests against the official sample."""
        random = secrets.token_hex(8).encode() if random is None else random
        plain = random + struct.pack(">I", len(message)) + message + self._app_id
        pad = BLOCK - len(plain) % BLOCK
        encryptor = self._cipher().encryptor()
        sealed = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
        return base64.b64encode(sealed).decode()

    def decrypt(self, sealed: str) -> bytes:
        """Decrypt a message meant for this account. Raises Unreadable."""
        try:
            encrypted = base64.b64decode(sealed, validate=True)
            decryptor = self._cipher().decryptor()
            plain = decryptor.update(encrypted) + decryptor.finalize()
        except (ValueError, binascii.Error) as error:
            raise Unreadable("not AES of whole blocks") from error
        pad = plain[-1] if plain else 0
        if not 1 <= pad <= BLOCK or plain[-pad:] != bytes([pad]) * pad or len(plain) - pad < 20:
            raise Unreadable("wrong padding")
        plain = plain[:-pad]
        (length,) = struct.unpack(">I", plain[16:20])
        message, app_id = plain[20 : 20 + length], plain[20 + length :]
        if len(message) != length or app_id != self._app_id:
            raise Unreadable("encrypted for another appid")
        return message
