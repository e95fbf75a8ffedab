"""Downloads from a server on loopback: whole, broken off and gone on with, from a mirror, wrong, offline."""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from partimento.datasets.download import CHUNK, fetch, sha256_of
from partimento.errors import UserError

CONTENT = bytes(range(256)) * 2000
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT at /file; breaks off after `breaks` bytes, once for each entry."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True
        self.breaks: list[int] = []
        self.asked: list[tuple[str, str | None]] = []

    def url(self, name: str = "file") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        wanted = self.headers.get("Range")
        server.asked.append((self.path, wanted))
        if self.path != "/file":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
        if start and start >= len(server.content):
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks.pop()] if server.breaks else body)

    def log_message(self, *arguments) -> None:
        """Keep the console clean."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_comes_once(server, tmp_path):
    path = tmp_path / "new" / "file.bin"
    assert fetch([server.url()], path, sha256=SHA) == path
    assert path.read_bytes() == CONTENT
    assert sha256_of(path) == SHA
    assert fetch([server.url()], path, sha256=SHA) == path
    assert fetch([server.url()], path) == path
    assert len(server.asked) == 1
    assert [item.name for item in path.parent.iterdir()] == ["file.bin"]


def test_a_broken_download_is_gone_on_with(server, tmp_path):
    path = tmp_path / "file.bin"
    server.breaks = [200_000, 100_000]
    for _ in range(2):
        with pytest.raises(UserError, match="could not be downloaded .*goes on where it broke off"):
            fetch([server.url()], path, sha256=SHA)
        assert not path.exists()
    fetch([server.url()], path, sha256=SHA)
    assert path.read_bytes() == CONTENT
    first = 100_000 // CHUNK * CHUNK
    second = first + 200_000 // CHUNK * CHUNK
    assert [wanted for _, wanted in server.asked] == [None, f"bytes={first}-", f"bytes={second}-"]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_next_mirror_goes_on_where_the_first_broke_off(server, tmp_path):
    server.breaks = [100_000]
    fetch([server.url(), server.url("gone"), server.url()], tmp_path / "file", sha256=SHA)
    rest = f"bytes={100_000 // CHUNK * CHUNK}-"
    assert server.asked == [("/file", None), ("/gone", rest), ("/file", rest)]
    assert sha256_of(tmp_path / "file") == SHA


def test_without_a_pinned_hash_another_mirror_begins_anew(server, tmp_path, caplog):
    """It may have another file, and nothing would tell that two halves do not belong together."""
    server.breaks = [100_000]
    with caplog.at_level(logging.WARNING):
        fetch([server.url() + "?", server.url()], tmp_path / "file")
    assert [wanted for _, wanted in server.asked] == [None, None]
    assert SHA in caplog.text


@pytest.mark.parametrize("content", [CONTENT[:1000], CONTENT + b"more", b"\x00" * len(CONTENT)])
def test_a_server_that_ignores_ranges_or_changed_its_file(server, tmp_path, content):
    """What was begun is thrown away when it does not fit, and nothing wrong is ever kept."""
    server.breaks = [100_000]
    with pytest.raises(UserError):
        fetch([server.url()], tmp_path / "file", sha256=SHA)
    server.content = content
    with pytest.raises(UserError, match="another content than the pinned SHA-256 says"):
        fetch([server.url()], tmp_path / "file", sha256=SHA)
    assert not list(tmp_path.iterdir())
    server.content, server.breaks, server.ranges = CONTENT, [100_000], False
    with pytest.raises(UserError):
        fetch([server.url()], tmp_path / "file", sha256=SHA)
    assert fetch([server.url()], tmp_path / "file", sha256=SHA).read_bytes() == CONTENT


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"damaged")
    assert fetch([server.url()], path, sha256=SHA).read_bytes() == CONTENT


def test_being_offline_is_told_in_one_sentence(tmp_path, server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(UserError) as caught:
            fetch([f"http://127.0.0.1:{port}/file", server.url("gone")], tmp_path / "f", sha256=SHA)
    sentence = str(caught.value)
    assert "no connection" in sentence
    assert "HTTP 404" in sentence
    assert "\n" not in sentence
