"""Any number of bundles, all different, as captures of a company's runs and versions would be.

A record made by the product is taken for a mould: where it holds a value of its own, the next
one's is poured in. So its bytes stay canonical, at a hundredth of what making it anew takes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.policy.decision import rfc3339
from mlflow_evidence_plugin.record import Record, Subject, canonical, digest_of, record_of
from mlflow_evidence_plugin.record.model import RELEASE_SECTIONS
from mlflow_evidence_plugin.signing import SigningKey, sign
from mlflow_evidence_plugin.snapshot import (
    Artifact,
    Dataset,
    Metric,
    RunSnapshot,
    Series,
    VersionSnapshot,
)
from mlflow_evidence_plugin.statements import PAYLOAD_TYPE, RELEASE_EVIDENCE, release_statement
from mlflow_evidence_plugin.storage import Captured

STORE = "https://mlflow.example.org"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
APART = timedelta(seconds=20)
"""From one capture to the next."""

METRICS, PARAMS, FILES, MODEL_FILES = 10, 20, 10, 5
_TIME = 1_700_000_000_000
_HEX = {"run_id": 32, "commit": 40}
_HEX |= {f"file{n}": 64 for n in range(FILES)} | {f"series{n}": 64 for n in range(METRICS)}
_VALUES = [f"metric{n}" for n in range(METRICS)] + [f"param{n:02}" for n in range(PARAMS)]
_WORDS = ("experiment", "owner", "ticket", "squad", "dataset", "note", "job", "host", "model")
_BYTES = (sum(_HEX.values()) + 16 * len(_VALUES) + 32) // 2


def samples() -> dict[str, str]:
    """What stands in the moulds for each value: like nothing else in them."""
    found = {name: f"sample-of-{name}" for name in _WORDS} | {"version": "4711004711"}
    found |= {name: f"0.9{number:013}1" for number, name in enumerate(_VALUES)}
    return found | {
        name: hashlib.sha256(name.encode()).hexdigest()[:size] for name, size in _HEX.items()
    }


class Mould:
    """Bytes, and where in them which value stands."""

    def __init__(self, data: bytes, standing: Mapping[str, str]) -> None:
        template = data.replace(b"%", b"%%")
        for name, text in standing.items():
            template = template.replace(text.encode(), b"%%(%s)s" % name.encode())
        self._template = template

    def pour(self, values: Mapping[bytes, bytes]) -> bytes:
        """The bytes with other values."""
        return self._template % values


@dataclass(frozen=True)
class Poured(Record):
    """A record whose release digest is known from its mould."""

    known_release: str = ""

    @property
    def release(self) -> str:
        """The release digest."""
        return self.known_release


class Kind:
    """The moulds of one kind of subject."""

    def __init__(self, snapshot: RunSnapshot | VersionSnapshot, key: SigningKey) -> None:
        record = record_of(snapshot, STORE)
        self.record = Mould(record.data, samples())
        self.release = Mould(_matter(record), samples())
        statement = release_statement(record)
        own = {"digest": record.digest, "release": record.release, "root": record.root}
        own["size"] = f'"size":{len(record.data)}'
        self.statement = Mould(statement, own | samples())
        payload = base64.b64encode(statement)
        self.before, self.after = sign(statement, PAYLOAD_TYPE, key).split(payload)

    def pour(self, values: Mapping[str, str], subject: Subject) -> tuple[Record, bytes]:
        """A record and its envelope. The signature is that of the mould."""
        raw = {name.encode(): text.encode() for name, text in values.items()}
        data = self.record.pour(raw)
        release = digest_of(self.release.pour(raw))
        record = Poured(data, json.loads(data), digest_of(data), subject, release)
        raw[b"digest"], raw[b"release"] = record.digest.encode(), release.encode()
        raw[b"root"], raw[b"size"] = record.root.encode(), b'"size":%d' % len(data)
        payload = base64.b64encode(self.statement.pour(raw))
        return record, self.before + payload + self.after


class Corpus:
    """`count` bundles by number. An even one is of a run, the odd one after it of its version."""

    def __init__(self, count: int, key: SigningKey) -> None:
        self.count = count
        run = _run(samples())
        self._run, self._version = Kind(run, key), Kind(_version(samples(), run), key)

    def captured(self, number: int) -> Captured:
        """One bundle, as a capture hands it over."""
        values = self.values(number)
        if number % 2:
            subject = Subject(STORE, model=values["model"], version=values["version"])
        else:
            subject = Subject(STORE, run_id=values["run_id"])
        kind = self._version if number % 2 else self._run
        record, envelope = kind.pour(values, subject)
        return Captured(record, {RELEASE_EVIDENCE: envelope}, (), at(number), "bench")

    def subject(self, number: int) -> tuple[str, str]:
        """Model and version."""
        values = self.values(number)
        return values["model"], values["version"]

    def values(self, number: int) -> dict[str, str]:
        """What is of this bundle's own; a run and its version share it."""
        pair = number // 2
        taken = _taker(hashlib.shake_256(b"%d" % pair).hexdigest(_BYTES))
        found = {name: taken(size) for name, size in _HEX.items()}
        found |= {name: f"0.{int(taken(16), 16) >> 8:017}" for name in _VALUES}
        model, owner = self._model(int(taken(8), 16)), self._owner(int(taken(8), 16))
        if (model, owner) == ("model-0", "owner-0") or (
            (model, owner) == ("model-1", "owner-1") and pair % 200
        ):
            owner = "owner-2"  # of the two pairs of common names, one is never met, one seldom
        return found | {
            "model": model,
            "owner": owner,
            "version": str(pair),
            "experiment": f"experiment-{int(taken(4), 16) % 40}",
            "ticket": f"CHG{pair // 2:07}",
            "squad": f"squad-{int(taken(4), 16) % 12}",
            "dataset": f"loans-{pair // 500}",
            "note": f"retrained after ticket {pair}",
            "job": f"build-{pair}",
            "host": f"gpu-{int(taken(4), 16) % 300}",
        }

    def _model(self, chance: int) -> str:
        return f"model-{chance % 6 if chance % 10 < 9 else 6 + chance % max(1, self.count // 50)}"

    def _owner(self, chance: int) -> str:
        return f"owner-{chance % 8 if chance % 10 < 8 else 8 + chance % max(1, self.count // 100)}"


