"""RFC 3161: what an authority says of a signature, and whom we believe."""

from __future__ import annotations

import random

import pytest

from mlflow_evidence_plugin.errors import BadConfig, BadTimestamp, EvidenceError
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.signing import SigningKey, sign
from mlflow_evidence_plugin.signing.timestamp import Authorities, Question, Stamp, signature_of
from tests.authority import Authority, openssl


@pytest.fixture(scope="module")
def tsa(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "one")


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "other")


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> SigningKey:
    return SigningKey.create(tmp_path_factory.mktemp("key") / "key.pem")


@pytest.fixture(scope="module")
def envelope(key) -> bytes:
    return sign(b"{}", "type", key)


@pytest.fixture(scope="module")
def token(tsa, envelope) -> bytes:
    return tsa.stamp(Question.about(envelope).data)


def trusting(*authorities: Authority) -> Authorities:
    return Authorities.of(one.chain.read_bytes() for one in authorities)


def test_a_stamp_says_when_to_the_second(tsa, envelope, token):
    stamp = trusting(tsa).stamped(envelope, token)
    assert stamp.time < stamp.until
    assert stamp.time.endswith(".000Z")


def test_openssl_accepts_it_and_not_for_another_signature(tsa, key, envelope, token, tmp_path):
    (tmp_path / "token").write_bytes(token)
    for data, code in ((envelope, 0), (sign(b"{}", "type", key), 1)):
        (tmp_path / "signature").write_bytes(signature_of(data))
        words = ("-in", tmp_path / "token", "-data", tmp_path / "signature")
        done = openssl("ts", "-verify", *words, "-CAfile", tsa.root, "-untrusted", tsa.own)
        assert done.returncode == code, done.stderr


def test_another_signature_and_another_authority_are_refused(tsa, other, key, envelope, token):
    with pytest.raises(BadTimestamp, match="Mismatch"):
        trusting(tsa).stamped(sign(b"{}", "type", key), token)
    with pytest.raises(BadTimestamp, match="trusted authority: Error while verifying"):
        trusting(other).stamped(envelope, token)
    assert trusting(other, tsa).stamped(envelope, token)


def test_a_certificate_that_is_not_for_timestamps_stamps_nothing(tsa, envelope, token):
    with pytest.raises(BadConfig, match="timeStamping"):
        Authorities.of([tsa.root.read_bytes()])
    for nothing in (b"", b"x", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"):
        with pytest.raises(BadConfig, match="not a PEM certificate"):
            Authorities.of([nothing])
    alone = Authorities.of([tsa.own.read_bytes()])
    with pytest.raises(BadTimestamp, match="Error while verifying"):
        alone.stamped(envelope, token)


def test_an_answer_to_another_question_is_none(tsa, envelope, token):
    question = Question.about(envelope)
    assert question.answered(tsa.stamp(question.data))
    with pytest.raises(BadTimestamp, match="another question"):
        question.answered(token)  # of an earlier question about the same signature
    refused = tsa.stamp(b"\x30\x03\x02\x01\x01")
    with pytest.raises(BadTimestamp, match="refused, with the status 2"):
        question.answered(refused)


def test_whatever_comes_is_a_stamp_or_a_bad_timestamp(tsa, envelope, token):
    chance, trusted = random.Random(5), trusting(tsa)
    refused = 0
    for _ in range(1500):
        altered = bytearray(token)
        for _ in range(chance.choice((1, 2, 5))):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        cut = chance.randrange(len(altered)) if chance.random() < 0.1 else len(altered)
        try:
            trusted.stamped(envelope, bytes(altered[:cut]))
        except EvidenceError as error:
            assert error.code == "bad-timestamp"
            refused += 1
    assert refused > 1400
    with pytest.raises(BadTimestamp, match="65537 bytes"):
        trusted.stamped(envelope, b"0" * 65537)


def test_a_key_made_in_the_second_of_the_stamp_was_in_use(key):
    from dataclasses import replace

    stamp = Stamp("2026-01-01T00:00:05.000Z", "2026-01-01T00:00:06.000Z")
    for not_before, not_after, outside in (
        ("2026-01-01T00:00:05.700Z", None, False),
        ("2026-01-01T00:00:06.700Z", None, True),
        (None, "2026-01-01T00:00:05.000Z", False),
        (None, "2026-01-01T00:00:04.999Z", True),
    ):
        one = replace(key.public, not_before=not_before, not_after=not_after)
        assert stamp.outside(one) is outside


def test_the_setting_is_a_web_address_and_never_shown():
    def read(url: str) -> Settings:
        return Settings.read({"EVIDENCE_SERVICE_TIMESTAMP_URL": url})

    assert read(" ").timestamp_url is None
    assert (
        read("http://u:p4ssw0rd@tsa.example/x").timestamp_url == "http://u:p4ssw0rd@tsa.example/x"
    )
    assert "p4ssw0rd" not in repr(read("http://u:p4ssw0rd@tsa.example/x"))
    for wrong in ("tsa.example", "file:///etc/passwd", "ftp://x", "https://", "http://[p4ssw0rd"):
        with pytest.raises(BadConfig, match="TIMESTAMP_URL is no web address") as said:
            read(wrong)
        assert "p4ssw0rd" not in str(said.value)
