"""Texts typed in the chat, and clicks in the menu that say the same."""

from app.domain import chat, replies
from app.domain.chat import Command, Said
from app.models import NoticeKind
from app.services.conversations import binding, companions, letters, questions, records
from app.services.conversations.turns import Turn
from app.wechat.menu import MenuKey

_LATER = {
    MenuKey.activities: "活动",
    MenuKey.sign_in: "签到",
    MenuKey.learning: "学习",
    MenuKey.problem: "报问题",
}
_HOW_TO = {
    MenuKey.location: replies.HOW_TO_RECORD,
    MenuKey.photo: replies.HOW_TO_PHOTO,
    MenuKey.scan_stele: replies.HOW_TO_SCAN,
}


async def take(turn: Turn, typed: str) -> str:
    """The answer to a question of ours, a command, a note, or something not understood."""
    said = chat.read(typed)
    answered = await questions.answer(turn, said, typed)
    if answered is not None:
        return answered
    commanded = await _obey(turn, said)
    if commanded is not None:
        return commanded
    if turn.person is None:
        return replies.UNBOUND
    noted = await records.note(turn, typed.strip())
    return noted if noted is not None else not_understood(turn)


async def click(turn: Turn, menu_key: str) -> str:
    """An entry of the menu."""
    match menu_key:
        case MenuKey.progress:
            return await records.progress(turn)
        case MenuKey.my_records:
            return await records.latest(turn)
        case MenuKey.letters:
            return await letters.show(turn)
        case MenuKey.help:
            return _help(turn)
    if menu_key in _LATER:
        return replies.later(_LATER[MenuKey(menu_key)], turn.settings.office_phone)
    return _HOW_TO[MenuKey(menu_key)] if menu_key in _HOW_TO else not_understood(turn)


def not_understood(turn: Turn) -> str:
    """Three numbered choices."""
    turn.ask("choices")
    return replies.CHOICES


def _help(turn: Turn) -> str:
    return replies.HELP if turn.person is not None else replies.UNBOUND_HELP


async def _obey(turn: Turn, said: Said) -> str | None:
    match said.command:
        case Command.bind:
            return await binding.by_command(turn, said.rest)
        case Command.code if turn.person is None:
            return await binding.by_code(turn, said.rest)
        case Command.progress:
            return await records.progress(turn)
        case Command.records:
            return await records.latest(turn)
        case Command.help:
            return _help(turn)
        case Command.problem:
            return replies.later("报问题", turn.settings.office_phone)
        case Command.later:
            return replies.later(said.rest, turn.settings.office_phone)
        case Command.letters:
            return await letters.show(turn)
        case Command.confirm_letter:
            return await letters.confirm(turn, said.rest)
        case Command.agree:
            return await binding.agree(turn)
        case Command.disagree:
            return await binding.disagree(turn)
        case Command.take_back:
            return await binding.take_back(turn, NoticeKind.position)
        case Command.take_back_track:
            return await binding.take_back(turn, NoticeKind.track)
        case Command.cancel:
            return await records.cancel(turn)
        case Command.no_photo:
            return await records.close_without_photo(turn, said.rest)
        case Command.companions:
            return await companions.add(turn, said.rest)
        case Command.yes | Command.no:
            return replies.NOBODY_ASKED
        case Command.choice:
            return not_understood(turn)
    return None
