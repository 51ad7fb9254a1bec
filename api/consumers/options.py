"""The consumers file: TOML, checked as strictly as a request, with secrets by path alone."""

from __future__ import annotations

import base64
import binascii
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomllib
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from mlflow_evidence_plugin.errors import BadConfig
from mlflow_evidence_plugin.storage import Principal

from .addresses import LOOPBACK, PRIVATE, PUBLIC
from .outgoing import Target, split

SIZE_LIMIT = 256 * 1024
SECRET_LIMIT = 64 * 1024
SECRET_SHORTEST = 16
WAIT_MINUTES = 30
_MEND = "docs/integrations/README.md shows a file, and says what each name means"
_OPEN = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


class Options(Schema):
    """A part of the file. An unknown name is an error: it may be a misspelt restriction."""

    class Meta:
        """marshmallow's own declaration."""

        unknown = RAISE


class SecretFile(fields.String):
    """The path of a file with a secret, which is read at once and only here."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        path = Path(super()._deserialize(value, *args, **kwargs))
        if not path.is_absolute():
            raise ValidationError("Not an absolute path.")
        try:
            mode, found = path.stat().st_mode, path.read_bytes()[: SECRET_LIMIT + 1].strip()
        except OSError as error:
            raise ValidationError(f"{path} cannot be read: {error.strerror}.") from None
        if mode & _OPEN:
            raise ValidationError(f"{path} is open to others: chmod 600 it.")
        if not SECRET_SHORTEST <= len(found) <= SECRET_LIMIT:
            raise ValidationError(f"{path} has less than {SECRET_SHORTEST} bytes, or too many.")
        return self.read(path, found)

    def read(self, path: Path, found: bytes) -> bytes:
        """The secret that the file holds."""
        return found


class HeaderSecretFile(SecretFile):
    """A token that goes into a header: one line of visible characters."""

    def read(self, path: Path, found: bytes) -> bytes:
        """The token."""
        if not re.fullmatch(rb"[\x21-\x7e]+", found):
            raise ValidationError(f"{path} holds no token.")
        return found


class WebhookSecretFile(SecretFile):
    """A key as Standard Webhooks writes it: `whsec_` and base64."""

    def read(self, path: Path, found: bytes) -> bytes:
        """The key."""
        try:
            key = base64.b64decode(found.removeprefix(b"whsec_"), validate=True)
        except binascii.Error:
            key = b""
        if not found.startswith(b"whsec_") or len(key) < SECRET_SHORTEST:
            raise ValidationError(f"{path} does not hold whsec_ and a key in base64.")
        return key


def address(text: str) -> None:
    """ValidationError for what is no plain http(s) address."""
    if split(text) is None:
        raise ValidationError("Not a plain https:// address.")


class TargetOptions(Options):
    """A system that may be called."""

    url = fields.String(required=True, validate=address)
    addresses = fields.String(
        load_default=PUBLIC, validate=validate.OneOf([PUBLIC, PRIVATE, LOOPBACK])
    )
    ca_file = fields.String(load_default=None)


def target(options: Mapping[str, Any]) -> Target:
    """The system that options name; ValidationError."""
    url, addresses, ca_file = options["url"], options["addresses"], options["ca_file"]
    if not url.startswith("https://") and addresses != LOOPBACK:
        raise ValidationError("Only https:// can be called, but on this machine.", "url")
    if ca_file is not None and not Path(ca_file).is_file():
        raise ValidationError(f"There is no file {ca_file}.", "ca_file")
    return Target(url.rstrip("/"), addresses, ca_file)


def globs() -> fields.List[Any]:
    """Names with `*`, as a token has them: what a consumer may ask about."""
    one = fields.String(validate=validate.Length(1, 256))
    return fields.List(one, required=True, validate=validate.Length(1, 64))


def minutes() -> fields.Integer:
    """How long a verdict may be pending before it is a denial."""
    return fields.Integer(
        strict=True, load_default=WAIT_MINUTES, validate=validate.Range(0, 24 * 60)
    )


def principal(name: str, options: Mapping[str, Any]) -> Principal:
    """Who a webhook's sender is here: it reads, and only what the file lets it see."""
    return Principal(
        name=name,
        scopes=("evidence:read",),
        experiments=tuple(options["experiments"]),
        models=tuple(options["models"]),
        token_id="consumers-file",  # noqa: S106 - where it comes from, and no token
    )


def read(text: bytes, sections: Mapping[str, type[Options]]) -> dict[str, Any]:
    """What the file says, by consumer; BadConfig says what is wrong with it, and where."""
    if len(text) > SIZE_LIMIT:
        raise BadConfig(f"the consumers file has more than {SIZE_LIMIT} bytes", _MEND)
    try:
        document = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise BadConfig(f"the consumers file is not TOML: {error}", _MEND) from None
    known: dict[str, fields.Field[Any]] = {
        name: fields.Nested(options) for name, options in sections.items()
    }
    version = fields.Integer(strict=True, required=True, validate=validate.Equal(1))
    try:
        found: dict[str, Any] = Options.from_dict({"version": version, **known})().load(document)
    except ValidationError as error:
        said = "; ".join(_said(error.messages))
        raise BadConfig(f"the consumers file: {said[:1000]}", _MEND) from None
    found.pop("version")
    return found


def _said(messages: Any, where: str = "") -> list[str]:
    """marshmallow's messages with where they belong: `github.checks.0.model: Missing data`."""
    if isinstance(messages, dict):
        inner = (
            _said(one, f"{where}.{key}" if where else str(key)) for key, one in messages.items()
        )
        return [line for lines in inner for line in lines]
    return [f"{where}: {one}" for one in messages]
