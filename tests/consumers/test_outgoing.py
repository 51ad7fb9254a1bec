"""Where callbacks may go: over real sockets, with real certificates, and real names."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from api.consumers.addresses import suits
from api.consumers.outgoing import RETRIES, AnswerLost, Limits, Outgoing, Target, split
from mlflow_evidence_plugin.errors import CallbackFailed, CallbackRefused
from tests.authority import openssl
from tests.consumers.conftest import BRISK
from tests.consumers.doubles import Double, listening


@pytest.fixture
def double():
    made = Double(lambda asked: (200, {"taken": asked.json}))
    with listening(made):
        yield made


@pytest.fixture
def outgoing():
    return Outgoing(BRISK)


ONCE = Outgoing(RETRIES.new(total=0), limits=Limits(5, 2, 0.5))
"""One try, and half a second for all of it."""


def local(url: str, ca_file: str | None = None) -> Target:
    return Target(url, "loopback", ca_file)


def test_a_document_is_posted_and_the_answer_read(double, outgoing):
    answer = outgoing.post(local(double.url), "a/b?c=1", {"x": 1}, {"Authorization": "Bearer t"})
    assert (answer.status, answer.json()) == (200, {"taken": {"x": 1}})
    (asked,) = double.asked
    assert asked.path == "/a/b?c=1"
    assert asked.headers["host"] == double.url.partition("//")[2]
    assert asked.headers["authorization"] == "Bearer t"


# Addresses

PUBLIC = ["8.8.8.8", "140.82.112.5", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PRIVATE = [
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::ffff:10.0.0.1"),
    *("fd00::1", "fec0::1"),
]
NEVER = [
    *("169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254"),
    *("64:ff9b::a9fe:a9fe", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"),
    *("fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:ec2::23", "fd00:42::42", "192.0.0.192"),
    *("64:ff9b:1::a9fe:a9fe", "::ffff:0:a9fe:a9fe", "::169.254.169.254"),
    *("0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1"),
]
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "2002:7f00:1::"]


@pytest.mark.parametrize(
    ("addresses", "kinds"),
    [
        (PUBLIC, ["public", "private"]),
        (PRIVATE, ["private"]),
        (NEVER, []),
        (LOOPBACK, ["loopback"]),
    ],
    ids=["public", "private", "never", "loopback"],
)
def test_an_address_is_of_the_kinds_that_may_be_called(addresses, kinds):
    for one in addresses:
        assert [k for k in ("public", "private", "loopback") if suits(one, k)] == kinds, one


@pytest.mark.parametrize("kind", ["public", "private"])
@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "0.0.0.0", "[::1]", "169.254.169.254", "2130706433", "0x7f.1"],
)
def test_a_name_that_leads_to_this_machine_or_to_metadata_is_not_called(host, kind, outgoing):
    """`localhost` is a name that the resolver answers; the others are ways to write an address."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        target = Target(f"https://{host}:{trap.getsockname()[1]}", kind)
        with pytest.raises((CallbackRefused, CallbackFailed)):
            outgoing.post(target, "x", {}, {})
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.0.1", "[fd00::1]", "100.64.0.1"])
def test_a_private_address_is_not_called_unless_the_file_says_so(host, outgoing):
    with pytest.raises(CallbackRefused, match="not public"):
        outgoing.post(Target(f"https://{host}"), "x", {}, {})


def test_one_bad_address_among_good_ones_is_enough(double):
    port = int(double.url.rpartition(":")[2])
    both = [(2, 1, 6, "", ("8.8.8.8", port)), (2, 1, 6, "", ("127.0.0.1", port))]
    with pytest.raises(CallbackRefused):
        Outgoing(BRISK, lambda *a, **k: both).post(Target("https://example.org"), "x", {}, {})


def test_a_name_is_looked_up_once_and_the_checked_address_is_called(double):
    """Whoever answers otherwise the second time (rebinding) is not asked a second time."""
    asked = []

    def resolve(host, port, **_):
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "169.254.169.254", port))]

    double.first = [(503, {}), (503, {})]
    port = double.url.rpartition(":")[2]
    target = local(f"http://rebinding.example:{port}")
    assert Outgoing(BRISK, resolve).post(target, "x", {}, {}).status == 200
    assert asked == ["rebinding.example"]
    assert len(double.asked) == 3
    assert double.asked[0].headers["host"] == f"rebinding.example:{port}"


def test_an_address_that_does_not_answer_gives_way_to_the_next(double):
    port = int(double.url.rpartition(":")[2])
    both = [(2, 1, 6, "", ("127.0.0.9", port)), (2, 1, 6, "", ("127.0.0.1", port))]
    found = Outgoing(BRISK, lambda *a, **k: both).post(local(double.url), "x", {}, {})
    assert found.status == 200


