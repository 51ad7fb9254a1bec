"""What is wrong with the log, and with what an archive holds beside statements."""

from __future__ import annotations

import json
from typing import Any

from mlflow_evidence_plugin.ledger import Leaf, subject_digest
from mlflow_evidence_plugin.record import canonical, digest_of
from mlflow_evidence_plugin.signing import SigningKey, sign_note
from mlflow_evidence_plugin.statements import (
    BOM,
    MODEL_SIGNATURE,
    PROVENANCE,
    RELEASE_EVIDENCE,
    VSA,
)
from mlflow_evidence_plugin.statements.bom import bom_document

from .forge import Forge
from .good import World

CHAIN, CHECKPOINT = "ledger/chain.json", "ledger/checkpoint"


def without(*places: int, log: bool = False) -> Any:
    """Some statements left out, and with `log` their leaves too: as if they had never been."""

    def drop(w: World) -> Forge:
        forge = w.good.copy()
        all_ = forge.envelopes()
        gone = {place % len(all_) for place in places}
        entries = json.loads(forge.members[CHAIN])
        forge.restate([one for n, one in enumerate(all_) if n not in gone])
        if log:
            kept = [one for n, one in enumerate(entries) if n not in gone]
            forge.members[CHAIN] = canonical(kept)
        return forge

    return drop


def _rearranged(change: Any) -> Any:
    def alter(w: World) -> Forge:
        forge = w.good.copy()
        return forge.restate(change(forge.envelopes()))

    return alter


def _chain(change: Any) -> Any:
    return lambda w: w.good.copy().edit(CHAIN, change)


def _signed_head(w: World, key: SigningKey, origin: str = "") -> Forge:
    forge = w.good.copy()
    text = forge.members[CHECKPOINT].decode().rpartition("\n\n")[0] + "\n"
    made = (origin or forge.origin) + "\n" + text.partition("\n")[2]
    forge.members[CHECKPOINT] = sign_note(made, made.partition("\n")[0], key).encode()
    return forge


def _resized(w: World) -> Forge:
    forge = w.good.copy()
    lines = forge.members[CHECKPOINT].decode().split("\n")
    lines[1] = str(int(lines[1]) + 1)
    forge.members[CHECKPOINT] = "\n".join(lines).encode()
    return forge


def _witness(w: World, name: str, kept: Forge | bytes) -> Any:
    data = kept if isinstance(kept, bytes) else kept.members[CHECKPOINT]
    return w.good, "--witness", str(w.given(name, data))


def _relogged(w: World, **how: Any) -> Forge:
    forge = w.good.copy()
    subject = subject_digest(forge.record.subject)
    leaves, before = [], None
    for sequence, one in enumerate(forge.envelopes()):
        leaves.append(Leaf(subject, sequence, before, digest_of(one)))
        before = leaves[-1].digest
    return forge.log(leaves, **how)


def _with(name: str, data: Any) -> Any:
    """A member more, or another in its place."""

    def put(w: World) -> Forge:
        forge = w.good.copy()
        forge.members[name] = data(w) if callable(data) else data
        return forge

    return put


def _renamed(w: World) -> Forge:
    forge = w.good.copy()
    name = forge.names()[5]
    forge.members[name.replace("verdict", "release")] = forge.members.pop(name)
    return forge


def _altered(folder: str, which: Any = min) -> Any:
    def alter(w: World) -> Forge:
        forge = w.good.copy()
        record = forge.manifest["record"][7:]
        names = [n for n in forge.members if n.startswith(folder) and record not in n]
        name = which(names, key=lambda one: len(forge.members[one]))
        forge.members[name] = forge.members[name].replace(b"1", b"2", 1)
        return forge

    return alter


def _main(w: World) -> str:
    return f"materials/sha256/{w.good.record.digest[7:]}"


def _without_record(w: World) -> Forge:
    forge = w.good.copy()
    del forge.members[_main(w)]
    return forge


def _unsigned_record(w: World) -> Forge:
    """A record that flatters, which nobody signed, as what the archive is about."""
    forge = w.good.copy()
    document = json.loads(json.dumps(forge.record.document))
    document["metrics"]["facts"]["auc"]["value"]["value"] = "0.999"
    data = canonical(document)
    forge.members[f"materials/sha256/{digest_of(data)[7:]}"] = data
    forge.members["archive.json"] = canonical(forge.manifest | {"record": digest_of(data)})
    del forge.members["model.sig"], forge.members["mlbom.cdx.json"]
    return forge


def _older(w: World, kind: str) -> bytes:
    return w.good.members[w.good.names()[w.good.places(kind)[0]]]


def _older_bom(w: World) -> bytes:
    return canonical(bom_document(w.other.record))


def _about(w: World, other: Forge) -> Forge:
    """The manifest's record is this one's, a statement with its record is another's."""
    forge = w.good.copy()
    forge.members[f"materials/sha256/{other.record.digest[7:]}"] = other.record.data
    return forge.relog([*forge.envelopes(), other.envelopes()[other.places(RELEASE_EVIDENCE)[-1]]])


