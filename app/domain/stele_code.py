"""Stele codes: what makes the QR code of a stele ours, and which print of it was scanned."""

import base64
import hashlib
import hmac
import re

# 12 bytes are beyond guessing, and with the print's number still fit a WeChat scene (32).
_MAC_BYTES = 12
_TOKEN = re.compile(r"([1-9][0-9]{0,8})\.([A-Za-z0-9_-]{16})", re.ASCII)


def token_of(key: bytes, code: str, version: int) -> str:
    """The token of one print of the stele `code`: `<version>.<mac>`, at most 26 characters.

    `version` counts a stele's prints from 1; `key` is the deployment's for this purpose.
    """
    mac = hmac.digest(key, f"{version}\n{code}".encode(), hashlib.sha256)[:_MAC_BYTES]
    return f"{version}.{base64.urlsafe_b64encode(mac).decode()}"


def version_of(key: bytes, code: str, token: str) -> int | None:
    """Which print of the stele `code` bears `token`; None when we never signed it."""
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        return None
    version = int(parts[1])
    signed = hmac.compare_digest(token_of(key, code, version).encode(), token.encode())
    return version if signed else None
