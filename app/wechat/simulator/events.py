"""Events that both people and the platform itself bring about."""

from typing import Any

from app.wechat.simulator.records import Account


def subscription_event(account: Account, what: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """An event about subscriptions: `what` is popup, change or sent; JSON unwraps a lone row."""
    name = f"subscribe_msg_{what}_event"
    fields: dict[str, Any] = {"MsgType": "event", "Event": name}
    if account.config.push_format == "json":
        return {**fields, "List": rows[0] if len(rows) == 1 else rows}
    return {**fields, f"SubscribeMsg{what.capitalize()}Event": {"List": rows}}
