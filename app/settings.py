"""Everything the environment may tell us (prefix `XUNHE_`) or `.env`, read once, by concern."""

import json
import re
from datetime import date, time
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class CallbackMode(StrEnum):
    """How WeChat's pushes are wrapped."""

    plain = "plain"
    compatible = "compatible"
    safe = "safe"


def _config(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(
        env_prefix=prefix, env_file=".env", env_ignore_empty=True, extra="ignore"
    )


class WeChatApp(BaseSettings):
    """One of our two apps at WeChat; unset = that door stays shut."""

    app_id: str = ""
    secret: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    aes_key: SecretStr = SecretStr("")
    mode: CallbackMode | None = None

    @field_validator("aes_key")
    @classmethod
    def _is_an_encoding_aes_key(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) != 43:
            raise ValueError("an EncodingAESKey has 43 characters")
        return value

    @model_validator(mode="after")
    def _has_a_key_where_one_is_needed(self) -> Self:
        if self.callback_mode is not CallbackMode.plain and not self.aes_key.get_secret_value():
            raise ValueError("AES_KEY is needed in compatible and safe mode")
        return self

    @property
    def callback_mode(self) -> CallbackMode:
        """Safe as soon as there is a key, unless the setting says otherwise."""
        if self.mode is not None:
            return self.mode
        return CallbackMode.safe if self.aes_key.get_secret_value() else CallbackMode.plain

    @property
    def is_configured(self) -> bool:
        """Whether calls out can be made for this app."""
        return bool(self.app_id and self.secret.get_secret_value())

    @property
    def wants_pushes(self) -> bool:
        """Whether WeChat is to call us for this app; a mini-program may do without."""
        token, key = self.token.get_secret_value(), self.aes_key.get_secret_value()
        return bool(token or key or self.mode)

    def callback_fault(self) -> str | None:
        """What keeps WeChat's pushes from being told from a forger's: variable and reason."""
        if not self.wants_pushes:
            return None
        if not self.token.get_secret_value().strip():
            return "TOKEN: must not be empty, WeChat signs with it"
        if not self.app_id:
            return "APP_ID: must not be empty when there is a token"
        if self.callback_mode is not CallbackMode.plain and not re.fullmatch(
            "[A-Za-z0-9+/]{43}", self.aes_key.get_secret_value()
        ):
            return "AES_KEY: must be the 43 letters and digits WeChat shows"
        return None


class ServiceAccount(WeChatApp):
    """服务号."""

    model_config = _config("XUNHE_SERVICE_ACCOUNT_")

    @property
    def wants_pushes(self) -> bool:
        """A service account that hears nothing is mute."""
        return bool(self.app_id) or super().wants_pushes


class MiniProgram(WeChatApp):
    """小程序."""

    model_config = _config("XUNHE_MINI_PROGRAM_")


class Database(BaseSettings):
    """Where the records are."""

    model_config = _config("XUNHE_DATABASE_")

    url: str | None = None
    pool_size: int = Field(10, ge=2, le=200)
    connect_timeout_s: float = Field(2, gt=0)

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("only postgresql://… is spoken here")
        return value


class S3(BaseSettings):
    """How to reach the bucket of `XUNHE_MEDIA_URL`; unset = the usual `AWS_*` variables."""

    model_config = _config("XUNHE_S3_")

    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    virtual_hosted: bool = False

    @field_validator("endpoint")
    @classmethod
    def _is_an_http_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value


class MessageTemplate(BaseModel):
    """A template of an account's library: `{"id": "…", "thing1": "task", "time3": "due"}`.

    The names of its fields are WeChat's, what we put into each is on the right.
    """

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, str]

    id: str = Field(min_length=1)

    @property
    def fields(self) -> dict[str, str]:
        """WeChat's field names, with what belongs into each."""
        return dict(self.__pydantic_extra__)


def _from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


class Templates(BaseSettings):
    """Which template carries which kind of message; unset = not sent as a template."""

    model_config = _config("XUNHE_TEMPLATE_")

    reminder: Annotated[MessageTemplate | None, NoDecode, BeforeValidator(_from_json)] = None
    """A template message to a follower of the service account."""
    reminder_long_term: Annotated[MessageTemplate | None, NoDecode, BeforeValidator(_from_json)] = (
        None
    )
    """A long-term subscription of the service account, where its category has one."""
    reminder_mini_program: Annotated[
        MessageTemplate | None, NoDecode, BeforeValidator(_from_json)
    ] = None
    """A one-time subscription of the mini-program."""
    reminder_service_account: Annotated[
        MessageTemplate | None, NoDecode, BeforeValidator(_from_json)
    ] = None
    """A one-time subscription of the service account."""
    problem: Annotated[MessageTemplate | None, NoDecode, BeforeValidator(_from_json)] = None


