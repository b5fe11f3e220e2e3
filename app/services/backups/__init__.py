"""Backups: one file with database, photos, documents and the secret key, and the way back.

The file is a plain tar, so that it can be opened without us: `manifest.json`, `database.dump`
(pg_dump's custom format), `secret_key`, `files/…` (documents, domain verification), `media/…`
(the photo store), and last `checksums.sha256` as `sha256sum -c` reads it.
"""

from app.services.backups.archive import Manifest
from app.services.backups.restoring import restore
from app.services.backups.writing import Written, write

__all__ = ["Manifest", "Written", "restore", "write"]
