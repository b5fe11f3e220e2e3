"""Signing: what of the chain is authenticated under which version of its key."""

import hashlib
import hmac
import os
from collections.abc import Mapping
from datetime import date
from typing import Any

import orjson

from app.keys import Keys
from app.models import ChainOrigin
from app.services.chain.shapes import ENCODING, Shape, encoded

_SALT_BYTES = 16
_CORE_BYTES = 16


class ChainBroken(Exception):
    """Where the chain ends is not what we wrote: it is not continued until somebody has looked."""


class _Ring:
    """The keys of this process."""

    keys: Keys | None = None


def use(keys: Keys) -> None:
    """Authenticate with these keys, from now on in this process: there is one secret in it."""
    _Ring.keys = keys


def keys_in_use() -> Keys:
    """What `use` was told. Nothing is recorded without."""
    if _Ring.keys is None:
        raise RuntimeError("no keys for the record chain: say chain.use(keys) first")
    return _Ring.keys


def event(
    shape: Shape, row: Mapping[str, Any], day: date, origin: ChainOrigin = ChainOrigin.recorded
) -> dict[str, Any]:
    """The event of a row as it stands now; a row of chain_events but for its id."""
    version = keys_in_use().chain_version
    made = {
        "record_id": row["id"],
        "day": day,
        "encoding": ENCODING,
        "key_version": version,
        "kind": shape.kind,
        "origin": origin,
        "salt": os.urandom(_SALT_BYTES),
    }
    made["core"] = core_of(shape, row, made)
    made["mac"] = mac_of(shape, row, made)
    return made


def core_of(shape: Shape, row: Mapping[str, Any], event: Mapping[str, Any]) -> bytes:
    """What authenticates the columns that never change."""
    said = [event["encoding"], shape.kind, *[row[column] for column in shape.core]]
    return _mac(event["key_version"], b"core", event["salt"], encoded(said))[:_CORE_BYTES]


def mac_of(shape: Shape, row: Mapping[str, Any], event: Mapping[str, Any]) -> bytes:
    """What authenticates the whole row, with the event's own words about it."""
    said = [
        event["encoding"],
        shape.kind,
        event["record_id"],
        event["day"],
        event["origin"],
        event["core"],
        *[row[column] for column in shape.state],
    ]
    return _mac(event["key_version"], b"event", event["salt"], encoded(said))


def link(version: int, before: bytes, position: int, event: Any) -> bytes:
    """What authenticates an event's place: all of it but its salt, and the link before."""
    said = orjson.dumps(
        [
            position,
            event.id,
            event.record_id,
            event.day,
            event.encoding,
            event.key_version,
            event.kind,
            event.origin,
            event.core.hex(),
            event.mac.hex(),
        ]
    )
    return _mac(version, b"link", before, said)


def head(row: Any) -> bytes:
    """What authenticates where the chain ends."""
    said = [row.position, row.link, row.opened_at, row.taken_over_at, row.sealed_at]
    return _mac(row.key_version, b"head", b"", encoded(said))


def closing(row: Any, before: bytes) -> bytes:
    """What authenticates a day's closing, and that it follows the closing before."""
    said = [row.day, row.events, row.late, row.position, row.link, row.closed_at]
    return _mac(row.key_version, b"closing", before, encoded(said))


def _mac(version: int, purpose: bytes, before: bytes, said: bytes) -> bytes:
    """HMAC-SHA256 under the version's key; empty, which nothing equals, where there is no key."""
    key = keys_in_use().chain_key(version)
    if key is None:
        return b""
    lengths = b"xunhe %s %d %d\n" % (purpose, len(before), len(said))
    return hmac.digest(key, lengths + before + said, hashlib.sha256)
