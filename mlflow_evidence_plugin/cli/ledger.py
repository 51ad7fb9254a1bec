"""`ledger`: keep the log's head outside of the service, so that nobody can rewrite it unseen."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BadLedger, NotInstalled
from .options import output_options, url_option
from .output import Output
from .values import TARGET
from .verifying import FILES, whole

if TYPE_CHECKING:
    from ..client import EvidenceClient
    from ..signing import Keyring
    from ..verify.chain import Head


@click.group()
def ledger() -> None:
    """Watch the log of all statements from outside."""


@ledger.command()
@url_option(required=True)
@click.option("--key", "keys", multiple=True, type=FILES, help="A public key that you trust.")
@click.option("--trust", "trusts", multiple=True, type=FILES, help="A trust document.")
@click.option(
    "--state",
    type=TARGET,
    required=True,
    help="Where the last signed head is kept; it is made if it is not there.",
)
@output_options
def monitor(
    url: str, keys: tuple[Path, ...], trusts: tuple[Path, ...], state: Path, out: Output
) -> None:
    """Prove that the log continues the head in --state, and keep the new one.

    Exit code 3: it was rewritten or rolled back, and the kept head stays as it was. Run it from a
    machine that the service's operator does not rule; `verify --witness STATE` takes the file.
    """
    client, trusted = _parts(url, keys, trusts)
    note = client.checkpoint()
    head = _head(note, trusted)
    before = _head(state.read_text("utf-8"), trusted) if state.exists() else None
    if before is not None:
        _continues(client, before, head)
    with whole(state) as file:
        file.write(note.encode())
    known = before.checkpoint.size if before else 0
    told = {"origin": head.checkpoint.origin, "size": head.checkpoint.size, "before": known}
    root = base64.b64encode(head.checkpoint.root).decode()
    out.show(told | {"root": root, "state": str(state)}, lambda found: list(_texts(found)))


def _continues(client: EvidenceClient, before: Head, now: Head) -> None:
    from ..ledger import check_consistency

    old, new = before.checkpoint, now.checkpoint
    if old.origin != new.origin:
        raise BadLedger(f"this is another log: {new.origin}, not {old.origin}", "see EVIDENCE_URL")
    grown = client.growth(old.size, new.size) if 0 < old.size < new.size else []
    try:
        proof = [base64.b64decode(one, validate=True) for one in grown]
    except (ValueError, TypeError) as error:
        raise BadLedger("the proof of consistency is not base64") from error
    check_consistency((old.size, old.root), (new.size, new.root), proof)


def _head(note: str, trusted: Keyring) -> Head:
    from ..verify.chain import read_head

    return read_head(note, trusted)


def _parts(
    url: str, keys: tuple[Path, ...], trusts: tuple[Path, ...]
) -> tuple[EvidenceClient, Keyring]:
    try:
        from ..signing import Keyring
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[verify]'"
        raise NotInstalled(f"to verify, {error.name} is missing", mend) from error
    from ..client import EvidenceClient
    from .backend import token_of

    trusted = Keyring.of(*([one.read_bytes() for one in some] for some in (keys, trusts)))
    return EvidenceClient(url, token_of("EVIDENCE_TOKEN")), trusted


def _texts(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in found.items()]