def test_a_name_without_an_address_fails(outgoing):
    with pytest.raises(CallbackFailed, match="has no address"):
        outgoing.post(Target("https://nowhere.invalid"), "x", {}, {})


def test_http_is_for_this_machine_alone(double, outgoing):
    for kind in ("public", "private"):
        with pytest.raises(CallbackRefused):
            outgoing.post(Target(double.url, kind), "x", {}, {})
    assert double.asked == []


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """For `localhost`, vouched for by itself."""
    folder = tmp_path_factory.mktemp("tls")
    files = str(folder / "cert.pem"), str(folder / "key.pem")
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", 2),
        *("-out", files[0], "-keyout", files[1]),
        check=True,
    )
    return files


@pytest.fixture
def secure(certificate):
    made = Double(lambda asked: (200, {}))
    with listening(made, certificate):
        yield made


def test_the_certificate_must_be_made_out_to_the_name(secure, outgoing, certificate):
    assert outgoing.post(local(secure.url, certificate[0]), "x", {}, {}).status == 200
    by_number = secure.url.replace("localhost", "127.0.0.1")
    with pytest.raises(CallbackFailed):
        outgoing.post(local(by_number, certificate[0]), "x", {}, {})
    assert len(secure.asked) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(secure, outgoing):
    with pytest.raises(CallbackFailed):
        outgoing.post(local(secure.url), "x", {}, {})
    assert secure.asked == []


# Answers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure(double, outgoing, status):
    elsewhere = Double(lambda asked: (200, {}))
    with listening(elsewhere):
        double.first = [(status, elsewhere.url.encode())]
        with pytest.raises(CallbackFailed, match=f"HTTP {status}"):
            outgoing.post(local(double.url), "x", {}, {})
    assert elsewhere.asked == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_not_tried_again(double, outgoing, status):
    double.first = [(status, {})]
    with pytest.raises(CallbackFailed, match=f"HTTP {status}"):
        outgoing.post(local(double.url), "x", {}, {})
    assert len(double.asked) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_and_not_for_ever(double, outgoing, status):
    double.first = [(status, b"y" * 200_000)] * 20
    with pytest.raises(CallbackFailed, match=f"HTTP {status}"):
        outgoing.post(local(double.url), "x", {}, {})
    assert len(double.asked) == 6


def test_the_pauses_grow_and_end():
    tries, pauses = RETRIES, []
    for _ in range(5):
        tries = tries.increment("POST", "/", error=None)
        pauses.append(tries.get_backoff_time())
    assert sum(pauses) < 40
    assert pauses == sorted(pauses)
    with pytest.raises(Exception, match="Max retries"):
        tries.increment("POST", "/")


def test_an_answer_that_is_too_long_is_none(double, outgoing):
    double.first = [(200, b"[" + b"1," * 500_000 + b"1]")]
    answer = outgoing.post(local(double.url), "x", {}, {})
    assert (answer.taken, answer.whole, answer.json()) == (True, False, None)


@pytest.mark.parametrize(("length", "whole"), [(1000, True), (1001, False)])
def test_an_answer_is_read_up_to_its_bound(double, length, whole):
    double.first = [(200, b"x" * length)]
    limits = Limits(5, 2, 5, answer_bytes=1000)
    answer = Outgoing(BRISK, limits=limits).post(local(double.url), "x", {}, {})
    assert (answer.whole, len(answer.body)) == (whole, length if whole else 0)


def test_what_a_failing_server_says_at_length_is_not_read(outgoing):
    sent = []

    def pieces():
        yield b"HTTP/1.1 500 No\r\nContent-Length: 1000000000\r\n\r\n"
        for _ in range(64):
            sent.append(1 << 20)
            yield b"x" * (1 << 20)

    class Endless:
        def __iter__(self):
            return pieces()

    with pytest.raises(CallbackFailed, match="HTTP 500"):
        outgoing.post(local(f"http://127.0.0.1:{raw(said=Endless())}"), "x", {}, {})
    assert sum(sent) < 6 * (16 << 20), "more than what the kernel holds for six connections"


