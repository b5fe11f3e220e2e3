"""Documents: the files beside letters.csv, kept under their sha256."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.services.dataset.columns import Columns, Values
from app.services.dataset.faults import Fault
from app.services.dataset.sheets import Sheet

_LIMIT = 100 * 1024 * 1024


@dataclass(frozen=True)
class Document:
    """A file that a letter names, and its hash in hex."""

    path: Path
    sha256: str


def find_documents(
    sheet: Sheet, folder: Path, columns: Columns
) -> tuple[list[Document], list[Fault]]:
    """Look at each file that a letter names and add its hash to the columns.

    A file that is not there, or lies outside the folder (by `..`, absolute or through a symbolic
    link), is a fault.
    """
    root = folder.resolve()
    found: dict[str, Document] = {}
    faults: list[Fault] = []
    hashes: list[str | None] = [None] * sheet.size
    for row, name in enumerate(sheet["document"]):
        if not name:
            continue
        if name not in found:
            document = _look(root, name)
            if isinstance(document, str):
                faults.append(sheet.fault(row, "document", document))
                continue
            found[name] = document
        hashes[row] = "\\x" + found[name].sha256
    columns["document_sha256"] = Values(hashes, "document" in sheet.headings)
    return list(found.values()), faults


def keep(documents: list[Document], store: Path) -> None:
    """Copy the documents into the store, each durable before this returns."""
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    for document in documents:
        target = store / document.sha256
        if target.exists():
            continue
        content = document.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != document.sha256:
            raise OSError(0, "文件在导入期间被改动", str(document.path))
        part = store / f".{document.sha256}.{secrets.token_hex(4)}"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    descriptor = os.open(store, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stays_inside(name: str) -> bool:
    """Whether a relative path, as it is written, leads nowhere else."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]


def _look(root: Path, name: str) -> Document | str:
    if not stays_inside(name):
        return f"“{name}”指到了文件夹之外，只能填文件夹里的文件"
    try:
        path = (root / name).resolve()
    except (OSError, RuntimeError):
        return f"找不到文件“{name}”"
    if not path.is_relative_to(root):
        return f"“{name}”指到了文件夹之外，只能填文件夹里的文件"
    try:
        if not path.is_file():
            return f"找不到文件“{name}”"
        if path.stat().st_size > _LIMIT:
            return f"文件“{name}”超过 100 MB"
        with path.open("rb") as file:
            return Document(path, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError:
        return f"打不开文件“{name}”"
