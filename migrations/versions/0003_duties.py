"""The book of duties, and reminders."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


_VERSIONED = ("obligations", "exemptions", "pairings", "posts")
_KEEP_EARLIER_VERSIONS = """
    CREATE FUNCTION keep_earlier_versions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO earlier_versions (subject, row_id, content, superseded_at)
      SELECT TG_TABLE_NAME, o.id, to_jsonb(o) - 'reason', now()
      FROM old_rows o JOIN new_rows n ON n.id = o.id
      WHERE o IS DISTINCT FROM n;
      RETURN NULL;
    END $$
"""


def upgrade() -> None:
    # Rather fail than queue behind a long transaction with every patroller waiting behind us.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "rulebook",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("count_from", sa.Date(), nullable=True),
        sa.Column("pairing_duty", sa.Text(), nullable=False),
        sa.Column("pairing_times", sa.Integer(), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_rulebook_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rulebook")),
    )
    op.create_table(
        "reminders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "due_soon",
                "behind",
                "escalation",
                "digest",
                "review",
                name="reminderkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "sending",
                "sent",
                "confirmed",
                "unknown",
                "dropped",
                "call_list",
                name="reminderstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "channel",
            sa.Enum(
                "long_term",
                "template",
                "mini_program",
                "service_account",
                "customer_service",
                name="channel",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_reminders_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminders")),
        sa.UniqueConstraint("person_id", "day", name=op.f("uq_reminders_person_id_day")),
    )
    op.create_index(op.f("ix_reminders_day_id"), "reminders", ["day", "id"], unique=False)
    op.create_index(
        "ix_reminders_open",
        "reminders",
        ["try_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("reminder_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phoned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("phoned_by_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_calls_person_id")),
        sa.ForeignKeyConstraint(
            ["phoned_by_id"], ["people.id"], name=op.f("fk_calls_phoned_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["reminder_id"], ["reminders.id"], name=op.f("fk_calls_reminder_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index(op.f("ix_calls_opened_at_id"), "calls", ["opened_at", "id"], unique=False)
    op.create_index(op.f("ix_calls_person_id"), "calls", ["person_id"], unique=False)
    op.create_index(op.f("ix_calls_phoned_by_id"), "calls", ["phoned_by_id"], unique=False)
    op.create_index(op.f("ix_calls_reminder_id"), "calls", ["reminder_id"], unique=False)
    op.create_index(
        "uq_calls_open",
        "calls",
        ["person_id"],
        unique=True,
        postgresql_where=sa.text("phoned_at IS NULL AND closed_at IS NULL"),
    )
    op.create_table(
        "send_permits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wechat_user_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_send_permits_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_send_permits")),
        sa.UniqueConstraint("event_key", name=op.f("uq_send_permits_event_key")),
    )
    op.create_index(
        "ix_send_permits_usable",
        "send_permits",
        ["wechat_user_id", "template_id"],
        unique=False,
        postgresql_where=sa.text("used_at IS NULL AND void_at IS NULL"),
    )
    op.create_index(
        op.f("ix_send_permits_wechat_user_id"), "send_permits", ["wechat_user_id"], unique=False
    )
    op.create_table(
        "credits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("obligation_id", sa.Uuid(), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column("patrol_id", sa.Uuid(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("proxy", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["obligation_id"], ["obligations.id"], name=op.f("fk_credits_obligation_id")
        ),
        sa.ForeignKeyConstraint(["patrol_id"], ["patrols.id"], name=op.f("fk_credits_patrol_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credits")),
    )
    op.create_index(op.f("ix_credits_patrol_id"), "credits", ["patrol_id"], unique=False)
    op.create_index(
        "ix_credits_pending",
        "credits",
        ["obligation_id", "counted_on"],
        unique=False,
        postgresql_where=sa.text("pending AND revoked_at IS NULL"),
    )
    op.create_index(
        "uq_credits_in_force",
        "credits",
        ["obligation_id", "counted_on", "patrol_id", "pending", "proxy"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "send_leases",
        sa.Column("wechat_user_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_send_leases_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("wechat_user_id", name=op.f("pk_send_leases")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reminder_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "long_term",
                "template",
                "mini_program",
                "service_account",
                "customer_service",
                name="channel",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("wechat_user_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Text(), nullable=True),
        sa.Column("permit_id", sa.Uuid(), nullable=True),
        sa.Column("client_msg_id", sa.Text(), nullable=False),
        sa.Column("msgid", sa.Text(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "sending",
                "sent",
                "confirmed",
                "refused",
                "failed",
                "unknown",
                name="deliverystate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["permit_id"], ["send_permits.id"], name=op.f("fk_deliveries_permit_id")
        ),
        sa.ForeignKeyConstraint(
            ["reminder_id"], ["reminders.id"], name=op.f("fk_deliveries_reminder_id")
        ),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_deliveries_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_malformed",
        "deliveries",
        ["answered_at"],
        unique=False,
        postgresql_where=sa.text("errcode IN (45168, 47001, 47003)"),
    )
    op.create_index(
        op.f("ix_deliveries_msgid"),
        "deliveries",
        ["msgid"],
        unique=False,
        postgresql_where=sa.text("msgid IS NOT NULL"),
    )
    op.create_index(op.f("ix_deliveries_permit_id"), "deliveries", ["permit_id"], unique=False)
    op.create_index(op.f("ix_deliveries_reminder_id"), "deliveries", ["reminder_id"], unique=False)
    op.create_index(
        op.f("ix_deliveries_wechat_user_id_started_at"),
        "deliveries",
        ["wechat_user_id", "started_at"],
        unique=False,
    )
    op.create_table(
        "late_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("walked_on", sa.Date(), nullable=False),
        sa.Column(
            "area_kind",
            sa.Enum(
                "any",
                "waterbody",
                "reach",
                "grid_cell",
                "stele",
                "paired",
                name="areakind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("reach_id", sa.Uuid(), nullable=True),
        sa.Column("grid_cell_id", sa.Uuid(), nullable=True),
        sa.Column("stele_id", sa.Uuid(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "foot",
                "vehicle",
                "boat",
                "drone",
                "site_meeting",
                name="patrolkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("metres", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("image_sha256", sa.LargeBinary(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "entered",
                "accepted",
                "declined",
                name="lateentrystate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("entered_by_id", sa.Uuid(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("patrol_id", sa.Uuid(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["people.id"], name=op.f("fk_late_entries_decided_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["entered_by_id"], ["people.id"], name=op.f("fk_late_entries_entered_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["grid_cell_id"], ["grid_cells.id"], name=op.f("fk_late_entries_grid_cell_id")
        ),
        sa.ForeignKeyConstraint(
            ["image_sha256"], ["images.sha256"], name=op.f("fk_late_entries_image_sha256")
        ),
        sa.ForeignKeyConstraint(
            ["patrol_id"], ["patrols.id"], name=op.f("fk_late_entries_patrol_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_late_entries_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["reach_id"], ["reaches.id"], name=op.f("fk_late_entries_reach_id")
        ),
        sa.ForeignKeyConstraint(["stele_id"], ["steles.id"], name=op.f("fk_late_entries_stele_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_late_entries")),
    )
    op.create_index(
        op.f("ix_late_entries_decided_by_id"), "late_entries", ["decided_by_id"], unique=False
    )
    op.create_index(
        op.f("ix_late_entries_entered_at_id"), "late_entries", ["entered_at", "id"], unique=False
    )
    op.create_index(
        op.f("ix_late_entries_entered_by_id"), "late_entries", ["entered_by_id"], unique=False
    )
    op.create_index(
        op.f("ix_late_entries_grid_cell_id"), "late_entries", ["grid_cell_id"], unique=False
    )
    op.create_index(
        op.f("ix_late_entries_image_sha256"), "late_entries", ["image_sha256"], unique=False
    )
    op.create_index(op.f("ix_late_entries_patrol_id"), "late_entries", ["patrol_id"], unique=False)
    op.create_index(op.f("ix_late_entries_person_id"), "late_entries", ["person_id"], unique=False)
    op.create_index(op.f("ix_late_entries_reach_id"), "late_entries", ["reach_id"], unique=False)
    op.create_index(op.f("ix_late_entries_stele_id"), "late_entries", ["stele_id"], unique=False)
    op.create_table(
        "reminder_items",
        sa.Column("reminder_id", sa.Uuid(), nullable=False),
        sa.Column("obligation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "due_soon",
                "behind",
                "escalation",
                "digest",
                "review",
                name="reminderkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("window_from", sa.Date(), nullable=False),
        sa.Column("slice", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("owed", sa.Integer(), nullable=False),
        sa.Column("behind", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["obligation_id"], ["obligations.id"], name=op.f("fk_reminder_items_obligation_id")
        ),
        sa.ForeignKeyConstraint(
            ["reminder_id"], ["reminders.id"], name=op.f("fk_reminder_items_reminder_id")
        ),
        sa.PrimaryKeyConstraint(
            "reminder_id", "obligation_id", "kind", name=op.f("pk_reminder_items")
        ),
    )
    op.create_index(
        op.f("ix_reminder_items_obligation_id_window_from_slice_kind"),
        "reminder_items",
        ["obligation_id", "window_from", "slice", "kind"],
        unique=False,
    )
    op.create_table(
        "stale_standings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("obligation_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stale_standings")),
    )
    op.create_index(
        op.f("ix_stale_standings_obligation_id"), "stale_standings", ["obligation_id"], unique=False
    )
    op.create_table(
        "standings",
        sa.Column("obligation_id", sa.Uuid(), nullable=False),
        sa.Column("window_from", sa.Date(), nullable=False),
        sa.Column("good_from", sa.Date(), nullable=False),
        sa.Column("good_to", sa.Date(), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.Column("slices", sa.ARRAY(sa.Date()), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column(
            "next_due_on", sa.Date(), sa.Computed("slices[done + 1]", persisted=True), nullable=True
        ),
        sa.PrimaryKeyConstraint("obligation_id", name=op.f("pk_standings")),
    )
    op.create_index(
        op.f("ix_standings_next_due_on"),
        "standings",
        ["next_due_on"],
        unique=False,
        postgresql_where=sa.text("next_due_on IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_standings_good_to_good_from"),
        "standings",
        ["good_to", "good_from"],
        unique=False,
    )
    op.create_table(
        "earlier_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earlier_versions")),
    )
    op.create_index(
        op.f("ix_earlier_versions_row_id_superseded_at"),
        "earlier_versions",
        ["row_id", "superseded_at"],
        unique=False,
    )
    op.execute(_KEEP_EARLIER_VERSIONS)
    for table in _VERSIONED:
        op.execute(
            f"CREATE TRIGGER keep_earlier_versions AFTER UPDATE ON {table} "
            "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
            "FOR EACH STATEMENT EXECUTE FUNCTION keep_earlier_versions()"
        )
    op.create_index(
        "ix_check_ins_flagged",
        "check_ins",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("verdict = 'flagged' AND withdrawn_at IS NULL"),
    )
    op.add_column("check_ins", sa.Column("nearest_stele_within", sa.Boolean(), nullable=True))
    op.execute(
        "UPDATE check_ins c SET nearest_stele_within = c.nearest_stele_distance_m <= s.radius_m "
        "FROM steles s WHERE s.id = c.nearest_stele_id"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("check_ins", "nearest_stele_within")
    op.drop_index(
        "ix_check_ins_flagged",
        table_name="check_ins",
        postgresql_where=sa.text("verdict = 'flagged' AND withdrawn_at IS NULL"),
    )
    for table in _VERSIONED:
        op.execute(f"DROP TRIGGER keep_earlier_versions ON {table}")
    op.execute("DROP FUNCTION keep_earlier_versions()")
    op.drop_table("earlier_versions")
    op.drop_index(op.f("ix_standings_good_to_good_from"), table_name="standings")
    op.drop_index(
        op.f("ix_standings_next_due_on"),
        table_name="standings",
        postgresql_where=sa.text("next_due_on IS NOT NULL"),
    )
    op.drop_table("standings")
    op.drop_index(op.f("ix_stale_standings_obligation_id"), table_name="stale_standings")
    op.drop_table("stale_standings")
    op.drop_index(
        op.f("ix_reminder_items_obligation_id_window_from_slice_kind"), table_name="reminder_items"
    )
    op.drop_table("reminder_items")
    op.drop_index(op.f("ix_late_entries_stele_id"), table_name="late_entries")
    op.drop_index(op.f("ix_late_entries_reach_id"), table_name="late_entries")
    op.drop_index(op.f("ix_late_entries_person_id"), table_name="late_entries")
    op.drop_index(op.f("ix_late_entries_patrol_id"), table_name="late_entries")
    op.drop_index(op.f("ix_late_entries_image_sha256"), table_name="late_entries")
    op.drop_index(op.f("ix_late_entries_grid_cell_id"), table_name="late_entries")
    op.drop_index(op.f("ix_late_entries_entered_by_id"), table_name="late_entries")
    op.drop_index(op.f("ix_late_entries_entered_at_id"), table_name="late_entries")
    op.drop_index(op.f("ix_late_entries_decided_by_id"), table_name="late_entries")
    op.drop_table("late_entries")
    op.drop_index(op.f("ix_deliveries_wechat_user_id_started_at"), table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_reminder_id"), table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_permit_id"), table_name="deliveries")
    op.drop_index(
        op.f("ix_deliveries_msgid"),
        table_name="deliveries",
        postgresql_where=sa.text("msgid IS NOT NULL"),
    )
    op.drop_index(
        "ix_deliveries_malformed",
        table_name="deliveries",
        postgresql_where=sa.text("errcode IN (45168, 47001, 47003)"),
    )
    op.drop_table("deliveries")
    op.drop_table("send_leases")
    op.drop_index(
        "uq_credits_in_force", table_name="credits", postgresql_where=sa.text("revoked_at IS NULL")
    )
    op.drop_index(
        "ix_credits_pending",
        table_name="credits",
        postgresql_where=sa.text("pending AND revoked_at IS NULL"),
    )
    op.drop_index(op.f("ix_credits_patrol_id"), table_name="credits")
    op.drop_table("credits")
    op.drop_index(op.f("ix_send_permits_wechat_user_id"), table_name="send_permits")
    op.drop_index(
        "ix_send_permits_usable",
        table_name="send_permits",
        postgresql_where=sa.text("used_at IS NULL AND void_at IS NULL"),
    )
    op.drop_table("send_permits")
    op.drop_index(
        "uq_calls_open",
        table_name="calls",
        postgresql_where=sa.text("phoned_at IS NULL AND closed_at IS NULL"),
    )
    op.drop_index(op.f("ix_calls_reminder_id"), table_name="calls")
    op.drop_index(op.f("ix_calls_phoned_by_id"), table_name="calls")
    op.drop_index(op.f("ix_calls_person_id"), table_name="calls")
    op.drop_index(op.f("ix_calls_opened_at_id"), table_name="calls")
    op.drop_table("calls")
    op.drop_index(
        "ix_reminders_open",
        table_name="reminders",
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    )
    op.drop_index(op.f("ix_reminders_day_id"), table_name="reminders")
    op.drop_table("reminders")
    op.drop_table("rulebook")
