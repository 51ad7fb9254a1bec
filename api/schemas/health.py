"""Liveness and readiness."""

from marshmallow import Schema, fields


class HealthSchema(Schema):
    """`status` is `ok`."""

    status = fields.String(required=True)
