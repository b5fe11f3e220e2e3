"""Messages as XML, in the dialect of the platform."""

from collections.abc import Mapping
from typing import Any


def cdata(text: str) -> str:
    """A CDATA section that no text can break out of."""
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"


def element(name: str, value: Any) -> str:
    """One element: text in CDATA, numbers bare, mappings nested, lists repeated."""
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(element(key, child) for key, child in value.items())}</{name}>"
    if isinstance(value, list | tuple):
        return "".join(element(name, child) for child in value)
    if isinstance(value, int | float):
        return f"<{name}>{value}</{name}>"
    return f"<{name}>{cdata(str(value))}</{name}>"


def document(fields: Mapping[str, Any]) -> str:
    """A whole message."""
    return element("xml", fields)