def raw(
    *pieces: bytes,
    pause: float = 0.0,
    said: Iterable[bytes] = (),
    tls: ssl.SSLContext | None = None,
) -> int:
    """A server that answers each call with these bytes: its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            connection, _ = server.accept()
            with tls.wrap_socket(connection, True) if tls else connection as connection:
                connection.recv(65536)
                try:
                    for piece in said or pieces:
                        connection.sendall(piece)
                        time.sleep(pause)
                except OSError:
                    continue

    threading.Thread(target=run, daemon=True).start()
    return server.getsockname()[1]


@pytest.mark.parametrize(
    "said", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"]
)
def test_a_server_that_breaks_off_gave_no_answer(outgoing, said):
    with pytest.raises(CallbackFailed, match="gave no answer"):
        outgoing.post(local(f"http://127.0.0.1:{raw(said)}"), "x", {}, {})


def test_a_document_that_drips_is_left_and_the_call_was_taken():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    outgoing = Outgoing(BRISK, limits=Limits(5, 2, 3, answer_seconds=0.5))
    began = time.monotonic()
    port = raw(head, *([b"x"] * 100), pause=0.1)
    answer = outgoing.post(local(f"http://127.0.0.1:{port}"), "x", {}, {})
    assert (answer.taken, answer.whole, answer.json()) == (True, False, None)
    assert time.monotonic() - began < 2


DRIPS = {
    "status": [b"HTTP/1.1 200 ", *([b"O"] * 60)],
    "header": [b"HTTP/1.1 200 OK\r\nX-Long: ", *([b"x"] * 60)],
    "headers": [b"HTTP/1.1 200 OK\r\n", *([b"X-Again: x\r\n"] * 60)],
    "continue": [b"HTTP/1.1 100 Continue\r\n\r\n"] * 60,
    "chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *([b"0"] * 60)],
}


@pytest.mark.parametrize("pieces", DRIPS.values(), ids=DRIPS)
def test_whatever_drips_the_whole_call_ends(pieces):
    outgoing = Outgoing(RETRIES.new(total=1, backoff_factor=0.01), limits=Limits(5, 2, 0.5))
    target = local(f"http://127.0.0.1:{raw(*pieces, pause=0.1)}")
    threads, began = set(threading.enumerate()), time.monotonic()
    with pytest.raises(AnswerLost, match=r"no answer within 0.5 s"):
        outgoing.call("POST", target, "x", b"", {})
    assert time.monotonic() - began < 2
    assert set(threading.enumerate()) <= threads


def test_over_tls_the_whole_call_ends_as_well(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    port = raw(*DRIPS["header"], pause=0.1, tls=context)
    began = time.monotonic()
    with pytest.raises(AnswerLost, match="within"):
        ONCE.call("POST", local(f"https://localhost:{port}", certificate[0]), "x", b"", {})
    assert time.monotonic() - began < 2


def test_a_handshake_that_drips_is_given_up():
    port = raw(b"\x16\x03\x03\x40\x00", *([b"\x02"] * 60), pause=0.1)
    outgoing = Outgoing(RETRIES.new(total=0), limits=Limits(0.5, 5, 5))
    began = time.monotonic()
    with pytest.raises(CallbackFailed):
        outgoing.call("POST", local(f"https://localhost:{port}"), "x", b"", {})
    assert time.monotonic() - began < 2


def test_a_far_side_that_does_not_read_is_left():
    """Its window is full: what is written waits."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        target = local(f"http://127.0.0.1:{trap.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(AnswerLost):
            ONCE.call("POST", target, "x", b"x" * (32 << 20), {})
    assert time.monotonic() - began < 2


def test_one_that_is_not_there_has_lost_nothing():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(CallbackFailed, match="cannot be reached") as failed:
        ONCE.call("POST", local(f"http://127.0.0.1:{port}"), "x", b"", {})
    assert not isinstance(failed.value, AnswerLost)


# Addresses as text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "//host/",
        "ftp://host/",
        "https://",
        "https://user@host/",
        "https://host/?a",
        "https://host/?",
        "https://host/#",
        "https://host/a b",
        "https://host/ä",
        "https://host\\x",
        "https://host:99999/",
        "https://[::1/",
        "https://host/../x",
        "https://host//x",
        "https://host/\n",
        "https://host/" + "x" * 3000,
    ],
)
def test_what_is_no_plain_address_is_none(url):
    assert split(url) is None


def test_the_environments_proxies_are_not_used(double, outgoing, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert outgoing.post(local(double.url), "x", {}, {}).status == 200


def test_nothing_else_in_the_service_calls_a_consumer():
    """One module makes calls; another one would have to check addresses, too."""
    folder = Path(__file__).parents[2] / "api/consumers"
    for path in folder.glob("*.py"):
        if path.name != "outgoing.py":
            text = path.read_text()
            assert "import requests" not in text
            assert "urllib3" not in text
            assert "http.client" not in text
