"""A timestamp authority of the test's own: `openssl ts` behind HTTP, with a root that it made."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[own]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
digests = sha256
default_policy = 1.3.6.1.4.1.4146.2.3
ess_cert_id_alg = sha256
"""
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

Answer = tuple[int, bytes]


def openssl(*words: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, timeout=30, **options)


@dataclass
class Authority:
    """Its certificates, its address, and what it was asked. `meddle` answers in its place."""

    folder: Path
    url: str = ""
    meddle: Callable[[bytes], Answer] | None = None
    asked: list[bytes] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._file("config").write_text(CONFIG.format(folder=self.folder))
        self._file("serial").write_text("01\n")
        name = self.folder.name
        self._made("req", "-x509", *NEW_KEY, "-subj", f"/CN=root of {name}", "-days", 30)
        self._made("req", *NEW_KEY, "-subj", "/CN=tsa", key="tsa.key", out="tsa.csr")
        signed = ("x509", "-req", "-in", self._file("tsa.csr"), "-days", 30, "-set_serial", 7)
        signed += ("-CA", self.root, "-CAkey", self._file("root.key"))
        signed += ("-extfile", self._file("config"), "-extensions", "own", "-out", self.own)
        openssl(*signed, check=True)
        self.chain.write_bytes(self.own.read_bytes() + self.root.read_bytes())

    @property
    def root(self) -> Path:
        return self._file("root.pem")

    @property
    def own(self) -> Path:
        """The certificate that it stamps with."""
        return self._file("tsa.pem")

    @property
    def chain(self) -> Path:
        """Both: what a verifier is given."""
        return self._file("chain.pem")

    def answer(self, query: bytes) -> Answer:
        self.asked.append(query)
        if self.meddle is not None:
            return self.meddle(query)
        return 200, self.stamp(query)

    def stamp(self, query: bytes) -> bytes:
        with self._lock:
            asked, reply = self._file("query"), self._file("reply")
            asked.write_bytes(query)
            words = ("-config", self._file("config"), "-section", "tsa", "-queryfile", asked)
            openssl("ts", "-reply", *words, "-out", reply, check=True)
            return reply.read_bytes()

    def _made(self, *words: object, key: str = "root.key", out: str = "root.pem") -> None:
        openssl(*words, "-keyout", self._file(key), "-out", self._file(out), check=True)

    def _file(self, name: str) -> Path:
        return self.folder / name


@contextmanager
def authority(folder: Path) -> Iterator[Authority]:
    """One that answers `application/timestamp-query` on a free port."""
    made = Authority(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.headers["Content-Type"] == "application/timestamp-query"
            status, body = made.answer(query) if known else (415, b"")
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/tsa"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