class PairingDuty(StrEnum):
    """What the pairings of a department oblige it to: one duty in all, or one for each reach."""

    department = "department"
    reach = "reach"


_HOURS = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")


class Reminders(BaseSettings):
    """When people may be disturbed, and how often."""

    model_config = _config("XUNHE_REMINDER_")

    hours: str = "9:00-11:30,14:30-17:30"
    most_a_week: int = Field(2, ge=1, le=7)
    most_a_slice: int = Field(3, ge=1, le=20)
    apart_days: int = Field(7, ge=1, le=60)
    review_workdays: int = Field(3, ge=1, le=30)

    @field_validator("hours")
    @classmethod
    def _are_spans_of_a_day(cls, value: str) -> str:
        for part in value.split(","):
            found = _HOURS.fullmatch(part.strip())
            if not found:
                raise ValueError("must be spans such as 9:00-11:30,14:30-17:30")
            begin, end = (
                time(int(found[1]), int(found[2])),
                time(int(found[3]), int(found[4])),
            )
            if begin >= end:
                raise ValueError("a span must end after it begins")
        return value

    @property
    def spans(self) -> list[tuple[time, time]]:
        """The hours of a workday in which messages go out, at the lake."""
        return [
            (time(int(a), int(b)), time(int(c), int(d)))
            for a, b, c, d in _HOURS.findall(self.hours)
        ]


class RateLimits(BaseSettings):
    """Requests a minute, 0 = off."""

    model_config = _config("XUNHE_RATE_LIMIT_")

    per_person: int = Field(1200, ge=0)
    per_key: int = Field(1200, ge=0)
    per_address: int = Field(1200, ge=0)


class Evidence(BaseSettings):
    """The limits of the checks on a check-in; docs/evidence.md explains each."""

    model_config = _config("XUNHE_EVIDENCE_")

    accuracy_m: float = Field(200, gt=0)
    assumed_chat_accuracy_m: float = Field(100, ge=0)
    accuracy_allowance_m: float = Field(100, ge=0)
    clock_ahead_s: int = Field(300, ge=0)
    age_days: int = Field(7, ge=1)
    patrol_grace_s: int = Field(300, ge=0)
    speed_kmh: float = Field(120, gt=0)
    identical_days: int = Field(5, ge=1)
    photo_taken_apart_s: int = Field(86_400, ge=0)
    near_same_bits: int = Field(3, ge=0, le=3)
    near_same_m: float = Field(500, gt=0)
    device_shared_s: int = Field(43_200, ge=0)
    companion_elsewhere_m: float = Field(1000, gt=0)


class TileDatum(StrEnum):
    """In which datum the tiles of the base map are drawn."""

    wgs84 = "wgs84"
    gcj02 = "gcj02"


class Map(BaseSettings):
    """The base map of the dashboard; without `tile_url` only our own data is drawn."""

    model_config = _config("XUNHE_MAP_")

    tile_url: str = ""
    """Such as `https://tiles.example.cn/{z}/{x}/{y}.png`."""
    tile_datum: TileDatum = TileDatum.wgs84
    tile_attribution: str = ""

    @field_validator("tile_url")
    @classmethod
    def _is_a_tile_address(cls, value: str) -> str:
        if value and (
            not value.startswith(("http://", "https://"))
            or not all(part in value for part in ("{z}", "{x}", "{y}"))
        ):
            raise ValueError("must be http(s)://… with {z}, {x} and {y}")
        return value

    @property
    def tile_origin(self) -> str:
        """Where the browser fetches tiles from; empty without a base map."""
        return "/".join(self.tile_url.split("/")[:3]).replace("{s}", "*")


