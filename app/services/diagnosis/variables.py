"""How each environment variable stands: set, unset, malformed or unknown; never its value."""

import os
from collections.abc import Iterator
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from app.services.diagnosis.findings import Finding, fail, ok, warn
from app.settings import Settings

_PREFIX = "XUNHE_"


def of_variables() -> list[Finding]:
    """How each variable stands: set, unset or malformed. Never a value."""
    found: list[Finding] = []
    known: set[str] = set()
    for kind in _kinds(Settings):
        prefix = kind.model_config.get("env_prefix", _PREFIX)
        malformed: dict[str, str] = {}
        given: set[str] = set()
        try:
            # The nested ones are looked at by themselves: their faults would hide these.
            given = kind(**_unlooked_at(kind)).model_fields_set
        except ValidationError as error:
            malformed = _malformed(error)
        for name, field in kind.model_fields.items():
            if _is_nested(field.annotation):
                continue
            variable = f"{prefix}{name}".upper()
            known.add(variable)
            if name in malformed:
                found.append(fail(variable, f"格式不对（{malformed[name]}），请改正。"))
            elif name in given or (malformed and _is_given(variable)):
                found.append(ok(variable, "已设置"))
            else:
                found.append(ok(variable, "未设置（用默认值）"))
        if "" in malformed:
            found.append(fail(f"{prefix}*", f"设置不完整（{malformed['']}），请改正。"))
    found += [
        warn(variable, "不认识这个设置，不起作用，请检查拼写。")
        for variable in sorted(_given_variables() - known)
    ]
    return found


def _kinds(kind: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    yield kind
    for field in kind.model_fields.values():
        if _is_nested(field.annotation):
            yield field.annotation  # type: ignore[misc]  # what _is_nested has just said


def _unlooked_at(kind: type[BaseSettings]) -> dict[str, Any]:
    return {
        name: field.annotation.model_construct()  # type: ignore[union-attr]  # as _is_nested says
        for name, field in kind.model_fields.items()
        if _is_nested(field.annotation)
    }


def _is_nested(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseSettings)


def _malformed(error: ValidationError) -> dict[str, str]:
    """What is wrong by field, "" for the whole; without what was given."""
    return {
        str(each["loc"][0]) if each["loc"] else "": each["msg"].removeprefix("Value error, ")
        for each in error.errors(include_input=False, include_url=False)
    }


def _given_variables() -> set[str]:
    given = {name.upper() for name in os.environ} | {name.upper() for name in dotenv_values(".env")}
    # What `serve` and the tests say to themselves is no setting of the operator's.
    return {name for name in given if name.startswith(_PREFIX) and "_TEST_" not in name}


def _is_given(variable: str) -> bool:
    return variable in _given_variables()
