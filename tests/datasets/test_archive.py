"""Archives over loopback: broken downloads go on, wrong and hostile archives are refused."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from partimento.config import conf_dir
from partimento.datasets import download, unpacking
from partimento.datasets.archive import Archive
from partimento.datasets.download import fetch
from partimento.datasets.inputs import read_bach
from partimento.datasets.unpacking import unpack
from partimento.errors import UserError
from partimento.reports.midi import write_midi

DATA = bytes(range(256)) * 4000  # 1 MB


class Server:
    """Serves one body on loopback, and breaks off or refuses ranges as it is told."""

    def __init__(self) -> None:
        self.body = DATA
        self.tag = '"one"'
        self.ranges = True
        self.break_after: list[int] = []
        self.asked: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/music.zip"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.asked.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        fits = handler.headers.get("If-Range") == self.tag
        if asked and self.ranges and fits and start >= len(self.body):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.body)}")
            handler.end_headers()
            return
        partial = bool(asked) and self.ranges and fits
        body = self.body[start:] if partial else self.body
        handler.send_response(206 if partial else 200)
        if partial:
            end = len(self.body)
            handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", self.tag)
        handler.end_headers()
        handler.wfile.write(body[: self.break_after.pop(0)] if self.break_after else body)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = Server()
    yield served
    served.stop()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_download_that_breaks_off_goes_on_where_it_was(server, tmp_path):
    server.break_after = [300_000, 400_000]
    target = tmp_path / "deep" / "music.zip"
    assert fetch([server.url], target, sha256(DATA)).read_bytes() == DATA
    assert server.asked == [None, "bytes=300000-", "bytes=700000-"]
    assert list(target.parent.iterdir()) == [target]
    fetch([server.url], target, sha256(DATA))
    assert len(server.asked) == 3


def test_a_download_given_up_goes_on_with_the_next_command(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 2)
    server.break_after = [100_000, 100_000]
    target = tmp_path / "music.zip"
    with pytest.raises(
        UserError, match=r"'music\.zip' cannot be downloaded \(.*broke off after 200"
    ):
        fetch([server.url], target, sha256(DATA))
    assert not target.exists()
    assert fetch([server.url], target, sha256(DATA)).read_bytes() == DATA
    assert server.asked[-1] == "bytes=200000-"


def test_a_file_that_was_complete_but_for_its_name_is_not_loaded_again(server, tmp_path):
    target = tmp_path / "music.zip"
    (tmp_path / "music.zip.part").write_bytes(DATA)
    (tmp_path / "music.zip.part.tag").write_text('"one"')
    assert fetch([server.url], target, sha256(DATA)).read_bytes() == DATA


@pytest.mark.parametrize("change", ["tag", "ranges"])
def test_two_versions_are_never_joined(server, tmp_path, monkeypatch, change):
    monkeypatch.setattr(download, "TRIES", 1)
    server.break_after = [300_000]
    target = tmp_path / "music.zip"
    with pytest.raises(UserError):
        fetch([server.url], target)
    server.body = DATA[::-1]
    if change == "tag":
        server.tag = '"two"'
    else:
        server.ranges = False
    assert fetch([server.url], target).read_bytes() == DATA[::-1]


def test_a_wrong_hash_is_refused_and_an_unknown_one_told(server, tmp_path, caplog):
    with pytest.raises(UserError, match=r"has not the SHA-256 0000.* was thrown away"):
        fetch([server.url], tmp_path / "music.zip", "0" * 64)
    assert list(tmp_path.iterdir()) == []
    with caplog.at_level(logging.WARNING):
        fetch([server.url], tmp_path / "music.zip")
    assert f"dataset.sha256={sha256(DATA)}" in caplog.text


def test_mirrors_are_asked_in_turn(server, tmp_path):
    closed = "http://127.0.0.1:9/music.zip"
    assert fetch([closed, server.url], tmp_path / "music.zip").read_bytes() == DATA
    with pytest.raises(UserError, match=r"cannot be downloaded \(http://127\.0\.0\.1:9/.*refused"):
        fetch([closed], tmp_path / "other.zip")
    with pytest.raises(UserError, match="only http and https addresses"):
        fetch(["file:///etc/passwd"], tmp_path / "other.zip")


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def midi(tmp_path_factory) -> dict[str, bytes]:
    """Three chorales in the folders of an archive, and a file that is no music."""
    folder = tmp_path_factory.mktemp("midi")
    found = {}
    for number in ("253", "254", "255"):
        path = write_midi(read_bach(number), folder / f"{number}.mid")
        found[f"corpus-1.0/{number[-1]}/{path.name}"] = path.read_bytes()
    return {**found, "corpus-1.0/readme.txt": b"no music"}


def archive(**options) -> Archive:
    texts = dict.fromkeys(("title", "licence", "citation"), "of a test")
    given = {"corpus": "mini", "urls": [], "sha256": None, "pattern": "*.mid", "workers": 0}
    return Archive(**{**given, **texts, **options})


@pytest.mark.parametrize("make", [zipped, tarred])
def test_an_archive_is_downloaded_on_request_and_prepared(server, midi, tmp_path, make):
    server.body = make(midi)
    server.break_after = [len(server.body) // 2]
    pinned = {"urls": [server.url], "sha256": sha256(server.body)}
    with pytest.raises(UserError, match=r"^dataset=mini is not here .* add dataset\.download=true"):
        archive(**pinned).prepare(str(tmp_path))
    assert server.asked == []
    corpus = archive(**pinned, download=True).prepare(str(tmp_path))
    assert [p.id for p in corpus.pieces] == [f"corpus-1.0/{n}/25{n}.mid" for n in (3, 4, 5)]
    assert corpus.card.counts["files"] == 3
    assert pinned["sha256"] in corpus.card.source
    # Neither the archive nor its address is needed any more.
    (tmp_path / "archives" / "music.zip").unlink()
    again = archive(**pinned).prepare(str(tmp_path))
    assert again.pieces[0].difference(corpus.pieces[0]) is None
    assert len(server.asked) == 2


def test_an_archive_or_folder_at_hand(midi, tmp_path):
    path = tmp_path / "mine.zip"
    path.write_bytes(zipped(midi))
    pieces = archive(path=str(path)).prepare(str(tmp_path / "cache")).pieces
    unpack(path, tmp_path / "unpacked", "*", 10**6)
    folder = archive(path=str(tmp_path / "unpacked"))
    assert folder.prepare(None).pieces[0].difference(pieces[0]) is None
    assert folder.fingerprint() != archive(path=str(path)).fingerprint()
    with pytest.raises(UserError, match=r"has the SHA-256 .* not 00.* as dataset\.sha256 says"):
        archive(path=str(path), sha256="0" * 64).fingerprint()
    with pytest.raises(UserError, match="there is no archive or folder"):
        archive(path=str(tmp_path / "none.zip")).fingerprint()
    with pytest.raises(UserError, match="needs a cache to unpack"):
        archive(path=str(path)).prepare(None)
    with pytest.raises(UserError, match=r"dataset=mini: nothing in it matches '\*\.abc'"):
        archive(path=str(path), pattern="*.abc").prepare(str(tmp_path / "cache"))


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", ["../out.mid", "/tmp/out.mid", "a/../../out.mid", "..\\out.mid"])
def test_nothing_is_written_outside(tmp_path, make, name):
    path = tmp_path / "evil"
    path.write_bytes(make({"good.mid": b"x", name: b"x"}))
    with pytest.raises(UserError, match="would lie outside its folder"):
        unpack(path, tmp_path / "in" / "side", "*", 10**6)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["evil"]


def test_links_are_not_followed(tmp_path):
    path = tmp_path / "evil.tar.gz"
    path.write_bytes(tarred({"d/a.mid": b"x"}, {"d": "/tmp", "l.mid": "/etc/passwd"}))
    unpack(path, tmp_path / "inside", "*", 10**6)
    assert [p.name for p in (tmp_path / "inside").rglob("*")] == ["d", "a.mid"]
    assert not (tmp_path / "inside" / "d").is_symlink()


@pytest.mark.parametrize("make", [zipped, tarred])
def test_bombs_and_damage(tmp_path, make, monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_BYTES", 5 * 10**6)
    bombs = [{"a.mid": bytes(6 * 10**6)}, {f"{i}.mid": bytes(10**6) for i in range(12)}]
    for index, members in enumerate(bombs):
        path = tmp_path / f"bomb{index}"
        path.write_bytes(make(members))
        assert path.stat().st_size < 50_000
        with pytest.raises(UserError, match="it comes to more than"):
            unpack(path, tmp_path / "out", "*", 10**7)
    data = make({"a.mid": bytes(range(256)) * 1000, "b.mid": b"b"})
    for index, damaged in enumerate((data[: len(data) // 2], b"", b"PK\3\4nonsense")):
        path = tmp_path / f"damaged{index}"
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="cannot be unpacked"):
            unpack(path, tmp_path / "out", "*", 10**7)
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


@pytest.mark.parametrize("name", ["maestro", "lakh", "pop909"])
def test_the_shipped_corpora_say_how_to_get_them(name, tmp_path):
    content = yaml.safe_load((conf_dir() / "dataset" / f"{name}.yaml").read_text())
    assert content.pop("name") == name
    assert content.pop("_target_") == "partimento.datasets.archive.Archive"
    assert content["download"] is False
    assert content["sha256"] is None or re.fullmatch("[0-9a-f]{64}", content["sha256"])
    with pytest.raises(UserError, match=rf"^dataset={name} is not here .*{content['urls'][0]}"):
        Archive(**content).prepare(str(tmp_path))


def test_which_files_of_pop909_are_read(tmp_path, midi):
    content = yaml.safe_load((conf_dir() / "dataset" / "pop909.yaml").read_text())
    data = next(iter(midi.values()))
    names = ["001/001.mid", "001/versions/001-v1.mid", "002/002.mid", "002/beat_midi.txt"]
    path: Path = tmp_path / "pop.zip"
    path.write_bytes(zipped({f"POP909-Dataset-master/POP909/{name}": data for name in names}))
    unpack(path, tmp_path / "out", content["pattern"], 10**7)
    found = sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert found == ["001.mid", "002.mid"]
