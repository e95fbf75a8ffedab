"""Signals: the first asks, the second stops at once, and afterwards all is as before."""

from __future__ import annotations

import logging
import os
import signal
import threading

import pytest

from partimento.errors import Interrupted
from partimento.runs.interruption import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_stops(number, caplog):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with caplog.at_level(logging.WARNING), StopRequest() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert stop.asked == number
        assert "state will be saved; once more to stop at once" in caplog.text
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), number)
        assert stop()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_handlers_come_back_after_an_error():
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), StopRequest():
        _ = 1 / 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_signals_that_somebody_else_took_can_be_taken_back():
    """Lightning puts a handler of its own in between, when training begins."""
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        os.kill(os.getpid(), signal.SIGTERM)
        assert not stop()
        stop.install()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
    assert signal.getsignal(signal.SIGTERM) == before
    stop.install()  # outside it has nothing to take
    assert signal.getsignal(signal.SIGTERM) == before


def test_in_another_thread_signals_keep_their_meaning():
    """Python lets only the main thread set handlers; a notebook's worker must not fail on that."""
    before = signal.getsignal(signal.SIGTERM)
    found = []

    def work() -> None:
        with StopRequest() as stop:
            stop.install()
            found.append((stop(), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]
