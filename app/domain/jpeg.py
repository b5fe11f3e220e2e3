"""JPEG: how often its pixels are gone over, counted before anybody goes over them.

A progressive picture of a few kilobytes may ask for thousands of passes over a hundred megapixels.
"""

import re

_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_ALONE = {0x01, *range(0xD0, 0xD9)}


def scans(content: bytes) -> int:
    """How many scans the (first) picture has, up to its end or to where it is cut."""
    count, place = 0, 2
    while (found := _NEXT_MARKER.search(content, place)) is not None:
        marker, place = content[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            break
        if marker in _ALONE:
            continue
        # What is inside a segment (EXIF has whole thumbnails) is not the picture's.
        place += int.from_bytes(content[place : place + 2], "big")
        count += marker == _START_OF_SCAN
    return count