def _verdict_of(w: World, other: Forge) -> Forge:
    forge = w.good.copy()
    forge.members[f"materials/sha256/{other.record.digest[7:]}"] = other.record.data
    return forge.relog([*forge.envelopes(), other.envelopes()[other.places(VSA)[-1]]])


def _capitals(w: World) -> Forge:
    forge = w.good.copy()
    name = next(n for n in forge.members if n.startswith("materials/") and n != _main(w))
    folder, _, digest = name.rpartition("/")
    forge.members[f"{folder}/{digest.upper()}"] = forge.members[name]
    return forge


def _omitted(change: Any, *more: Any) -> Any:
    """The files of the record, as they are honestly said to be left out; and then a lie."""

    def lie(w: World) -> Forge:
        forge = w.good.copy()
        files = {
            (file["size"], f"sha256:{file['sha256']}"): f"{place}/{path}"
            for place in ("model_files", "outputs")
            for path, file in forge.record.values(place).items()
        }
        told = [
            {"digest": digest, "size": size, "path": path, "reason": "gone"}
            for (size, digest), path in sorted(files.items())
        ]
        made = change(told)
        told = told if made is None else made
        forge.members["archive.json"] = canonical(forge.manifest | {"omitted": told})
        for one in more:
            forge.members[f"materials/sha256/{one(told)[7:]}"] = b"x"
        return forge

    return lie


honest = _omitted(lambda _: None)

OMITTED = {
    "bad-archive__omitted-that-is-no-list": _omitted(lambda told: {"files": told}),
    "bad-archive__omitted-that-is-no-table": _omitted(lambda told: [one["path"] for one in told]),
    "bad-archive__omitted-with-a-further-member": _omitted(lambda t: t[0].update(note="x")),
    "bad-archive__omitted-without-a-reason": _omitted(lambda t: t[0].pop("reason") and None),
    "bad-archive__omitted-for-an-unknown-reason": _omitted(lambda t: t[0].update(reason="bored")),
    "bad-archive__omitted-in-another-order": _omitted(lambda told: told[::-1]),
    "bad-archive__omitted-twice": _omitted(lambda told: [told[0], *told]),
    "bad-archive__omitted-with-a-size-that-is-true": _omitted(lambda t: t[0].update(size=True)),
    "bad-archive__omitted-with-another-size": _omitted(lambda t: t[0].update(size=1)),
    "bad-archive__omitted-under-another-name": _omitted(lambda t: t[0].update(path="outputs/x")),
    "bad-archive__omitted-that-nobody-names": _omitted(
        lambda t: t[0].update(digest="sha256:" + "0" * 64)
    ),
    "bad-archive__omitted-by-no-digest": _omitted(lambda t: t[0].update(digest="0" * 64)),
    "bad-archive__omitted-but-here": _omitted(lambda _: None, lambda told: told[0]["digest"]),
    "bad-archive__omitted-in-part": _omitted(lambda told: told[1:]),
}
"""What an archive says of files that it does not hold."""

