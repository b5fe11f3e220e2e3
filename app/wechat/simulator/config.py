"""What a simulated platform is told at its birth: two accounts, the people, the map."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["plain", "compatible", "safe"]


@dataclass(frozen=True)
class Template:
    """A message template of an account.

    `fields` names each field and its label, in order: `(("thing1", "任务"), ("time3", "截止"))`.
    A `subscribe` template needs the user's accept, once for each message unless `long_term`.
    """

    id: str
    title: str
    fields: tuple[tuple[str, str], ...]
    kind: Literal["template", "subscribe"] = "template"
    long_term: bool = False


@dataclass(frozen=True)
class AccountConfig:
    """A service account or a mini-program, as its operator registered it.

    `aes_key` is the EncodingAESKey (43 characters), needed unless `mode` is plain. An empty
    `callback_url` means that nothing is pushed. `pages` are the published pages of a mini-program
    (empty: any page exists), `oauth_domains` the hosts allowed for web login (empty: any). An
    `original_id` is made up from the appid when none is given.
    """

    app_id: str
    secret: str
    token: str
    aes_key: str = ""
    mode: Mode = "safe"
    callback_url: str = ""
    original_id: str = ""
    name: str = ""
    push_format: Literal["xml", "json"] = "xml"
    templates: tuple[Template, ...] = ()
    pages: tuple[str, ...] = ()
    oauth_domains: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a key that no EncodingAESKey can be."""
        if (self.mode != "plain" or self.aes_key) and len(self.aes_key) != 43:
            raise ValueError(f"{self.app_id}: aes_key must have 43 characters")
        if not self.token:
            raise ValueError(f"{self.app_id}: token must not be empty")
        if not self.original_id:
            object.__setattr__(self, "original_id", f"gh_{self.app_id[-12:]}")


@dataclass(frozen=True)
class PersonConfig:
    """Somebody with a telephone: who they are to us, and how they stand from the start.

    `permits`: leave given before, by template id; of a long-term template any number is for good.
    """

    key: str
    name: str
    phone: str | None = None
    follows: bool = False
    permits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PlatformConfig:
    """The whole platform.

    `unionids`: both accounts hang on one Open Platform account. `latency`: seconds before every
    answer of the API. `base_url`: where the simulator itself is reached (in PicUrl, video_url).
    `backend_url`: our own API, for the phone's mini-program flow. `daily_quota`: calls a day by
    path, beyond which an account gets 45009. `map_layers`: GeoJSON (WGS-84) by layer name
    (waterbodies, reaches, grid_cells, steles), each a FeatureCollection, an http(s) address, or
    the path of a file. `stele_url` and `stele_scene` say what the QR code of a stele holds,
    with `{code}` for its code; an empty one means that such codes are not printed. `stele_urls`
    gives the whole address of some steles by code, where it holds more than the code. `links`
    (label, address) stand in the head of the web phone's page.
    """

    service_account: AccountConfig
    mini_program: AccountConfig
    people: tuple[PersonConfig, ...] = ()
    unionids: bool = True
    latency: float = 0.0
    push_timeout: float = 5.0
    push_tries: int = 3
    push_pause: float = 1.0
    base_url: str = "http://127.0.0.1:8900"
    backend_url: str = ""
    daily_quota: Mapping[str, int] = field(default_factory=dict)
    map_layers: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict)
    stele_url: str = ""
    stele_scene: str = "{code}"
    stele_urls: Mapping[str, str] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    risky_words: tuple[str, ...] = ("违禁示例",)
    review_words: tuple[str, ...] = ("疑似示例",)