class Settings(BaseSettings):
    """The whole of it; `get_settings()` makes the one of this process."""

    model_config = _config("XUNHE_")

    data_dir: Path = Path("./data")
    media_url: str | None = None
    public_url: str = "http://127.0.0.1:8000"
    secret_key: SecretStr | None = None
    chain_secrets: Annotated[dict[int, SecretStr], NoDecode] = {}
    """Secrets of the record chain by version, `2:secret,3:secret`; the highest signs."""
    wechat_api_url: str = "https://api.weixin.qq.com"
    area_of_interest: Path | None = None
    count_from: date | None = None
    pairing_duty: PairingDuty = PairingDuty.department
    pairing_times: int = Field(6, ge=0, le=365)
    workdays_file: Path | None = None
    trusted_proxies: Annotated[list[IPv4Network | IPv6Network], NoDecode] = []
    alert_webhook: SecretStr | None = None
    callback_silent_h: int = Field(24, ge=0)
    office_phone: str = ""
    demo: bool = False
    log_level: str = "INFO"
    reach_within_m: float = Field(200, gt=0)
    stele_within_m: float = Field(2000, gt=0)
    session_days: int = Field(90, ge=1, le=3650)
    invitation_days: int = Field(30, ge=1, le=3650)
    hold_days: int = Field(7, ge=1, le=366)
    patrol_open_h: int = Field(12, ge=1, le=168)
    rank_organisations: bool = False
    """Whether reports and bulletins may put organisations in an order; people are never ranked."""

    database: Database = Field(default_factory=Database)
    service_account: ServiceAccount = Field(default_factory=ServiceAccount)
    mini_program: MiniProgram = Field(default_factory=MiniProgram)
    templates: Templates = Field(default_factory=Templates)
    s3: S3 = Field(default_factory=S3)
    reminders: Reminders = Field(default_factory=Reminders)
    rate_limit: RateLimits = Field(default_factory=RateLimits)
    evidence: Evidence = Field(default_factory=Evidence)
    map: Map = Field(default_factory=Map)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_at_commas(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("chain_secrets", mode="before")
    @classmethod
    def _split_at_versions(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = [part.strip().partition(":") for part in value.split(",") if part.strip()]
        return {version: secret for version, _, secret in parts}

    @field_validator("chain_secrets")
    @classmethod
    def _are_long_enough(cls, value: dict[int, SecretStr]) -> dict[int, SecretStr]:
        for version, secret in value.items():
            if not 1 <= version <= 9999 or len(secret.get_secret_value()) < 16:
                raise ValueError("must be version:secret, of at least 16 characters each")
        return value

    @field_validator("media_url")
    @classmethod
    def _is_a_folder_or_a_bucket(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("file:///", "s3://")):
            raise ValueError("must be file:///folder or s3://bucket/prefix")
        return value

    @field_validator("public_url", "wechat_api_url")
    @classmethod
    def _is_an_http_address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @property
    def media(self) -> str:
        """The photo store's URL."""
        return self.media_url or (self.data_dir.absolute() / "media").as_uri()


class BadSettings(Exception):
    """One line an operator can act on: which variable, and what is wrong with it."""


def require_whole_callbacks(settings: Settings) -> None:
    """Raise `BadSettings` for half a callback: an empty token would let anybody sign."""
    for name, app in (
        ("SERVICE_ACCOUNT", settings.service_account),
        ("MINI_PROGRAM", settings.mini_program),
    ):
        if fault := app.callback_fault():
            raise BadSettings(f"XUNHE_{name}_{fault}")


@lru_cache
def get_settings() -> Settings:
    """The one `Settings` of this process.

    Raises `BadSettings` that names the variable.
    """
    try:
        settings = Settings()
        require_whole_callbacks(settings)
        return settings
    except ValidationError as error:
        prefix = {
            "ServiceAccount": "XUNHE_SERVICE_ACCOUNT_",
            "MiniProgram": "XUNHE_MINI_PROGRAM_",
            "Database": "XUNHE_DATABASE_",
            "Templates": "XUNHE_TEMPLATE_",
            "Reminders": "XUNHE_REMINDER_",
            "S3": "XUNHE_S3_",
            "RateLimits": "XUNHE_RATE_LIMIT_",
            "Evidence": "XUNHE_EVIDENCE_",
            "Map": "XUNHE_MAP_",
        }.get(error.title, "XUNHE_")
        first = error.errors(include_input=False, include_url=False)[0]
        # What stands below the variable's own name is how pydantic went about it.
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        raise BadSettings(f"{prefix}{name}: {first['msg']}") from None
