"""The bounds on what is read, and the words in which they are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partimento.errors import UserError
from partimento.formats.limits import (
    check_count,
    check_length,
    count_bars,
    read_bytes,
    shortened,
)
from partimento.formats.musicxml import read_musicxml
from partimento.music import lay_bars


def test_the_longest_and_what_is_longer() -> None:
    check_length(100_000 * 24, 24, "x")
    check_length(2**31 - 1, 10**6, "x")
    with pytest.raises(UserError, match="'x' lasts longer than 100000 quarter notes"):
        check_length(100_000 * 24 + 1, 24, "x")
    with pytest.raises(UserError, match="or 2147483647 ticks"):
        check_length(2**31, 10**6, "x")


def test_the_most_and_what_is_more() -> None:
    check_count(2_000_000, 200_000, "x")
    with pytest.raises(UserError, match=r"'x' has more than 2000000 notes, the most"):
        check_count(2_000_001, 0, "x")
    with pytest.raises(UserError, match=r"'x' has more than 200000 bars, the most"):
        check_count(0, 200_001, "x")


metre = st.tuples(st.integers(0, 300), st.integers(1, 9), st.sampled_from([1, 2, 4, 8, 64]))


@given(st.lists(metre, max_size=6), st.integers(0, 500), st.integers(1, 96))
def test_bars_are_counted_without_making_them(metres, end: int, resolution: int) -> None:
    """Never fewer than are made: the count is what keeps them from being made."""
    latest = {0: (0, 4, 4)} | {change[0]: change for change in metres if change[0] <= end}
    changes = [latest[onset] for onset in sorted(latest)]
    made = len(lay_bars(changes, end, resolution))
    assert made <= count_bars(changes, end, resolution) <= made + len(changes)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(UserError, match="is larger than 0 MiB"):
        read_bytes(path, 4)
    with pytest.raises(UserError, match="There is no file"):
        read_bytes(tmp_path, 4)


def test_long_words_are_cut() -> None:
    assert shortened("a\n b") == "a b"
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 61) == "x" * 59 + "…"


@pytest.mark.parametrize("place", ["divisions", "step", "octave", "number", "name", "tag"])
def test_no_sentence_is_longer_than_its_reader(place: str, tmp_path: Path) -> None:
    long = dict.fromkeys(("divisions", "step", "octave", "number", "name"), "1") | {
        place: "y" * 9999
    }
    tag = "y" * 9999 if place == "tag" else "score-partwise"
    path = tmp_path / "x.xml"
    path.write_text(
        f'<{tag}><part-list><score-part id="P"><part-name>{long["name"]}</part-name></score-part>'
        f'</part-list><part id="P"><measure number="{long["number"]}"><attributes><divisions>'
        f"{long['divisions']}</divisions></attributes><note><pitch><step>{long['step']}</step>"
        f"<octave>{long['octave']}</octave></pitch><duration>1</duration></note></measure></part></{tag}>"
    )
    with pytest.raises(UserError) as caught:
        read_musicxml(path)
    assert len(str(caught.value)) < 400
