"""The viewer: a phase's frame of reference, what a job was asked to do, proposed masks, a user's preferences."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("phase", schema=None) as batch_op:
        batch_op.add_column(sa.Column("frame", sa.String(length=64), nullable=False, server_default=""))
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.add_column(sa.Column("parameters", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "mask_proposal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("segmenter", sa.String(length=120), nullable=False),
        sa.Column("phase", sa.String(length=8), nullable=False),
        sa.Column("label", sa.String(length=20), nullable=False),
        sa.Column("lesion", sa.Integer(), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("measures", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name=op.f("fk_mask_proposal_case_id_case"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mask_proposal")),
    )
    op.create_index(op.f("ix_mask_proposal_case_id"), "mask_proposal", ["case_id"], unique=False)
    op.create_table(
        "preference",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preference")),
        sa.UniqueConstraint("user", "name", name=op.f("uq_preference_user")),
    )


def downgrade() -> None:
    op.drop_table("preference")
    op.drop_index(op.f("ix_mask_proposal_case_id"), table_name="mask_proposal")
    op.drop_table("mask_proposal")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_column("parameters")
    with op.batch_alter_table("phase", schema=None) as batch_op:
        batch_op.drop_column("frame")
