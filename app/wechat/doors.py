"""The two doors at which WeChat calls: what is needed to tell its pushes from anybody else's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from app.models import App
from app.settings import CallbackMode, Settings, require_whole_callbacks
from app.wechat.envelope import Envelope


@dataclass(frozen=True)
class Door:
    """One app's callback: its appid, token and key never appear in a repr."""

    app: App
    mode: CallbackMode
    app_id: str
    token: str = field(repr=False)
    aes_key: str = field(repr=False, default="")

    @cached_property
    def envelope(self) -> Envelope:
        """What seals and opens for this door; only where there is a key."""
        return Envelope(self.token, self.aes_key, self.app_id)


def open_doors(settings: Settings) -> Mapping[App, Door]:
    """The doors that are configured; an app without a token has none.

    Raises `BadSettings` for half a configuration.
    """
    require_whole_callbacks(settings)
    return {
        app: Door(
            app,
            given.callback_mode,
            given.app_id,
            given.token.get_secret_value(),
            given.aes_key.get_secret_value(),
        )
        for app, given in (
            (App.service_account, settings.service_account),
            (App.mini_program, settings.mini_program),
        )
        if given.wants_pushes
    }
