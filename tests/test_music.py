"""Pieces: order and equality of content, frames, transposition, bars, and the border with muspy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from partimento.music import (
    DEFAULT_VELOCITY,
    Bar,
    Chord,
    Key,
    Piece,
    Tempo,
    from_muspy,
    lay_bars,
    to_muspy,
)


def cadence(**changes) -> Piece:
    """Return a cadence of two parts in 3/4 with a pick-up of one quarter, 4 ticks each."""
    fields = {
        "id": "cadence",
        "resolution": 4,
        "onset": [4, 0, 8, 0, 8],
        "duration": [4, 4, 8, 8, 8],
        "pitch": [71, 67, 72, 55, 48],
        "part": [0, 0, 0, 1, 1],
        "velocity": [70, 64, 80, 64, 64],
        "parts": ("soprano", "bass"),
        "end": 16,
        "bars": (Bar(0, 3, 4), Bar(4, 3, 4)),
        "keys": (Key(0, 0, "major"), Key(8, 1, "major")),
        "chords": (Chord(0, 8, "G7"), Chord(8, 8, "C")),
        "tempos": (Tempo(0, 90.0),),
        "source": "by hand",
        "metadata": {"title": "Cadence"},
    }
    return Piece(**(fields | changes))


# --- the record --------------------------------------------------------------------------------


def test_notes_are_sorted_by_onset_part_and_pitch():
    piece = Piece("chord", 1, [1, 0, 0, 0], [1, 1, 1, 1], [60, 67, 64, 72], [0, 1, 1, 0])
    assert piece.onset.tolist() == [0, 0, 0, 1]
    assert piece.part.tolist() == [0, 1, 1, 0]
    assert piece.pitch.tolist() == [72, 64, 67, 60]
    assert len(piece) == 4


def test_velocities_follow_their_notes():
    piece = cadence()
    assert dict(zip(piece.pitch.tolist(), piece.velocity.tolist(), strict=True))[72] == 80
    assert (cadence(velocity=None).velocity == DEFAULT_VELOCITY).all()


def test_the_end_is_the_last_notes_end_unless_told():
    assert cadence(end=20).end == 20
    assert cadence(end=-1).end == 16
    assert Piece("empty", 4, [], [], [], []).end == 0
    # The longest note need not be the last.
    assert Piece("long", 1, [0, 2], [9, 1], [60, 62], [0, 0]).end == 9


def test_note_arrays_cannot_be_changed():
    piece = cadence()
    for name in ("onset", "duration", "pitch", "part", "velocity"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(piece, name)[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        piece.end = 3


def test_a_piece_does_not_share_its_callers_arrays():
    pitch = np.array([60, 62], dtype=np.int32)
    piece = Piece("own", 1, [0, 1], [1, 1], pitch, [0, 0])
    pitch[:] = 0
    assert piece.pitch.tolist() == [60, 62]


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="cadence: note arrays differ in length"):
        cadence(pitch=[60])
    with pytest.raises(ValueError, match="onset must be one-dimensional"):
        cadence(onset=[[0, 1]])


def test_equality_is_of_content():
    order = [3, 1, 4, 0, 2]
    shuffled = {
        name: np.array(getattr(cadence(), name))[order]
        for name in ("onset", "duration", "pitch", "part", "velocity")
    }
    assert cadence() == cadence()
    assert cadence() == cadence(**shuffled)
    assert cadence() == cadence(id="other", source="elsewhere", metadata={})
    assert cadence() != "cadence"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resolution", 8),
        ("parts", ("soprano", "tenor")),
        ("end", 17),
        ("bars", (Bar(0, 3, 4),)),
        ("keys", ()),
        ("chords", ()),
        ("tempos", (Tempo(0, 91.0),)),
        ("onset", [5, 0, 8, 0, 8]),
        ("duration", [4, 4, 8, 8, 7]),
        ("pitch", [71, 67, 72, 55, 36]),
        ("part", [0, 0, 0, 1, 0]),
        ("velocity", None),
    ],
)
def test_difference_names_what_differs(name, value):
    other = cadence(**{name: value})
    assert other != cadence()
    # Another part changes the order of notes, so an earlier column may be the one that is named.
    assert other.difference(cadence()) in (
        {name, "duration", "pitch"} if name == "part" else {name}
    )


def test_pieces_are_not_hashable():
    with pytest.raises(TypeError, match="unhashable"):
        hash(cadence())


def test_notes_of_a_part():
    notes = cadence().notes(0)
    assert notes["onset"].tolist() == [0, 4, 8]
    assert notes["duration"].tolist() == [4, 4, 8]
    assert notes["pitch"].tolist() == [67, 71, 72]
    assert notes["velocity"].tolist() == [64, 70, 80]


def test_a_frame_is_everything_but_the_notes():
    piece, frame = cadence(), cadence().frame()
    assert len(frame) == 0
    for name in (
        "resolution",
        "parts",
        "end",
        "bars",
        "keys",
        "chords",
        "tempos",
        "metadata",
        "id",
    ):
        assert getattr(frame, name) == getattr(piece, name)
    columns = {
        name: getattr(piece, name) for name in ("onset", "duration", "pitch", "part", "velocity")
    }
    assert frame.with_notes(**columns) == piece


# --- transposition -----------------------------------------------------------------------------


def test_transposing_moves_every_pitch_and_nothing_else():
    piece = cadence()
    moved = piece.transposed(-5)
    assert (piece.pitch - moved.pitch).tolist() == [5] * 5
    assert moved.difference(piece) == "keys"
    assert [chord.symbol for chord in moved.chords] == ["D7", "G"]
    assert moved.with_notes(pitch=piece.pitch, keys=piece.keys, chords=piece.chords) == piece
    assert piece.transposed(0) is piece


@pytest.mark.parametrize(
    ("fifths", "semitones", "expected"),
    [
        (0, 2, 2),  # C to D
        (0, 7, 1),  # C to G
        (0, 5, -1),  # C to F
        (0, 1, -5),  # C to D flat
        (2, -2, 0),  # D to C
        (-3, 3, -6),  # E flat to G flat
        (1, -12, 1),
        (4, 1, -1),  # E to F
    ],
)
def test_key_signatures_move_along(fifths, semitones, expected):
    piece = cadence(keys=(Key(0, fifths, "major"),)).transposed(semitones)
    assert piece.keys == (Key(0, expected, "major"),)


def test_every_transposed_key_has_the_right_tonic():
    for fifths in range(-7, 8):
        for semitones in range(-12, 13):
            key = cadence(keys=(Key(0, fifths),)).transposed(semitones).keys[0]
            # The tonic of a key with n sharps is 7 n semitones above C.
            assert (7 * key.fifths - 7 * fifths - semitones) % 12 == 0
            assert abs(key.fifths) <= 7


# --- bars --------------------------------------------------------------------------------------


def test_pickup_and_bar_lengths():
    piece = cadence()
    assert piece.pickup == 4
    assert piece.bar_lengths().tolist() == [4, 12]
    assert piece.nominal_bar_length(0) == 12
    assert cadence(bars=(Bar(0, 2, 4), Bar(8, 4, 8))).pickup == 0
    assert cadence(bars=()).pickup == 0
    # A first bar that is too long is no pick-up.
    assert cadence(bars=(Bar(0, 1, 4), Bar(8, 1, 4))).pickup == 0


@pytest.mark.parametrize(
    ("beats", "beat_type", "ticks"), [(4, 4, 16), (3, 8, 6), (2, 2, 16), (6, 8, 12), (5, 4, 20)]
)
def test_nominal_lengths(beats, beat_type, ticks):
    assert cadence(bars=(Bar(0, beats, beat_type),)).nominal_bar_length(0) == ticks


def test_lay_bars():
    bars = lay_bars([(0, 4, 4), (32, 3, 4)], 56, 4)
    assert bars == (Bar(0, 4, 4), Bar(16, 4, 4), Bar(32, 3, 4), Bar(44, 3, 4))
    # The last bar may be incomplete.
    assert [bar.onset for bar in lay_bars([(0, 2, 2)], 17, 4)] == [0, 16]
    assert lay_bars([], 16, 4) == ()
    # A metre that lasts for no time makes no bar; an empty piece has one.
    assert lay_bars([(0, 3, 4), (0, 4, 4), (16, 3, 4)], 16, 4) == (Bar(0, 4, 4),)
    assert lay_bars([(0, 4, 4)], 0, 4) == (Bar(0, 4, 4),)


def test_laid_bars_are_full_wherever_the_metre_lasts():
    for beats, beat_type in ((4, 4), (3, 4), (6, 8), (2, 2), (12, 8)):
        length = 48 * beats // beat_type
        piece = cadence(
            resolution=12, end=5 * length, bars=lay_bars([(0, beats, beat_type)], 5 * length, 12)
        )
        assert piece.bar_lengths().tolist() == [length] * 5
        assert piece.pickup == 0


# --- muspy -------------------------------------------------------------------------------------


def test_muspy_gives_the_notes_back():
    piece = cadence(bars=lay_bars([(0, 2, 4)], 16, 4))
    back = from_muspy(to_muspy(piece), id="again", source="muspy")
    assert (back.id, back.source, back.metadata) == ("again", "muspy", {"title": "Cadence"})
    for name in ("resolution", "parts", "end", "tempos", "bars"):
        assert getattr(back, name) == getattr(piece, name)
    for name in ("onset", "duration", "pitch", "part", "velocity"):
        assert np.array_equal(getattr(back, name), getattr(piece, name)), name
    assert [key[:2] for key in back.keys] == [(0, 0), (8, 1)]


def test_what_muspy_is_given():
    music = to_muspy(cadence())
    assert music.resolution == 4
    assert [track.name for track in music.tracks] == ["soprano", "bass"]
    assert [len(track.notes) for track in music.tracks] == [3, 2]
    assert [bar.time for bar in music.barlines] == [0, 4]
    assert [(s.time, s.numerator, s.denominator) for s in music.time_signatures] == [(0, 3, 4)]
    assert [(a.time, a.annotation) for a in music.annotations] == [(0, "G7"), (8, "C")]
    assert music.is_valid()


def test_metre_changes_are_told_once():
    bars = (Bar(0, 2, 4), Bar(8, 2, 4), Bar(16, 3, 4), Bar(28, 2, 4))
    music = to_muspy(cadence(bars=bars, end=36))
    changes = [(s.time, s.numerator, s.denominator) for s in music.time_signatures]
    assert changes == [(0, 2, 4), (16, 3, 4), (28, 2, 4)]


def test_music_from_elsewhere():
    import muspy

    drums = muspy.Track(is_drum=True, notes=[muspy.Note(0, 36, 24)])
    notes = [muspy.Note(0, 60, 24, velocity=90), muspy.Note(24, 62, 0), muspy.Note(24, 64, 48)]
    music = muspy.Music(resolution=24, tracks=[muspy.Track(notes=notes), drums])
    piece = from_muspy(music, id="found")
    assert piece.parts == ("Part 1",)
    assert piece.pitch.tolist() == [60, 64]  # without the note that has no length, and the drum
    assert piece.velocity.tolist() == [90, 64]
    assert piece.end == 72
    assert piece.bars == (Bar(0, 4, 4),)
    assert piece.metadata == {}
    assert len(from_muspy(muspy.Music(resolution=24), id="empty")) == 0


def test_bars_before_the_first_metre_are_four_four():
    import muspy

    music = muspy.Music(
        resolution=4,
        time_signatures=[muspy.TimeSignature(16, 3, 4)],
        tracks=[muspy.Track(notes=[muspy.Note(0, 60, 40)])],
    )
    bars = from_muspy(music, id="late").bars
    assert bars == (Bar(0, 4, 4), Bar(16, 3, 4), Bar(28, 3, 4))


def test_bar_lines_of_the_music_are_kept():
    import muspy

    bars = (Bar(0, 3, 4), Bar(4, 3, 4), Bar(12, 2, 4))
    music = to_muspy(cadence(bars=bars))
    assert from_muspy(music, id="again").bars == bars
    # A line at the end begins no bar, and the first bar begins with the piece.
    music.barlines = [muspy.Barline(4), muspy.Barline(12), muspy.Barline(16)]
    assert from_muspy(music, id="again").bars == bars
