"""The tables. Every change to them is a migration of its own."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

metadata = MetaData()
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only in INTEGER
DIGEST = String(71)
TIME = String(24)
"""RFC 3339 in UTC with milliseconds: sorts as it reads."""

records = Table(
    "records",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("run_id", Text),
    Column("model", Text),
    Column("version", Text),
    Column("experiment", Text),
    Column("release_digest", DIGEST, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", TIME, nullable=False),
)

statements = Table(
    "statements",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("record_digest", ForeignKey("records.digest"), nullable=False, index=True),
    Column("predicate_type", Text, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("created_at", TIME, nullable=False),
    # Of a verdict: for which environment, and whether a later one has taken its place.
    Column("environment", Text),
    Column("superseded", Boolean, nullable=False, default=False),
)

materials = Table(
    "materials",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("deflated", LargeBinary, nullable=False),
)

# Which record a subject had when it was looked at: a capture that finds nothing new adds a row
# here and none above.
observations = Table(
    "observations",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("store", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("record_digest", ForeignKey("records.digest"), nullable=False),
    Column("run_id", Text),
    Column("model", Text),
    Column("experiment", Text),
    Column("captured_at", TIME, nullable=False),
    Column("captured_by", Text, nullable=False),
    Index("ix_observations_subject", "store", "subject", "seq"),
)

# What a search reads: made from the tables above, and made anew from them where it is missing.
# An id begins with the milliseconds of the first capture, so that ids sort as times do.
listings = Table(
    "listings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("store", Text, nullable=False),
    Column("record_digest", ForeignKey("records.digest"), nullable=False, unique=True),
    Column("subject", Text, nullable=False),
    Column("run_id", Text),
    Column("model", Text),
    Column("version", Text),
    Column("experiment", Text),
    Column("owner", Text),
    Column("ticket", Text),
    Column("captured_at", TIME, nullable=False),
    Index("ix_listings_store", "store", "id"),
    Index("ix_listings_experiment", "store", "experiment", "id"),
)

# An inverted index: a label is the digest of one thing by which a bundle can be found.
labels = Table(
    "labels",
    metadata,
    Column("label", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    sqlite_with_rowid=False,
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("id", ForeignKey("listings.id"), primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("status", String(10), nullable=False),
    Column("evaluated_at", TIME, nullable=False),
    Column("expires_at", TIME, nullable=False),
    sqlite_with_rowid=False,
)

captures = Table(
    "captures",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("run_id", Text),
    Column("model", Text),
    Column("version", Text),
    Column("alias", Text),
    Column("experiments", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("accepted_at", TIME, nullable=False),
    Column("lease_until", TIME),
    Column("finished_at", TIME),
    Column("record_digest", ForeignKey("records.digest")),
    Column("error_code", Text),
    Column("error_detail", Text),
    Column("error_mend", Text),
    Column("fingerprint", String(64)),
    Index("ix_captures_state", "state", "accepted_at"),
    Index("ix_captures_fingerprint", "fingerprint", "state"),
)

# Idempotency keys: which order a caller's key stands for.
requests = Table(
    "requests",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("capture_id", String(32), nullable=False),
    Column("created_at", TIME, nullable=False, index=True),
)

policies = Table(
    "policies",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("digest", DIGEST, nullable=False, unique=True),
    Column("store", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("record_digest", ForeignKey("records.digest"), nullable=False, index=True),
    Column("policy_digest", ForeignKey("policies.digest"), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("evaluated_at", TIME, nullable=False),
    Index("ix_decisions_subject", "store", "subject", "environment", "seq"),
)

# The verdict that stands for a subject and environment: all that a gate reads. `checked_at` is when
# we last saw that nothing it was made from has changed; none where something has.
standing = Table(
    "standing",
    metadata,
    Column("store", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("model", Text),
    Column("experiment", Text),
    Column("policy_digest", DIGEST, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("expires_at", TIME, nullable=False),
    Column("checked_at", TIME),
    Index("ix_standing_checked", "checked_at"),
)

# What other systems have sent, so that the same delivery counts once.
deliveries = Table(
    "deliveries",
    metadata,
    Column("consumer", String(64), primary_key=True),
    Column("id", String(255), primary_key=True),
    Column("received_at", TIME, nullable=False),
    Index("ix_deliveries_received", "received_at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("principal", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("experiments", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("roles", Text, nullable=False, server_default=text("'[]'")),
    # One that may only ask for the verdict in this environment, such as that of a capability URL.
    Column("environment", Text),
    Column("created_at", TIME, nullable=False),
    Column("expires_at", TIME),
    Column("revoked_at", TIME),
)

# Statements of others, as they came in: of a signer that is trusted, or in quarantine.
attestations = Table(
    "attestations",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("record_digest", ForeignKey("records.digest"), nullable=False, index=True),
    Column("predicate_type", Text, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("state", String(12), nullable=False),
    Column("signer", Text),
    Column("key_id", String(64)),
    Column("received_at", TIME, nullable=False),
    Column("received_by", Text, nullable=False),
)

# The log of all statements. Its name is given once; a leaf is never changed or deleted.
ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("origin", Text, nullable=False),
    # Of how many leaves it was when counts of subjects began to be signed: heads beyond have them.
    Column("counts_from", BigInteger, nullable=False, server_default=text("0")),
)

leaves = Table(
    "leaves",
    metadata,
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", DIGEST, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("previous", DIGEST),
    Column("statement", DIGEST, nullable=False, unique=True),
    UniqueConstraint("subject", "sequence", name="uq_leaves_subject"),
)

# Roots of complete subtrees: all that a proof is made of. The id of the one over `1 << level`
# leaves from `place << level` on is `place << 6 | level`.
nodes = Table(
    "nodes",
    metadata,
    Column("id", _SEQUENCE, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

# Signed heads that were handed out: of one size always the same.
heads = Table(
    "heads",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("signed_at", TIME, nullable=False),
)

# How many leaves there are about a subject under a head: signed notes, of which the same holds.
counts = Table(
    "counts",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", DIGEST, primary_key=True),
    Column("note", Text, nullable=False),
    Column("signed_at", TIME, nullable=False),
)

# What was erased. The record's row stays without its bytes, so that they never come back, and the
# tombstone is a statement like any other. `erased` is a JSON list of the statements that are gone.
erasures = Table(
    "erasures",
    metadata,
    Column("record_digest", ForeignKey("records.digest"), primary_key=True),
    Column("store", Text, nullable=False),
    Column("log_subject", DIGEST, nullable=False, index=True),
    Column("statement", ForeignKey("statements.digest"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("erased_by", Text, nullable=False),
    Column("erased_at", TIME, nullable=False),
    Column("erased", Text, nullable=False),
)

# RFC 3161 responses over the signatures of statements; they come after the statement, or never.
timestamps = Table(
    "timestamps",
    metadata,
    Column("statement", ForeignKey("statements.digest"), primary_key=True),
    Column("token", LargeBinary, nullable=False),
    Column("time", TIME, nullable=False),
    Column("authority", Text, nullable=False),
)

# Public keys that this service has signed with, and when.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("pem", Text, nullable=False),
    Column("not_before", TIME, nullable=False),
    Column("not_after", TIME),
)
