"""An artefact from a stranger's server: over https, as many bytes as were sealed, and in time."""

from __future__ import annotations

import http.client
import io
import threading
import urllib.request

import pytest

from efficient.board import rescoring
from efficient.board.error import BoardError
from efficient.ledger.record import File

FILE = File("0" * 64, 1000)


class Answer(io.RawIOBase):
    """Is read by a call."""

    def __init__(self, call):
        self.call = call

    def read(self, size=-1):
        return self.call(size)


@pytest.fixture
def server(monkeypatch):
    """Answers with what `answer` returns; `handlers` are those of the opener."""

    class Server:
        def __init__(self):
            self.handlers = []
            self.answer = lambda size: b"x" * size

        def open(self, address, timeout):
            return Answer(self.answer)

    made = Server()

    def build_opener(handler):
        made.handlers.append(handler())
        return made

    monkeypatch.setattr(urllib.request, "build_opener", build_opener)
    return made


def test_a_fetch_is_over_https_and_takes_what_was_sealed(server, tmp_path):
    rescoring._fetch("https://example.org/a", FILE, tmp_path / "a")
    assert (tmp_path / "a").stat().st_size == FILE.bytes
    with pytest.raises(OSError, match="which is not https"):
        server.handlers[0].redirect_request(None, None, 302, "", {}, "http://169.254.169.254/")


@pytest.mark.parametrize("address", ["http://x.org/a", "https://x.org/a b", "https://x.org/\n", ""])
def test_only_plain_https_is_asked(server, tmp_path, address):
    with pytest.raises(BoardError, match="is no https address"):
        rescoring._fetch(address, FILE, tmp_path / "a")
    assert not server.handlers


@pytest.mark.parametrize("error", [http.client.BadStatusLine("?"), OSError("no"), ValueError("no")])
def test_an_answer_that_is_none_is_one_line(server, tmp_path, error):
    def answer(size):
        raise error

    server.answer = answer
    with pytest.raises(BoardError, match="cannot be fetched"):
        rescoring._fetch("https://x.org/a", FILE, tmp_path / "a")


def test_a_server_that_never_ends_is_left(server, tmp_path, monkeypatch):
    ended = threading.Event()

    def answer(size):
        ended.wait()
        return b""

    server.answer = answer
    monkeypatch.setattr(rescoring, "PATIENCE_S", 0.01)
    try:
        with pytest.raises(BoardError, match=r"takes longer than 0\.02 s; use --artefacts"):
            rescoring._fetch("https://x.org/a", FILE, tmp_path / "a")
    finally:
        ended.set()
