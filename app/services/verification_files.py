"""Verification files: what WeChat asks an admin to put on the domain to prove that it is ours."""

import asyncio
import re
from pathlib import Path

from app.errors import NotFound

FOLDER = "verification"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.txt", re.ASCII)
_MOST_BYTES = 4096


async def read(data_dir: Path, name: str) -> bytes:
    """The content of the file of that name. Raises `NotFound`, whatever else is the matter."""
    if not _NAME.fullmatch(name):
        raise NotFound
    return await asyncio.to_thread(_read, data_dir / FOLDER / name)


def _read(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise NotFound
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        raise NotFound from None
