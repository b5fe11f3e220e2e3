"""Multipart forms: read to their end, or refused."""

from fastapi import Request
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from app.errors import BadRequest, StorageUnavailable


class _WholeForm(MultiPartParser):
    """Starlette's lets a form pass that lacks its end, and leaves the files in it open."""

    whole = False

    def on_end(self) -> None:
        """The last boundary was seen."""
        self.whole = True

    async def parse(self) -> FormData:
        """All of the form. Raises `MultiPartException`."""
        form = await super().parse()
        if not self.whole:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("cut short")
        return form


async def read(request: Request) -> FormData:
    """The form of the body, at most one file, waiting on disk; close it after use.

    Raises `BadRequest` for what is no form or not a whole one, `StorageUnavailable` when there is
    no room for the body.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadRequest("照片要用 multipart/form-data 表单上传。")
    parser = _WholeForm(
        request.headers, request.stream(), max_files=1, max_fields=10, max_part_size=4096
    )
    try:
        return await parser.parse()
    except (MultiPartException, ClientDisconnect):
        raise BadRequest("照片没有传完整，请重传。") from None
    except OSError:
        raise StorageUnavailable from None