HELD = {
    **OMITTED,
    "bad-ledger__member-dropped": without(2),
    "bad-ledger__member-dropped-with-its-leaf": without(2, log=True),
    "bad-ledger__first-member-dropped-with-its-leaf": without(0, log=True),
    "bad-ledger__newest-verdict-dropped": without(-1),
    "bad-ledger__member-replayed": _rearranged(lambda all_: [*all_, all_[3]]),
    "bad-ledger__members-swapped": _rearranged(lambda all_: [all_[1], all_[0], *all_[2:]]),
    "bad-archive__member-of-another-model": lambda w: _about(w, w.other),
    "bad-archive__member-of-another-store": lambda w: _about(w, w.elsewhere),
    "bad-archive__verdict-of-another-model": lambda w: _verdict_of(w, w.other),
    "bad-archive__verdict-of-another-version": lambda w: _verdict_of(w, w.denied),
    "bad-ledger__no-leaves": _with(CHAIN, b"[]"),
    "bad-ledger__chain-of-another-subject": _with(CHAIN, lambda w: w.other.members[CHAIN]),
    "bad-ledger__proof-of-another-leaf": _chain(lambda c: c[0].update(proof=c[1]["proof"])),
    "bad-ledger__proof-of-another-leaf-and-place": _chain(
        lambda c: c[0].update(index=c[1]["index"], proof=c[1]["proof"])
    ),
    "bad-ledger__proof-too-long": _chain(lambda c: c[0].update(proof=c[0]["proof"] * 99)),
    "bad-ledger__index-beyond-the-size": _chain(lambda c: c[0].update(index=10**6)),
    "bad-ledger__index-below-zero": _chain(lambda c: c[0].update(index=-1)),
    "bad-ledger__index-that-is-true": _chain(lambda c: c[0].update(index=True)),
    "bad-ledger__chain-that-is-no-list": _with(CHAIN, b"{}"),
    "bad-ledger__leaf-with-more-members": _chain(lambda c: c[0]["leaf"].update(note="x")),
    "bad-ledger__leaf-of-another-statement": _chain(
        lambda c: c[0]["leaf"].update(statement="sha256:" + "0" * 64)
    ),
    "bad-ledger__checkpoint-of-another-log": lambda w: _signed_head(w, w.key, "evil.example/log"),
    "bad-signature__checkpoint-by-a-stranger": lambda w: _signed_head(w, w.stranger),
    "bad-signature__checkpoint-of-another-size": _resized,
    "bad-envelope__checkpoint-without-signature": _with(CHECKPOINT, b"x\n1\ny\n"),
    "bad-ledger__checkpoint-that-is-not-utf8": _with(CHECKPOINT, b"\xff\n1\n\n"),
    "bad-ledger__log-rolled-back": lambda w: _witness(w, "longer", _relogged(w, more=9)),
    "bad-ledger__log-forked": lambda w: (
        _relogged(w),
        "--witness",
        str(w.given("fork", _fork(w).members[CHECKPOINT])),
    ),
    "bad-ledger__witness-of-another-log": lambda w: (
        w.good,
        *("--key", str(w.pem), "--witness"),
        str(w.given("other-head", w.elsewhere.members[CHECKPOINT])),
    ),
    "bad-envelope__witness-that-is-empty": lambda w: _witness(w, "empty", b""),
    "bad-envelope__witness-that-is-not-utf8": lambda w: _witness(w, "bytes", b"\xff\xfe"),
    "bad-material__record-altered": lambda w: _with(
        _main(w), w.good.record.data.replace(b"CHG-1", b"CHG-2")
    )(w),
    "bad-material__older-record-altered": _altered("materials/", max),
    "bad-material__history-altered": _altered("materials/", min),
    "bad-material__nobody-names-it": _with("materials/sha256/" + "0" * 64, b"x"),
    "bad-material__named-in-capitals": _capitals,
    "bad-material__named-by-no-digest": _with("materials/sha256/notes.txt", b"x"),
    "bad-archive__record-missing": _without_record,
    "bad-signature__record-that-nobody-signed": _unsigned_record,
    "bad-signature__no-statements": lambda w: w.good.copy().restate([]),
    "bad-verdict__policy-altered": _altered("policy/"),
    "bad-archive__policy-that-nobody-names": _with("policy/sha256/" + "0" * 64, b"{}"),
    "bad-archive__further-member": _with("APPROVED.txt", b"by the board"),
    "bad-archive__further-statement-of-no-kind": _with("approval.dsse.json", b"{}"),
    "bad-archive__verdict-for-another-environment": _with(
        "vsa-prod.dsse.json", lambda w: w.good.members["vsa-lab.dsse.json"]
    ),
    "bad-archive__verdict-that-is-superseded": _with(
        "vsa-lab.dsse.json", lambda w: w.good.envelopes()[w.good.places(VSA)[0]]
    ),
    "bad-archive__verdict-that-is-a-release": _with(
        "vsa-lab.dsse.json", lambda w: w.good.envelopes()[0]
    ),
    "bad-archive__model-signature-of-an-older-record": _with(
        "model.sig", lambda w: _older(w, MODEL_SIGNATURE)
    ),
    "bad-archive__model-signature-that-is-provenance": _with(
        "model.sig", lambda w: _older(w, PROVENANCE)
    ),
    "bad-archive__bom-of-another": _with("mlbom.cdx.json", _older_bom),
    "bad-archive__bom-that-is-a-statement": _with("mlbom.cdx.json", lambda w: _older(w, BOM)),
    "bad-archive__envelopes-in-another-form": lambda w: _with(
        "attestations.intoto.jsonl",
        w.good.members["attestations.intoto.jsonl"].replace(b"\n", b"\r\n"),
    )(w),
    "bad-archive__statement-under-another-name": _renamed,
    "bad-archive__manifest-of-an-unknown-version": lambda w: w.good.copy().edit(
        "archive.json", lambda m: m.update(schema="https://mlflow-evidence.dev/archive/v2")
    ),
    "bad-archive__manifest-about-another-store": lambda w: w.good.copy().edit(
        "archive.json", lambda m: m["subject"].update(store="https://another.example.com")
    ),
    "bad-archive__manifest-in-another-form": lambda w: _with(
        "archive.json", w.good.members["archive.json"] + b" "
    )(w),
    "bad-archive__manifest-that-names-no-record": lambda w: w.good.copy().edit(
        "archive.json", lambda m: m.update(record="sha256:" + "A" * 64)
    ),
    "bad-archive__another-subject-than-wanted": lambda w: (
        w.good,
        *("--subject", "models/tumour/7"),
    ),
    "bad-archive__another-store-than-wanted": lambda w: (
        w.elsewhere,
        *("--key", str(w.pem), "--store", w.good.record.subject.store),
    ),
}


def _fork(w: World) -> Forge:
    """A head of the same size over other leaves."""
    forge = w.good.copy()
    envelopes = forge.envelopes()
    envelopes[0] = envelopes[1]
    return forge.relog(envelopes)
