"""The log of all statements: heads, leaves and proofs; and the keys to trust."""

from marshmallow import Schema, fields, validate

from . import names

SIZE = validate.Range(0, 2**53 - 1)
PROOF = {"description": "SHA-256 hashes, each in base64, from the leaf upward"}


def _proof() -> "fields.List[str]":
    return fields.List(fields.String(), required=True, metadata=PROOF)


class LeafSchema(Schema):
    """A statement's place among the statements about its subject. Digests only."""

    subject = names.digest(required=True)
    sequence = fields.Integer(required=True)
    previous = names.digest(allow_none=True, required=True)
    statement = names.digest(
        required=True, metadata={"description": "SHA-256 of the statement's DSSE envelope"}
    )


class PlacedSchema(Schema):
    """A leaf, where it stands, and the proof that it does (RFC 6962)."""

    index = fields.Integer(required=True)
    leaf = fields.Nested(LeafSchema, required=True)
    proof = _proof()


class InclusionSchema(PlacedSchema):
    """The same, with the signed head that the proof leads to."""

    checkpoint = fields.String(required=True)


class ChainSchema(Schema):
    """Every statement that was ever signed about a subject, by its leaf, in order."""

    checkpoint = fields.String(required=True)
    count = fields.String(
        required=True,
        metadata={"description": "a signed note: how many leaves are about the subject"},
    )
    leaves = fields.List(fields.Nested(PlacedSchema), required=True)


class HeadArgs(Schema):
    """Which head."""

    size = fields.Integer(
        validate=SIZE, metadata={"description": "the log's size at the time; the default is now"}
    )


class ArchiveArgs(HeadArgs):
    """Under which head, and with how many bytes of files."""

    artifacts = fields.Integer(
        load_default=0,
        validate=SIZE,
        metadata={
            "description": "bytes of the files that the record names, the smallest first; "
            "EVIDENCE_SERVICE_SCRATCH_BYTES at the most"
        },
    )


class GrowthArgs(Schema):
    """From which head to which."""

    old = fields.Integer(required=True, validate=SIZE)
    new = fields.Integer(validate=SIZE, metadata={"description": "the default is the size now"})


class GrowthSchema(Schema):
    """The proof that the log of `old` leaves is the beginning of that of `new` (RFC 6962)."""

    old = fields.Integer(required=True)
    new = fields.Integer(required=True)
    checkpoint = fields.String(required=True)
    proof = _proof()


class KeySchema(Schema):
    """A key, and when the service signed with it. `id` is the SHA-256 of the PEM, in hex."""

    id = fields.String(required=True)
    pem = fields.String(required=True)
    not_before = fields.String(allow_none=True, required=True)
    not_after = fields.String(allow_none=True, required=True)


class TrustSchema(Schema):
    """The keys that this service has signed with, and the name of its log."""

    schema = fields.String(required=True)
    ledger = fields.String(allow_none=True, required=True)
    counts_from = fields.Integer(
        required=True,
        metadata={"description": "under larger heads the leaves about a subject are counted"},
    )
    keys = fields.List(fields.Nested(KeySchema), required=True)
