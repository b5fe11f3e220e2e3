"""Forms of the dashboard's pages, as a browser reads them and sends them."""

from html.parser import HTMLParser

import httpx

Fields = dict[str, str | list[str]]


class _Reader(HTMLParser):
    """The fields of each form with the values that a browser would send, by the form's action."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, Fields] = {}
        self._form: Fields | None = None
        self._name = ""
        self._text: list[str] | None = None
        self._first: str | None = None

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in given}
        if tag == "form":
            self._form = self.forms.setdefault(at.get("action", ""), {})
        if self._form is None:
            return
        if tag == "input" and "name" in at:
            self._input(at)
        elif tag == "textarea":
            self._name, self._text = at["name"], []
        elif tag == "select":
            self._name, self._first = at["name"], None
            self._form[self._name] = ""
        elif tag == "option" and self._name:
            if self._first is None:
                self._first = self._form[self._name] = at.get("value", "")
            if "selected" in at:
                self._form[self._name] = at.get("value", "")

    def _input(self, at: dict[str, str]) -> None:
        assert self._form is not None
        if at.get("type") == "checkbox":
            if "checked" in at:
                ticked = self._form.setdefault(at["name"], [])
                assert isinstance(ticked, list)
                ticked.append(at.get("value", "on"))
        else:
            self._form[at["name"]] = at.get("value", "")

    def handle_data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._form is not None and self._text is not None:
            self._form[self._name] = "".join(self._text)
            self._text = None
        elif tag == "select":
            self._name = ""
        elif tag == "form":
            self._form = None


def fields(page: httpx.Response, action: str) -> Fields:
    """What the form on the page would send as it stands."""
    reader = _Reader()
    reader.feed(page.text)
    return reader.forms[action]


async def send(
    browser: httpx.AsyncClient, address: str, action: str | None = None, **typed: str | list[str]
) -> httpx.Response:
    """Open a page, fill in its form and send it."""
    page = await browser.get(address)
    assert page.status_code == 200, page.text
    action = action or page.url.raw_path.decode()
    return await browser.post(action, data=fields(page, action) | typed)