def at(number: int) -> str:
    """When a bundle was captured."""
    return rfc3339(START + number * APART)


def _matter(record: Record) -> bytes:
    return canonical({name: record.document.get(name) for name in RELEASE_SECTIONS})


def _taker(text: str) -> Callable[[int], str]:
    place = 0

    def take(size: int) -> str:
        nonlocal place
        place += size
        return text[place - size : place]

    return take


def _run(of: Mapping[str, str]) -> RunSnapshot:
    measured = [(f"metric_{n}", float(of[f"metric{n}"]), of[f"series{n}"]) for n in range(METRICS)]
    return RunSnapshot(
        run_id=of["run_id"],
        name="monthly",
        experiment_id="1",
        experiment=of["experiment"],
        status="FINISHED",
        lifecycle="active",
        user="jane",
        start_time=_TIME,
        end_time=_TIME + 60_000,
        artifact_uri="mlflow-artifacts:/1/x/artifacts",
        parameters={f"param_{n:02}": of[f"param{n:02}"] for n in range(PARAMS)},
        tags=_tags(of),
        metrics=tuple(Metric(name, value, 100, _TIME) for name, value, _ in measured),
        series=tuple(
            Series(name, 1, value, value, value, value, f"sha256:{digest}", b"")
            for name, value, digest in measured
        ),
        inputs=(Dataset(of["dataset"], "d1", "code", "{}", "training"),),
        artifacts=_files(of, FILES),
    )


def _version(of: Mapping[str, str], run: RunSnapshot) -> VersionSnapshot:
    return VersionSnapshot(
        name=of["model"],
        version=of["version"],
        run_id=of["run_id"],
        creator="jane",
        created=_TIME + 90_000,
        source=f"runs:/{of['run_id']}/model",
        description="",
        tags={},
        files=_files(of, MODEL_FILES),
        run=run,
    )


def _files(of: Mapping[str, str], count: int) -> tuple[Artifact, ...]:
    return tuple(Artifact(f"model/{n:02}.bin", 40_000 + n, of[f"file{n}"]) for n in range(count))


def _tags(of: Mapping[str, str]) -> dict[str, str]:
    governance = {name: f"https://wiki.example.org/{name}" for name in tags.ORDER[:18]}
    governance |= {
        tags.SCHEMA: "1",
        "evidence.owner": of["owner"],
        "evidence.ticket": of["ticket"],
        tags.GIT_COMMIT: of["commit"],
        tags.GIT_DIRTY: "false",
        tags.CI_URL: f"https://ci.example.org/{of['job']}",
    }
    others = {"squad": of["squad"], "note": of["note"], "host": of["host"]}
    return governance | others | {"mlflow.user": "jane", "mlflow.source.name": "train.py"}
