"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


class Box(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_kw: object) -> str:
        return "box"


def upgrade() -> None:
    # Rather fail than queue behind a long transaction with every patroller waiting behind us.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "alarms",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_alarms")),
    )
    op.create_table(
        "callback_nonces",
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("app", "timestamp", "nonce", name=op.f("pk_callback_nonces")),
    )
    op.create_index(
        op.f("ix_callback_nonces_received_at"), "callback_nonces", ["received_at"], unique=False
    )
    op.create_table(
        "callback_receipts",
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("app", "key", name=op.f("pk_callback_receipts")),
    )
    op.create_index(
        op.f("ix_callback_receipts_received_at"), "callback_receipts", ["received_at"], unique=False
    )
    op.create_table(
        "images",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("perceptual_hash", sa.BigInteger(), nullable=True),
        sa.Column("band_0", sa.SmallInteger(), nullable=True),
        sa.Column("band_1", sa.SmallInteger(), nullable=True),
        sa.Column("band_2", sa.SmallInteger(), nullable=True),
        sa.Column("band_3", sa.SmallInteger(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renditions_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_images")),
    )
    op.create_index(op.f("ix_images_band_0"), "images", ["band_0"], unique=False)
    op.create_index(op.f("ix_images_band_1"), "images", ["band_1"], unique=False)
    op.create_index(op.f("ix_images_band_2"), "images", ["band_2"], unique=False)
    op.create_index(op.f("ix_images_band_3"), "images", ["band_3"], unique=False)
    op.create_table(
        "milestones",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_milestones")),
    )
    op.create_table(
        "organisations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "committee",
                "party_committee",
                "department",
                "general_branch",
                "branch",
                "party_group",
                "village",
                "enterprise",
                name="organisationkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("short_name", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["organisations.id"], name=op.f("fk_organisations_parent_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("code", name=op.f("uq_organisations_code")),
    )
    op.create_index(
        op.f("ix_organisations_parent_id"), "organisations", ["parent_id"], unique=False
    )
    op.create_table(
        "rate_buckets",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_buckets")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(op.f("ix_rate_buckets_at"), "rate_buckets", ["at"], unique=False)
    op.create_table(
        "waterbodies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "river",
                "lake",
                name="waterbodykind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("geometry", sa.LargeBinary(), nullable=False),
        sa.Column("bounds", Box(), nullable=False),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waterbodies")),
        sa.UniqueConstraint("code", name=op.f("uq_waterbodies_code")),
    )
    op.create_index(
        op.f("ix_waterbodies_bounds"),
        "waterbodies",
        ["bounds"],
        unique=False,
        postgresql_using="gist",
    )
    op.create_table(
        "wechat_circuits",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("errcode", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "path", name=op.f("pk_wechat_circuits")),
    )
    op.create_table(
        "wechat_tokens",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "kind", name=op.f("pk_wechat_tokens")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_api_keys_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_index(
        op.f("ix_api_keys_organisation_id"), "api_keys", ["organisation_id"], unique=False
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "member",
                "manager",
                "admin",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("party_member", sa.Boolean(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("public_name", sa.Text(), nullable=True),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_people_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("code", name=op.f("uq_people_code")),
    )
    op.create_index(op.f("ix_people_organisation_id"), "people", ["organisation_id"], unique=False)
    op.create_index(
        "uq_people_phone_on_roster",
        "people",
        ["phone"],
        unique=True,
        postgresql_where=sa.text("retired_on IS NULL"),
    )
    op.create_table(
        "reaches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("waterbody_id", sa.Uuid(), nullable=False),
        sa.Column("short_name", sa.Text(), nullable=True),
        sa.Column("start", sa.Text(), nullable=True),
        sa.Column("end", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("geometry", sa.LargeBinary(), nullable=False),
        sa.Column(
            "geometry_digest",
            sa.LargeBinary(),
            sa.Computed("sha256(geometry)", persisted=True),
            nullable=False,
        ),
        sa.Column("bounds", Box(), nullable=False),
        sa.Column("length_m", sa.Double(), nullable=False),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["waterbody_id"], ["waterbodies.id"], name=op.f("fk_reaches_waterbody_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reaches")),
        sa.UniqueConstraint("code", name=op.f("uq_reaches_code")),
    )
    op.create_index(
        op.f("ix_reaches_bounds"), "reaches", ["bounds"], unique=False, postgresql_using="gist"
    )
    op.create_index(op.f("ix_reaches_waterbody_id"), "reaches", ["waterbody_id"], unique=False)
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["people.id"], name=op.f("fk_audit_entries_actor_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_actor_id"), "audit_entries", ["actor_id"], unique=False)
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"], unique=False)
    op.create_table(
        "grid_cells",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "river_cleaning",
                "wetland_protection",
                "sanitation",
                "general",
                name="gridcellkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("geometry", sa.LargeBinary(), nullable=False),
        sa.Column(
            "geometry_digest",
            sa.LargeBinary(),
            sa.Computed("sha256(geometry)", persisted=True),
            nullable=False,
        ),
        sa.Column("bounds", Box(), nullable=False),
        sa.Column("area_m2", sa.Double(), nullable=False),
        sa.Column("lineage", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_grid_cells_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["grid_cells.id"], name=op.f("fk_grid_cells_parent_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_grid_cells_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_cells")),
        sa.UniqueConstraint("code", name=op.f("uq_grid_cells_code")),
    )
    op.create_index(
        op.f("ix_grid_cells_bounds"),
        "grid_cells",
        ["bounds"],
        unique=False,
        postgresql_using="gist",
    )
    op.create_index(
        op.f("ix_grid_cells_organisation_id"), "grid_cells", ["organisation_id"], unique=False
    )
    op.create_index(op.f("ix_grid_cells_parent_id"), "grid_cells", ["parent_id"], unique=False)
    op.create_index(op.f("ix_grid_cells_person_id"), "grid_cells", ["person_id"], unique=False)
    op.create_table(
        "letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("document_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_letters_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_letters_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        sa.UniqueConstraint("number", name=op.f("uq_letters_number")),
    )
    op.create_index(
        op.f("ix_letters_organisation_id"), "letters", ["organisation_id"], unique=False
    )
    op.create_index(op.f("ix_letters_person_id"), "letters", ["person_id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_memberships_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_memberships_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
    )
    op.create_index(
        op.f("ix_memberships_organisation_id"), "memberships", ["organisation_id"], unique=False
    )
    op.create_index(op.f("ix_memberships_person_id"), "memberships", ["person_id"], unique=False)
    op.create_table(
        "pairings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=False),
        sa.Column("reach_id", sa.Uuid(), nullable=True),
        sa.Column("village_id", sa.Uuid(), nullable=True),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["department_id"], ["organisations.id"], name=op.f("fk_pairings_department_id")
        ),
        sa.ForeignKeyConstraint(["reach_id"], ["reaches.id"], name=op.f("fk_pairings_reach_id")),
        sa.ForeignKeyConstraint(
            ["village_id"], ["organisations.id"], name=op.f("fk_pairings_village_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pairings")),
    )
    op.create_index(op.f("ix_pairings_department_id"), "pairings", ["department_id"], unique=False)
    op.create_index(op.f("ix_pairings_reach_id"), "pairings", ["reach_id"], unique=False)
    op.create_index(op.f("ix_pairings_village_id"), "pairings", ["village_id"], unique=False)
    op.create_table(
        "steles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "boundary_stone",
                "notice_board",
                name="stelekind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("reach_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("short_name", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("radius_m", sa.Double(), nullable=False),
        sa.Column("placed_on", sa.Date(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("bounds", Box(), nullable=False),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_steles_organisation_id")
        ),
        sa.ForeignKeyConstraint(["reach_id"], ["reaches.id"], name=op.f("fk_steles_reach_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_steles")),
        sa.UniqueConstraint("code", name=op.f("uq_steles_code")),
    )
    op.create_index(
        op.f("ix_steles_bounds"), "steles", ["bounds"], unique=False, postgresql_using="gist"
    )
    op.create_index(op.f("ix_steles_organisation_id"), "steles", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_steles_reach_id"), "steles", ["reach_id"], unique=False)
    op.create_table(
        "wechat_users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "app",
            sa.Enum(
                "mini_program",
                "service_account",
                name="app",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("openid", sa.Text(), nullable=True),
        sa.Column("unionid", sa.Text(), nullable=True),
        sa.Column("unionid_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subscribed", sa.Boolean(), nullable=False),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_codes", sa.Integer(), nullable=False),
        sa.Column("failed_code_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_wechat_users_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wechat_users")),
        sa.UniqueConstraint("app", "openid", name=op.f("uq_wechat_users_app_openid")),
    )
    op.create_index(op.f("ix_wechat_users_person_id"), "wechat_users", ["person_id"], unique=False)
    op.create_index(op.f("ix_wechat_users_unionid"), "wechat_users", ["unionid"], unique=False)
    op.create_index(
        "uq_wechat_users_person",
        "wechat_users",
        ["person_id", "app"],
        unique=True,
        postgresql_where=sa.text("person_id IS NOT NULL"),
    )
    op.create_table(
        "applications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wechat_user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "binding",
                "replacement",
                name="applicationkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("organisation", sa.Text(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "joined",
                "declined",
                name="applicationstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["people.id"], name=op.f("fk_applications_decided_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_applications_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_applications_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
    )
    op.create_index(
        op.f("ix_applications_decided_by_id"), "applications", ["decided_by_id"], unique=False
    )
    op.create_index(op.f("ix_applications_person_id"), "applications", ["person_id"], unique=False)
    op.create_index(
        op.f("ix_applications_wechat_user_id"), "applications", ["wechat_user_id"], unique=False
    )
    op.create_index(
        "uq_applications_pending",
        "applications",
        ["wechat_user_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("wechat_user_id", sa.Uuid(), nullable=True),
        sa.Column(
            "notice",
            sa.Enum(
                "position",
                "track",
                name="noticekind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(person_id, wechat_user_id) >= 1", name=op.f("ck_consents_somebody")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_consents_person_id")),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_consents_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(op.f("ix_consents_person_id"), "consents", ["person_id"], unique=False)
    op.create_index(
        op.f("ix_consents_wechat_user_id"), "consents", ["wechat_user_id"], unique=False
    )
    op.create_table(
        "held_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wechat_user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_held_messages_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_messages")),
    )
    op.create_index(
        op.f("ix_held_messages_received_at"), "held_messages", ["received_at"], unique=False
    )
    op.create_index(
        "ix_held_messages_waiting",
        "held_messages",
        ["wechat_user_id", "received_at"],
        unique=False,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index(
        op.f("ix_held_messages_wechat_user_id"), "held_messages", ["wechat_user_id"], unique=False
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scene_hash", sa.LargeBinary(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_by_id", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["people.id"], name=op.f("fk_invitations_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_invitations_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["used_by_id"], ["wechat_users.id"], name=op.f("fk_invitations_used_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_invitations_code_hash")),
        sa.UniqueConstraint("scene_hash", name=op.f("uq_invitations_scene_hash")),
    )
    op.create_index(
        op.f("ix_invitations_created_by_id"), "invitations", ["created_by_id"], unique=False
    )
    op.create_index(op.f("ix_invitations_person_id"), "invitations", ["person_id"], unique=False)
    op.create_index(op.f("ix_invitations_used_by_id"), "invitations", ["used_by_id"], unique=False)
    op.create_table(
        "logins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("wechat_user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_logins_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logins")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_logins_token_hash")),
    )
    op.create_index(op.f("ix_logins_wechat_user_id"), "logins", ["wechat_user_id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("wechat_user_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_messages_person_id")),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_messages_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index(
        op.f("ix_messages_person_id_created_at"),
        "messages",
        ["person_id", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_messages_wechat_user_id"), "messages", ["wechat_user_id"], unique=False
    )
    op.create_table(
        "obligations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("holder_person_id", sa.Uuid(), nullable=True),
        sa.Column("holder_organisation_id", sa.Uuid(), nullable=True),
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
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column(
            "period",
            sa.Enum(
                "year",
                "half_year",
                "quarter",
                "month",
                "week",
                name="period",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("months", sa.Text(), nullable=True),
        sa.Column("min_minutes", sa.Integer(), nullable=True),
        sa.Column("min_metres", sa.Integer(), nullable=True),
        sa.Column("kinds", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column(
            "photo",
            sa.Enum(
                "required",
                "wanted",
                "none",
                name="photorule",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("letter_id", sa.Uuid(), nullable=True),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "num_nonnulls(holder_person_id, holder_organisation_id) = 1",
            name=op.f("ck_obligations_one_holder"),
        ),
        sa.ForeignKeyConstraint(
            ["grid_cell_id"], ["grid_cells.id"], name=op.f("fk_obligations_grid_cell_id")
        ),
        sa.ForeignKeyConstraint(
            ["holder_organisation_id"],
            ["organisations.id"],
            name=op.f("fk_obligations_holder_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["holder_person_id"], ["people.id"], name=op.f("fk_obligations_holder_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["letter_id"], ["letters.id"], name=op.f("fk_obligations_letter_id")
        ),
        sa.ForeignKeyConstraint(["reach_id"], ["reaches.id"], name=op.f("fk_obligations_reach_id")),
        sa.ForeignKeyConstraint(["stele_id"], ["steles.id"], name=op.f("fk_obligations_stele_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_obligations")),
        sa.UniqueConstraint("code", name=op.f("uq_obligations_code")),
    )
    op.create_index(
        op.f("ix_obligations_grid_cell_id"), "obligations", ["grid_cell_id"], unique=False
    )
    op.create_index(
        op.f("ix_obligations_holder_organisation_id"),
        "obligations",
        ["holder_organisation_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_obligations_holder_person_id"), "obligations", ["holder_person_id"], unique=False
    )
    op.create_index(op.f("ix_obligations_letter_id"), "obligations", ["letter_id"], unique=False)
    op.create_index(op.f("ix_obligations_reach_id"), "obligations", ["reach_id"], unique=False)
    op.create_index(op.f("ix_obligations_stele_id"), "obligations", ["stele_id"], unique=False)
    op.create_table(
        "patrols",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
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
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "finished",
                name="patrolstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "origin",
            sa.Enum(
                "phone",
                "self_made",
                "paper",
                name="patrolorigin",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_on", sa.Date(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by_us", sa.Boolean(), nullable=False),
        sa.Column("reach_id", sa.Uuid(), nullable=True),
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
            nullable=True,
        ),
        sa.Column("grid_cell_id", sa.Uuid(), nullable=True),
        sa.Column("stele_id", sa.Uuid(), nullable=True),
        sa.Column(
            "findings",
            sa.Enum(
                "none",
                "some",
                name="findings",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("distance_m", sa.Double(), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=True),
        sa.Column("points_kept", sa.Integer(), nullable=False),
        sa.Column("points_marked", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["grid_cell_id"], ["grid_cells.id"], name=op.f("fk_patrols_grid_cell_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_patrols_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_patrols_person_id")),
        sa.ForeignKeyConstraint(["reach_id"], ["reaches.id"], name=op.f("fk_patrols_reach_id")),
        sa.ForeignKeyConstraint(["stele_id"], ["steles.id"], name=op.f("fk_patrols_stele_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrols")),
        sa.UniqueConstraint("code", name=op.f("uq_patrols_code")),
    )
    op.create_index(op.f("ix_patrols_grid_cell_id"), "patrols", ["grid_cell_id"], unique=False)
    op.create_index(
        "ix_patrols_open",
        "patrols",
        ["started_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        op.f("ix_patrols_organisation_id_started_at"),
        "patrols",
        ["organisation_id", "started_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_patrols_person_id_started_at"),
        "patrols",
        ["person_id", "started_at"],
        unique=False,
    )
    op.create_index(op.f("ix_patrols_reach_id"), "patrols", ["reach_id"], unique=False)
    op.create_index(op.f("ix_patrols_stele_id"), "patrols", ["stele_id"], unique=False)
    op.create_index(
        "uq_patrols_self_made",
        "patrols",
        ["person_id", "started_on"],
        unique=True,
        postgresql_where=sa.text("origin = 'self_made'"),
    )
    op.create_table(
        "posts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "general_chief",
                "chief",
                "reach_chief",
                "assistant",
                "liaison",
                "grid_worker",
                "enterprise_chief",
                name="postkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
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
            nullable=True,
        ),
        sa.Column("waterbody_id", sa.Uuid(), nullable=True),
        sa.Column("reach_id", sa.Uuid(), nullable=True),
        sa.Column("grid_cell_id", sa.Uuid(), nullable=True),
        sa.Column("stele_id", sa.Uuid(), nullable=True),
        sa.Column("deputy_id", sa.Uuid(), nullable=True),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["deputy_id"], ["people.id"], name=op.f("fk_posts_deputy_id")),
        sa.ForeignKeyConstraint(
            ["grid_cell_id"], ["grid_cells.id"], name=op.f("fk_posts_grid_cell_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_posts_organisation_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_posts_person_id")),
        sa.ForeignKeyConstraint(["reach_id"], ["reaches.id"], name=op.f("fk_posts_reach_id")),
        sa.ForeignKeyConstraint(["stele_id"], ["steles.id"], name=op.f("fk_posts_stele_id")),
        sa.ForeignKeyConstraint(
            ["waterbody_id"], ["waterbodies.id"], name=op.f("fk_posts_waterbody_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.UniqueConstraint("code", name=op.f("uq_posts_code")),
    )
    op.create_index(op.f("ix_posts_deputy_id"), "posts", ["deputy_id"], unique=False)
    op.create_index(op.f("ix_posts_grid_cell_id"), "posts", ["grid_cell_id"], unique=False)
    op.create_index(op.f("ix_posts_organisation_id"), "posts", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_posts_person_id"), "posts", ["person_id"], unique=False)
    op.create_index(op.f("ix_posts_reach_id"), "posts", ["reach_id"], unique=False)
    op.create_index(op.f("ix_posts_stele_id"), "posts", ["stele_id"], unique=False)
    op.create_index(op.f("ix_posts_waterbody_id"), "posts", ["waterbody_id"], unique=False)
    op.create_table(
        "stele_prints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stele_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("printed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["stele_id"], ["steles.id"], name=op.f("fk_stele_prints_stele_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stele_prints")),
        sa.UniqueConstraint("stele_id", "version", name=op.f("uq_stele_prints_stele_id_version")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wechat_user_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_subscriptions_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
    )
    op.create_index(
        op.f("ix_subscriptions_wechat_user_id"), "subscriptions", ["wechat_user_id"], unique=False
    )
    op.create_table(
        "check_ins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("patrol_id", sa.Uuid(), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "mini_program",
                "chat",
                "paper",
                name="source",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_on", sa.Date(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("accuracy_m", sa.Double(), nullable=True),
        sa.Column("datum", sa.Text(), nullable=False),
        sa.Column("raw_lon", sa.Double(), nullable=False),
        sa.Column("raw_lat", sa.Double(), nullable=False),
        sa.Column("grid_cell_id", sa.Uuid(), nullable=True),
        sa.Column("grid_cell_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("reach_id", sa.Uuid(), nullable=True),
        sa.Column("stele_id", sa.Uuid(), nullable=True),
        sa.Column("stele_distance_m", sa.Double(), nullable=True),
        sa.Column("stele_within", sa.Boolean(), nullable=True),
        sa.Column("nearest_stele_id", sa.Uuid(), nullable=True),
        sa.Column("nearest_stele_distance_m", sa.Double(), nullable=True),
        sa.Column("place", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("photos_expected", sa.Integer(), nullable=True),
        sa.Column("no_photo_reason", sa.Text(), nullable=True),
        sa.Column(
            "verdict",
            sa.Enum(
                "accepted",
                "flagged",
                "rejected",
                name="verdict",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["grid_cell_id"], ["grid_cells.id"], name=op.f("fk_check_ins_grid_cell_id")
        ),
        sa.ForeignKeyConstraint(
            ["nearest_stele_id"], ["steles.id"], name=op.f("fk_check_ins_nearest_stele_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_check_ins_organisation_id")
        ),
        sa.ForeignKeyConstraint(["patrol_id"], ["patrols.id"], name=op.f("fk_check_ins_patrol_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_check_ins_person_id")),
        sa.ForeignKeyConstraint(["reach_id"], ["reaches.id"], name=op.f("fk_check_ins_reach_id")),
        sa.ForeignKeyConstraint(["stele_id"], ["steles.id"], name=op.f("fk_check_ins_stele_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_ins")),
    )
    op.create_index(
        op.f("ix_check_ins_device_person_id_at"),
        "check_ins",
        ["device", "person_id", "at"],
        unique=False,
        postgresql_where=sa.text("device IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_check_ins_grid_cell_id_at"), "check_ins", ["grid_cell_id", "at"], unique=False
    )
    op.create_index(
        op.f("ix_check_ins_nearest_stele_id_at"),
        "check_ins",
        ["nearest_stele_id", "at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_check_ins_organisation_id_at"),
        "check_ins",
        ["organisation_id", "at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_check_ins_patrol_id_at"), "check_ins", ["patrol_id", "at"], unique=False
    )
    op.create_index(
        op.f("ix_check_ins_person_id_at"), "check_ins", ["person_id", "at"], unique=False
    )
    op.create_index(
        op.f("ix_check_ins_person_id_raw_lon_raw_lat_at"),
        "check_ins",
        ["person_id", "raw_lon", "raw_lat", "at"],
        unique=False,
    )
    op.create_index(op.f("ix_check_ins_reach_id_at"), "check_ins", ["reach_id", "at"], unique=False)
    op.create_index(op.f("ix_check_ins_received_at"), "check_ins", ["received_at"], unique=False)
    op.create_index(op.f("ix_check_ins_stele_id_at"), "check_ins", ["stele_id", "at"], unique=False)
    op.create_table(
        "companions",
        sa.Column("patrol_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declined_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_companions_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["patrol_id"], ["patrols.id"], name=op.f("fk_companions_patrol_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_companions_person_id")),
        sa.PrimaryKeyConstraint("patrol_id", "person_id", name=op.f("pk_companions")),
    )
    op.create_index(
        op.f("ix_companions_organisation_id"), "companions", ["organisation_id"], unique=False
    )
    op.create_index(op.f("ix_companions_person_id"), "companions", ["person_id"], unique=False)
    op.create_table(
        "exemptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("holder_person_id", sa.Uuid(), nullable=True),
        sa.Column("holder_organisation_id", sa.Uuid(), nullable=True),
        sa.Column("obligation_id", sa.Uuid(), nullable=True),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "leave",
                "closure",
                name="exemptionkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "asked",
                "granted",
                "declined",
                name="exemptionstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("approved_by_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["approved_by_id"], ["people.id"], name=op.f("fk_exemptions_approved_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["holder_organisation_id"],
            ["organisations.id"],
            name=op.f("fk_exemptions_holder_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["holder_person_id"], ["people.id"], name=op.f("fk_exemptions_holder_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["obligation_id"], ["obligations.id"], name=op.f("fk_exemptions_obligation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exemptions")),
        sa.UniqueConstraint("code", name=op.f("uq_exemptions_code")),
    )
    op.create_index(
        op.f("ix_exemptions_approved_by_id"), "exemptions", ["approved_by_id"], unique=False
    )
    op.create_index(
        op.f("ix_exemptions_holder_organisation_id"),
        "exemptions",
        ["holder_organisation_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_exemptions_holder_person_id"), "exemptions", ["holder_person_id"], unique=False
    )
    op.create_index(
        op.f("ix_exemptions_obligation_id"), "exemptions", ["obligation_id"], unique=False
    )
    op.create_table(
        "track_points",
        sa.Column("patrol_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("accuracy_m", sa.Double(), nullable=True),
        sa.Column("datum", sa.Text(), nullable=False),
        sa.Column("raw_lon", sa.Double(), nullable=False),
        sa.Column("raw_lat", sa.Double(), nullable=False),
        sa.Column(
            "mark",
            sa.Enum(
                "inaccurate",
                "too_fast",
                "duplicate",
                "future",
                "outside",
                name="mark",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["patrol_id"], ["patrols.id"], name=op.f("fk_track_points_patrol_id")
        ),
        sa.PrimaryKeyConstraint("patrol_id", "seq", name=op.f("pk_track_points")),
    )
    op.create_table(
        "check_in_verdicts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("check_in_id", sa.Uuid(), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "accepted",
                "flagged",
                "rejected",
                name="verdict",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("rules_version", sa.Integer(), nullable=True),
        sa.Column("reviewer_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["check_in_id"], ["check_ins.id"], name=op.f("fk_check_in_verdicts_check_in_id")
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"], ["people.id"], name=op.f("fk_check_in_verdicts_reviewer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_in_verdicts")),
    )
    op.create_index(
        op.f("ix_check_in_verdicts_check_in_id"), "check_in_verdicts", ["check_in_id"], unique=False
    )
    op.create_index(
        op.f("ix_check_in_verdicts_reviewer_id"), "check_in_verdicts", ["reviewer_id"], unique=False
    )
    op.create_table(
        "conversations",
        sa.Column("wechat_user_id", sa.Uuid(), nullable=False),
        sa.Column("stele_id", sa.Uuid(), nullable=True),
        sa.Column("stele_token", sa.Text(), nullable=True),
        sa.Column("stele_named_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_in_id", sa.Uuid(), nullable=True),
        sa.Column("check_in_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note_taken", sa.Boolean(), nullable=False),
        sa.Column("question", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("photo_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["check_in_id"], ["check_ins.id"], name=op.f("fk_conversations_check_in_id")
        ),
        sa.ForeignKeyConstraint(
            ["stele_id"], ["steles.id"], name=op.f("fk_conversations_stele_id")
        ),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_conversations_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("wechat_user_id", name=op.f("pk_conversations")),
    )
    op.create_index(
        op.f("ix_conversations_check_in_id"), "conversations", ["check_in_id"], unique=False
    )
    op.create_index(op.f("ix_conversations_stele_id"), "conversations", ["stele_id"], unique=False)
    op.create_table(
        "photos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("check_in_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "mini_program",
                "chat",
                "paper",
                name="source",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_in_id"], ["check_ins.id"], name=op.f("fk_photos_check_in_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_photos_person_id")),
        sa.ForeignKeyConstraint(["sha256"], ["images.sha256"], name=op.f("fk_photos_sha256")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
        sa.UniqueConstraint("check_in_id", "sha256", name=op.f("uq_photos_check_in_id_sha256")),
    )
    op.create_index(op.f("ix_photos_person_id"), "photos", ["person_id"], unique=False)
    op.create_index(op.f("ix_photos_received_at"), "photos", ["received_at"], unique=False)
    op.create_index(op.f("ix_photos_sha256"), "photos", ["sha256"], unique=False)
    op.create_table(
        "chat_media",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wechat_user_id", sa.Uuid(), nullable=False),
        sa.Column("check_in_id", sa.Uuid(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "image",
                "voice",
                "video",
                name="mediakind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("media_id", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "fetched",
                "failed",
                name="mediastate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("photo_id", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["check_in_id"], ["check_ins.id"], name=op.f("fk_chat_media_check_in_id")
        ),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_chat_media_photo_id")),
        sa.ForeignKeyConstraint(
            ["wechat_user_id"], ["wechat_users.id"], name=op.f("fk_chat_media_wechat_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_media")),
        sa.UniqueConstraint(
            "wechat_user_id", "media_id", name=op.f("uq_chat_media_wechat_user_id_media_id")
        ),
    )
    op.create_index(op.f("ix_chat_media_check_in_id"), "chat_media", ["check_in_id"], unique=False)
    op.create_index(op.f("ix_chat_media_photo_id"), "chat_media", ["photo_id"], unique=False)
    op.create_index(op.f("ix_chat_media_sha256"), "chat_media", ["sha256"], unique=False)
    op.create_index(
        "ix_chat_media_waiting",
        "chat_media",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(
        "ix_chat_media_waiting",
        table_name="chat_media",
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.drop_index(op.f("ix_chat_media_sha256"), table_name="chat_media")
    op.drop_index(op.f("ix_chat_media_photo_id"), table_name="chat_media")
    op.drop_index(op.f("ix_chat_media_check_in_id"), table_name="chat_media")
    op.drop_table("chat_media")
    op.drop_index(op.f("ix_photos_sha256"), table_name="photos")
    op.drop_index(op.f("ix_photos_received_at"), table_name="photos")
    op.drop_index(op.f("ix_photos_person_id"), table_name="photos")
    op.drop_table("photos")
    op.drop_index(op.f("ix_conversations_stele_id"), table_name="conversations")
    op.drop_index(op.f("ix_conversations_check_in_id"), table_name="conversations")
    op.drop_table("conversations")
    op.drop_index(op.f("ix_check_in_verdicts_reviewer_id"), table_name="check_in_verdicts")
    op.drop_index(op.f("ix_check_in_verdicts_check_in_id"), table_name="check_in_verdicts")
    op.drop_table("check_in_verdicts")
    op.drop_table("track_points")
    op.drop_index(op.f("ix_exemptions_obligation_id"), table_name="exemptions")
    op.drop_index(op.f("ix_exemptions_holder_person_id"), table_name="exemptions")
    op.drop_index(op.f("ix_exemptions_holder_organisation_id"), table_name="exemptions")
    op.drop_index(op.f("ix_exemptions_approved_by_id"), table_name="exemptions")
    op.drop_table("exemptions")
    op.drop_index(op.f("ix_companions_person_id"), table_name="companions")
    op.drop_index(op.f("ix_companions_organisation_id"), table_name="companions")
    op.drop_table("companions")
    op.drop_index(op.f("ix_check_ins_stele_id_at"), table_name="check_ins")
    op.drop_index(op.f("ix_check_ins_received_at"), table_name="check_ins")
    op.drop_index(op.f("ix_check_ins_reach_id_at"), table_name="check_ins")
    op.drop_index(op.f("ix_check_ins_person_id_raw_lon_raw_lat_at"), table_name="check_ins")
    op.drop_index(op.f("ix_check_ins_person_id_at"), table_name="check_ins")
    op.drop_index(op.f("ix_check_ins_patrol_id_at"), table_name="check_ins")
    op.drop_index(op.f("ix_check_ins_organisation_id_at"), table_name="check_ins")
    op.drop_index(op.f("ix_check_ins_nearest_stele_id_at"), table_name="check_ins")
    op.drop_index(op.f("ix_check_ins_grid_cell_id_at"), table_name="check_ins")
    op.drop_index(
        op.f("ix_check_ins_device_person_id_at"),
        table_name="check_ins",
        postgresql_where=sa.text("device IS NOT NULL"),
    )
    op.drop_table("check_ins")
    op.drop_index(op.f("ix_subscriptions_wechat_user_id"), table_name="subscriptions")
    op.drop_table("subscriptions")
    op.drop_table("stele_prints")
    op.drop_index(op.f("ix_posts_waterbody_id"), table_name="posts")
    op.drop_index(op.f("ix_posts_stele_id"), table_name="posts")
    op.drop_index(op.f("ix_posts_reach_id"), table_name="posts")
    op.drop_index(op.f("ix_posts_person_id"), table_name="posts")
    op.drop_index(op.f("ix_posts_organisation_id"), table_name="posts")
    op.drop_index(op.f("ix_posts_grid_cell_id"), table_name="posts")
    op.drop_index(op.f("ix_posts_deputy_id"), table_name="posts")
    op.drop_table("posts")
    op.drop_index(
        "uq_patrols_self_made",
        table_name="patrols",
        postgresql_where=sa.text("origin = 'self_made'"),
    )
    op.drop_index(op.f("ix_patrols_stele_id"), table_name="patrols")
    op.drop_index(op.f("ix_patrols_reach_id"), table_name="patrols")
    op.drop_index(op.f("ix_patrols_person_id_started_at"), table_name="patrols")
    op.drop_index(op.f("ix_patrols_organisation_id_started_at"), table_name="patrols")
    op.drop_index(
        "ix_patrols_open", table_name="patrols", postgresql_where=sa.text("state = 'open'")
    )
    op.drop_index(op.f("ix_patrols_grid_cell_id"), table_name="patrols")
    op.drop_table("patrols")
    op.drop_index(op.f("ix_obligations_stele_id"), table_name="obligations")
    op.drop_index(op.f("ix_obligations_reach_id"), table_name="obligations")
    op.drop_index(op.f("ix_obligations_letter_id"), table_name="obligations")
    op.drop_index(op.f("ix_obligations_holder_person_id"), table_name="obligations")
    op.drop_index(op.f("ix_obligations_holder_organisation_id"), table_name="obligations")
    op.drop_index(op.f("ix_obligations_grid_cell_id"), table_name="obligations")
    op.drop_table("obligations")
    op.drop_index(op.f("ix_messages_wechat_user_id"), table_name="messages")
    op.drop_index(op.f("ix_messages_person_id_created_at"), table_name="messages")
    op.drop_table("messages")
    op.drop_index(op.f("ix_logins_wechat_user_id"), table_name="logins")
    op.drop_table("logins")
    op.drop_index(op.f("ix_invitations_used_by_id"), table_name="invitations")
    op.drop_index(op.f("ix_invitations_person_id"), table_name="invitations")
    op.drop_index(op.f("ix_invitations_created_by_id"), table_name="invitations")
    op.drop_table("invitations")
    op.drop_index(op.f("ix_held_messages_wechat_user_id"), table_name="held_messages")
    op.drop_index(
        "ix_held_messages_waiting",
        table_name="held_messages",
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.drop_index(op.f("ix_held_messages_received_at"), table_name="held_messages")
    op.drop_table("held_messages")
    op.drop_index(op.f("ix_consents_wechat_user_id"), table_name="consents")
    op.drop_index(op.f("ix_consents_person_id"), table_name="consents")
    op.drop_table("consents")
    op.drop_index(
        "uq_applications_pending",
        table_name="applications",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_index(op.f("ix_applications_wechat_user_id"), table_name="applications")
    op.drop_index(op.f("ix_applications_person_id"), table_name="applications")
    op.drop_index(op.f("ix_applications_decided_by_id"), table_name="applications")
    op.drop_table("applications")
    op.drop_index(
        "uq_wechat_users_person",
        table_name="wechat_users",
        postgresql_where=sa.text("person_id IS NOT NULL"),
    )
    op.drop_index(op.f("ix_wechat_users_unionid"), table_name="wechat_users")
    op.drop_index(op.f("ix_wechat_users_person_id"), table_name="wechat_users")
    op.drop_table("wechat_users")
    op.drop_index(op.f("ix_steles_reach_id"), table_name="steles")
    op.drop_index(op.f("ix_steles_organisation_id"), table_name="steles")
    op.drop_index(op.f("ix_steles_bounds"), table_name="steles", postgresql_using="gist")
    op.drop_table("steles")
    op.drop_index(op.f("ix_pairings_village_id"), table_name="pairings")
    op.drop_index(op.f("ix_pairings_reach_id"), table_name="pairings")
    op.drop_index(op.f("ix_pairings_department_id"), table_name="pairings")
    op.drop_table("pairings")
    op.drop_index(op.f("ix_memberships_person_id"), table_name="memberships")
    op.drop_index(op.f("ix_memberships_organisation_id"), table_name="memberships")
    op.drop_table("memberships")
    op.drop_index(op.f("ix_letters_person_id"), table_name="letters")
    op.drop_index(op.f("ix_letters_organisation_id"), table_name="letters")
    op.drop_table("letters")
    op.drop_index(op.f("ix_grid_cells_person_id"), table_name="grid_cells")
    op.drop_index(op.f("ix_grid_cells_parent_id"), table_name="grid_cells")
    op.drop_index(op.f("ix_grid_cells_organisation_id"), table_name="grid_cells")
    op.drop_index(op.f("ix_grid_cells_bounds"), table_name="grid_cells", postgresql_using="gist")
    op.drop_table("grid_cells")
    op.drop_index(op.f("ix_audit_entries_at"), table_name="audit_entries")
    op.drop_index(op.f("ix_audit_entries_actor_id"), table_name="audit_entries")
    op.drop_table("audit_entries")
    op.drop_index(op.f("ix_reaches_waterbody_id"), table_name="reaches")
    op.drop_index(op.f("ix_reaches_bounds"), table_name="reaches", postgresql_using="gist")
    op.drop_table("reaches")
    op.drop_index(
        "uq_people_phone_on_roster",
        table_name="people",
        postgresql_where=sa.text("retired_on IS NULL"),
    )
    op.drop_index(op.f("ix_people_organisation_id"), table_name="people")
    op.drop_table("people")
    op.drop_index(op.f("ix_api_keys_organisation_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("wechat_tokens")
    op.drop_table("wechat_circuits")
    op.drop_index(op.f("ix_waterbodies_bounds"), table_name="waterbodies", postgresql_using="gist")
    op.drop_table("waterbodies")
    op.drop_index(op.f("ix_rate_buckets_at"), table_name="rate_buckets")
    op.drop_table("rate_buckets")
    op.drop_index(op.f("ix_organisations_parent_id"), table_name="organisations")
    op.drop_table("organisations")
    op.drop_table("milestones")
    op.drop_index(op.f("ix_images_band_3"), table_name="images")
    op.drop_index(op.f("ix_images_band_2"), table_name="images")
    op.drop_index(op.f("ix_images_band_1"), table_name="images")
    op.drop_index(op.f("ix_images_band_0"), table_name="images")
    op.drop_table("images")
    op.drop_index(op.f("ix_callback_receipts_received_at"), table_name="callback_receipts")
    op.drop_table("callback_receipts")
    op.drop_index(op.f("ix_callback_nonces_received_at"), table_name="callback_nonces")
    op.drop_table("callback_nonces")
    op.drop_table("alarms")
