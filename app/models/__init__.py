"""The tables, all of them, so that one import shows alembic the whole schema."""

from app.models.alarm import Alarm, Milestone
from app.models.api_key import ApiKey
from app.models.application import Application, ApplicationKind, ApplicationState
from app.models.audit_entry import AuditEntry
from app.models.base import Base, Box, uuid7
from app.models.bulletin import Bulletin, BulletinState
from app.models.bulletin_file import BulletinFile, BulletinTemplate, DocumentKind
from app.models.call import Call
from app.models.callback_receipt import CallbackNonce, CallbackReceipt
from app.models.chain_closing import ChainClosing
from app.models.chain_event import ChainEvent, ChainOrigin, UnsealedEvent
from app.models.chain_link import ChainHead, ChainLink
from app.models.chat_media import ChatMedia, MediaKind, MediaState
from app.models.check_in import CheckIn, CheckInVerdict, Source, Verdict
from app.models.companion import Companion
from app.models.consent import Consent, NoticeKind
from app.models.conversation import Conversation, HeldMessage
from app.models.credit import Credit
from app.models.credit_month import CreditMonth, StaleCreditMonth
from app.models.earlier_version import EarlierVersion
from app.models.exemption import Exemption, ExemptionKind, ExemptionState
from app.models.grid_cell import GridCell, GridCellKind
from app.models.invitation import Invitation
from app.models.late_entry import LateEntry, LateEntryState
from app.models.letter import Letter
from app.models.login import Login
from app.models.membership import Membership
from app.models.message import Message
from app.models.obligation import HolderKind, Obligation, Period, PhotoRule
from app.models.organisation import Organisation, OrganisationKind, subtree_of
from app.models.pairing import Pairing
from app.models.patrol import Findings, Patrol, PatrolKind, PatrolOrigin, PatrolState
from app.models.person import Person, Role, on_roster
from app.models.photo import Image, Photo
from app.models.post import AreaKind, Post, PostKind, is_held
from app.models.rate_bucket import RateBucket
from app.models.reach import Reach
from app.models.reminder import (
    Channel,
    Delivery,
    DeliveryState,
    Reminder,
    ReminderItem,
    ReminderKind,
    ReminderState,
)
from app.models.roster_conflict import ConflictState, RosterConflict
from app.models.rulebook import Rulebook
from app.models.send_lease import SendLease
from app.models.send_permit import SendPermit
from app.models.sign_in_ticket import SignInTicket
from app.models.standing import StaleStanding, Standing
from app.models.stele import Stele, SteleKind, StelePrint
from app.models.subscription import Subscription
from app.models.track_point import Mark, TrackPoint
from app.models.visit_day import StaleVisitDay, VisitDay
from app.models.waterbody import Waterbody, WaterbodyKind
from app.models.web_session import WebSession
from app.models.wechat_token import WechatCircuit, WechatToken
from app.models.wechat_user import App, WechatUser

__all__ = [
    "Alarm",
    "ApiKey",
    "App",
    "Application",
    "ApplicationKind",
    "ApplicationState",
    "AreaKind",
    "AuditEntry",
    "Base",
    "Box",
    "Bulletin",
    "BulletinFile",
    "BulletinState",
    "BulletinTemplate",
    "Call",
    "CallbackNonce",
    "CallbackReceipt",
    "ChainClosing",
    "ChainEvent",
    "ChainHead",
    "ChainLink",
    "ChainOrigin",
    "Channel",
    "ChatMedia",
    "CheckIn",
    "CheckInVerdict",
    "Companion",
    "ConflictState",
    "Consent",
    "Conversation",
    "Credit",
    "CreditMonth",
    "Delivery",
    "DeliveryState",
    "DocumentKind",
    "EarlierVersion",
    "Exemption",
    "ExemptionKind",
    "ExemptionState",
    "Findings",
    "GridCell",
    "GridCellKind",
    "HeldMessage",
    "HolderKind",
    "Image",
    "Invitation",
    "LateEntry",
    "LateEntryState",
    "Letter",
    "Login",
    "Mark",
    "MediaKind",
    "MediaState",
    "Membership",
    "Message",
    "Milestone",
    "NoticeKind",
    "Obligation",
    "Organisation",
    "OrganisationKind",
    "Pairing",
    "Patrol",
    "PatrolKind",
    "PatrolOrigin",
    "PatrolState",
    "Period",
    "Person",
    "Photo",
    "PhotoRule",
    "Post",
    "PostKind",
    "RateBucket",
    "Reach",
    "Reminder",
    "ReminderItem",
    "ReminderKind",
    "ReminderState",
    "Role",
    "RosterConflict",
    "Rulebook",
    "SendLease",
    "SendPermit",
    "SignInTicket",
    "Source",
    "StaleCreditMonth",
    "StaleStanding",
    "StaleVisitDay",
    "Standing",
    "Stele",
    "SteleKind",
    "StelePrint",
    "Subscription",
    "TrackPoint",
    "UnsealedEvent",
    "Verdict",
    "VisitDay",
    "Waterbody",
    "WaterbodyKind",
    "WebSession",
    "WechatCircuit",
    "WechatToken",
    "WechatUser",
    "is_held",
    "on_roster",
    "subtree_of",
    "uuid7",
]
