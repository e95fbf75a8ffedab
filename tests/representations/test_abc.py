"""ABC tokens: melodies that can be read, any melody, any tokens, and the Celtic tunes."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from omegaconf import OmegaConf

from partimento.building import supplied
from partimento.config.targets import parameters_of
from partimento.data.collate import collate
from partimento.datasets.celtic import Celtic
from partimento.distributions import Distribution
from partimento.errors import Mismatch, UserError
from partimento.formats.abc import read_tunes
from partimento.formats.abc_header import MODES
from partimento.music import Bar, Key, Piece, Tempo, lay_bars
from partimento.representations.abc import LENGTHS, Abc
from partimento.representations.abc_tokens import (
    Lengths,
    joined,
    key_token,
    length_token,
    note_name,
    shift_to_c,
    spelled,
    text_of,
)

CONF = Path(__file__).parents[2] / "conf" / "representation" / "abc.yaml"
ABC = Abc()
AS_IT_IS = Abc(to_c=False)


def tune(body: str, key: str = "C", metre: str = "4/4") -> Piece:
    (piece,) = read_tunes(f"X:1\nM:{metre}\nL:1/8\nK:{key}\n{body}\n")
    assert isinstance(piece, Piece), piece
    return piece


def words(piece: Piece, representation: Abc = ABC) -> str:
    return " ".join(representation.tokens[index] for index in representation.encode(piece))


@pytest.fixture(scope="module")
def celtic(cache: Path) -> tuple[Piece, ...]:
    return Celtic().prepare(str(cache)).pieces


# --- tokens that can be read ---------------------------------------------------------------------


def test_tokens_of_a_small_tune() -> None:
    piece = tune("G|c2 ^c=c B/A/B2-|B4 z4|", metre="C")
    assert words(piece) == ("<s> M:4/4 K:Cmaj G | c 2 ^c =c B /2 A /2 B 2 - | B 4 z 4 | </s>")
    assert ABC.decode(ABC.encode(piece), piece.frame()) == piece


@pytest.mark.parametrize(
    ("key", "body", "expected"),
    [
        ("D", "DFA cdf|", "K:Cmaj C E G B c e"),
        ("Ador", "ABc ^cga|", "K:Cdor c d e =e b c'"),
        ("G", "GAB ^cde|", "K:Cmaj c d e ^f g a"),
        ("Em", "E^DE GBe|", "K:Cmin C =B, C E G c"),
        ("Dmix", "DEF ABc|", "K:Cmix C D E G A B"),
        ("F", "FGA B=Bc|", "K:Cmaj C D E F ^F G"),
        ("Ab", "AcB AGF|", "K:Cmaj c e d c B A"),
    ],
)
def test_every_tonic_becomes_c_in_its_own_mode(key: str, body: str, expected: str) -> None:
    piece = tune(body, key, metre="6/8")
    assert words(piece) == f"<s> M:6/8 {expected} | </s>"
    assert ABC.decode(ABC.encode(piece), piece.frame()) == piece


def test_keys_as_they_are() -> None:
    piece = tune("F^F=F _E=E|", "D", metre="5/8")
    wide = Abc(to_c=False, metres=["5/8"])
    assert words(piece, wide) == "<s> M:5/8 K:Dmaj F F =F ^D E | </s>"
    assert wide.decode(wide.encode(piece)).keys == (Key(0, 2, "major"),)


def test_triplets_and_other_lengths() -> None:
    piece = tune("(3CDE (3c2d2e2 A7/2B/|G5 z3|(3CDE F6|")
    assert words(piece) == (
        "<s> M:4/4 K:Cmaj (3 C D E (3 c 2 d 2 e 2 A 7/2 B /2 | G 4 - G z 3 | (3 C D E F 6 | </s>"
    )
    # Two notes in triplet rhythm are written by their lengths.
    assert "C 4/3 D 2/3 E 2 |" in words(tune("(3:2:2C2D E2|", metre="2/4"))
    for body in ("(3CDE c6|", "(3:2:2C2D E2|", "C9 z|", "(3C>DE (3z/C/D/ C4|"):
        assert ABC.decode(ABC.encode(tune(body)), tune(body).frame()) == tune(body)


def test_repeats_are_folded() -> None:
    piece = tune("|:CDEF GABc|c8:|d8|\nM:3/4\n|:e6|f6:|g6|g6|")
    assert words(piece) == (
        "<s> M:4/4 K:Cmaj |: C D E F G A B c | c 8 :| d 8 | "
        "M:3/4 e 6 | f 6 | |: e 6 | f 6 :| g 6 | g 6 | </s>"
    ).replace("M:3/4 e 6 | f 6 | |: e 6 | f 6 :|", "M:3/4 e 6 | f 6 | e 6 | f 6 |")
    assert ABC.decode(ABC.encode(piece), piece.frame()) == piece
    plain = Abc(repeats=False)
    assert "|:" not in words(piece, plain)
    assert plain.decode(plain.encode(piece), piece.frame()) == piece


def test_the_longest_repeated_section_counts() -> None:
    def sections(names: str) -> str:
        return "".join(joined([(name,) for name in names], True))

    assert sections("ababcdcd") == "|:a|b:||:c|d:|"
    assert sections("abababab") == "|:a|b|a|b:|"
    assert sections("aab") == "a|a|b|"
    assert sections("xabcabcx") == "x||:a|b|c:|x|"
    assert sections("") == ""


def test_metres_inside_the_tune_and_bars_as_written() -> None:
    piece = tune("C|C4||D4|[M:6/8]E6|[M:4/4]F8|")
    assert words(piece) == ("<s> M:4/4 K:Cmaj C | C 4 | D 4 | M:6/8 E 6 | M:4/4 F 8 | </s>")
    again = ABC.decode(ABC.encode(piece))
    assert again.bars == piece.bars
    assert again == piece


def test_a_frame_gives_key_ticks_and_marks() -> None:
    piece = dataclasses.replace(
        tune("GABc d4|[K:D]c8|", "G"), tempos=(Tempo(0, 90.0),), parts=("Violin",)
    )
    x = ABC.encode(piece)
    assert ABC.decode(x, piece.frame()) == piece
    alone = ABC.decode(x)
    assert alone.keys == (Key(0, 0, "major"),)
    assert alone.parts == ("melody",)
    assert (alone.pitch == piece.transposed(5).pitch).all()
    # A frame of coarse ticks is refined, one of fine ticks stays.
    coarse = Piece("c", 1, [], [], [], [], parts=("x",), end=8, keys=(Key(0, 1, "major"),))
    assert ABC.decode(x, coarse).resolution == 24
    assert (ABC.decode(x, coarse).onset == piece.onset).all()
    fine = dataclasses.replace(coarse, resolution=480, end=8 * 480)
    again = ABC.decode(x, fine)
    assert again.resolution == 480
    assert (again.onset == 20 * piece.onset).all()


# --- pure functions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "name"), [(36, "C,,"), (48, "C,"), (59, "B,"), (60, "C"), (72, "c"), (84, "c'")]
)
def test_note_names(number: int, name: str) -> None:
    assert note_name(number) == name


@given(st.integers(1, 126), st.integers(-7, 7))
def test_every_pitch_is_spelled_as_itself(pitch: int, fifths: int) -> None:
    name, alter = spelled(pitch, fifths)
    sign = {0: "=", 1: "^", -1: "_"}[alter]
    (piece,) = read_tunes(f"X:1\nK:C\n{sign}{name}\n")
    assert isinstance(piece, Piece)
    assert piece.pitch.tolist() == [pitch]


@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize("fifths", range(-7, 8))
def test_keys_are_read_as_they_are_written(fifths: int, mode: str) -> None:
    (piece,) = read_tunes(f"X:1\n{key_token(fifths, mode)}\nC\n")
    assert isinstance(piece, Piece)
    assert piece.keys == (Key(0, fifths, mode),)
    moved = piece.transposed(shift_to_c(piece.keys[0]))
    assert -5 <= shift_to_c(piece.keys[0]) <= 6
    assert moved.keys[0].fifths % 12 == MODES[mode] % 12
    high = dataclasses.replace(piece, pitch=[72])
    assert f"K:C{mode[:3]}" in words(high)
    assert key_token(fifths, mode) in words(high, AS_IT_IS)


def test_lengths() -> None:
    lengths = Lengths(Fraction(n, d) for n, d in ((1, 2), (1, 1), (3, 2), (2, 1), (4, 1)))
    assert lengths.parts(Fraction(1)) == ("",)
    assert lengths.parts(Fraction(3)) == ("2", "")
    assert lengths.parts(Fraction(21, 2)) == ("4", "4", "2", "/2")
    assert lengths.parts(Fraction(1, 4)) is None
    assert lengths.parts(Fraction(2, 3)) is None
    assert lengths.triplet(Fraction(2, 3)) == ""
    assert lengths.triplet(Fraction(1, 6)) is None
    assert [length_token(Fraction(n, 4)) for n in (1, 2, 3, 4, 6, 8)] == [
        "/4", "/2", "3/4", "", "3/2", "2",
    ]  # fmt: skip


@given(st.integers(1, 4000), st.sampled_from([1, 2, 3, 4, 6, 12]))
def test_parts_of_a_length_sum_to_it(numerator: int, denominator: int) -> None:
    length = Fraction(numerator, denominator)
    parts = ABC._lengths.parts(length)
    if parts is None:
        assert denominator in (4, 6, 12, 3)
        return
    values = [Fraction(part if part[:1] != "/" else "1" + part) if part else 1 for part in parts]
    assert sum(values) == length


# --- any melody ----------------------------------------------------------------------------------


@st.composite
def melodies(draw) -> Piece:
    """Melodies over bar lines, rests and repeats, in any key, on a grid of 24ths of a quarter."""
    metre = draw(st.sampled_from([(4, 4), (6, 8), (3, 4), (2, 2)]))
    bar = 96 * metre[0] // metre[1]
    rows, now = [], draw(st.sampled_from([0, 0, 12]))
    for length, pitch in draw(
        st.lists(
            st.tuples(st.sampled_from([3, 6, 8, 12, 12, 18, 24, 30, 48, 100 * 12]),
                      st.one_of(st.none(), st.integers(55, 93))),
            min_size=1, max_size=25,
        )
    ):  # fmt: skip
        if pitch is not None:
            rows.append((now, length, pitch))
        now += length
    rows = rows or [(0, 12, 60)]
    if draw(st.booleans()):
        span = -(-now // bar) * bar
        rows += [(onset + span, length, pitch) for onset, length, pitch in rows]
        now += span
    end = max(now, rows[-1][0] + rows[-1][1])
    onset, duration, pitch = zip(*rows, strict=True)
    mode = draw(st.sampled_from(["major", "minor", "dorian", "mixolydian"]))
    return Piece(
        "m", 24, onset, duration, pitch, [0] * len(rows), parts=("melody",), end=end,
        bars=lay_bars([(0, *metre)], end, 24),
        keys=(Key(0, draw(st.integers(-6, 6)), mode),),
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(melodies(), st.booleans(), st.booleans())
def test_any_melody_comes_back(piece: Piece, to_c: bool, repeats: bool) -> None:
    representation = Abc(to_c=to_c, repeats=repeats)
    # Lengths of 3 and 8 ticks may leave what no length of the alphabet has, and then only they.
    x, refused = None, None
    try:
        x = representation.encode(piece)
    except UserError as error:
        refused = str(error)
    if x is None:
        assert "is no sum of representation.lengths" in str(refused)
        assert piece.end % 6 or (piece.duration % 6).any() or (piece.onset % 6).any()
        return
    assert representation.decode(x, piece.frame()) == piece
    assert not representation.loss_of(piece)
    again = representation.decode(x)
    assert np.array_equal(representation.encode(again), x)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(ABC.tokens), max_size=60))
def test_any_tokens_have_music(tokens: list[str]) -> None:
    x = np.array([ABC.tokens.index(token) for token in tokens], np.uint8)
    piece = ABC.decode(x)
    before_end = tokens[: tokens.index("</s>")] if "</s>" in tokens else tokens
    notes = [token for token in before_end if token[-1].isalpha() or token[-1] in ",'"]
    notes = [token for token in notes if token[:2] not in ("M:", "K:") and token != "z"]
    assert (len(piece) > 0) == bool(notes)
    frame = Piece("f", 24, [], [], [], [], parts=("x",), end=0, keys=(Key(0, -3, "minor"),))
    assert len(ABC.decode(x, frame)) == len(piece)


def test_text_is_abc() -> None:
    tokens = [
        "<s>",
        "M:6/8",
        "K:Cdor",
        "2",
        "C",
        "2",
        "2",
        "-",
        "/2",
        "(3",
        "D",
        "E",
        "|:",
        "M:3/4",
    ]
    text = text_of([*tokens, "z", "3/2", ":|", "</s>", "F", "<pad>"])
    assert text == ("X:1\nM:6/8\nL:1/8\nK:Cdor\nC2- (3 D E |: [M:3/4] z3/2 :|\n")


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("[CE]2|", "'tune' has more than one note at once."),
        ("C''''|", "'tune' has notes from 108 to 108, where 48 to 100 is allowed."),
        ("[M:7/8]C|", "'tune' has the metre 7/8, which is not in representation.metres."),
        (
            "(5CDEFG|",
            "'tune' cannot be written: a length of 2/5 eighth note(s) is no sum of "
            "representation.lengths.",
        ),
        ("[V:1]C|[V:2]E|", "'tune' has 2 parts, but representation=abc holds one melody."),
    ],
)
def test_what_cannot_be_held_is_refused(body: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        ABC.encode(tune(body))
    assert str(caught.value) == sentence


def test_refused_arguments() -> None:
    with pytest.raises(
        Mismatch, match=r"gives the parts soprano, bass: take a dataset of melodies"
    ):
        Abc(parts=("soprano", "bass"))
    with pytest.raises(UserError, match=r"lengths has '3/0', where one such as 3/2 is needed\."):
        Abc(lengths=["3/0"])
    with pytest.raises(UserError, match=r"MIDI numbers from 1 to 126, not 60, 40\."):
        Abc(low=60, high=40)
    with pytest.raises(ValueError, match=r"an array \(tokens,\) of 0 to "):
        ABC.decode(np.zeros((2, 3), int))
    with pytest.raises(ValueError, match=r"an array \(tokens,\) of 0 to "):
        ABC.decode(np.array([len(ABC.tokens)]))
    empty = dataclasses.replace(tune("C"), onset=[], duration=[], pitch=[], part=[], velocity=None)
    with pytest.raises(UserError, match=r"'tune' holds no notes\."):
        ABC.encode(empty)


def test_velocities_are_a_loss() -> None:
    piece = dataclasses.replace(tune("CDE"), velocity=[64, 90, 30])
    assert ABC.loss_of(piece) == {"velocities": 2}
    assert ABC.loss_of(tune("CDE")) == {}


# --- examples ------------------------------------------------------------------------------------


def test_alphabet_and_distribution() -> None:
    assert ABC.tokens[:3] == ("<pad>", "<s>", "</s>")
    assert len(set(ABC.tokens)) == len(ABC.tokens) == 175
    assert len(set(AS_IT_IS.tokens)) == len(AS_IT_IS.tokens) == 175 + 7 * 14
    distribution = ABC.distribution
    assert distribution.shape == (None,)
    assert distribution.sizes == (175,)
    assert distribution.symbols == (ABC.tokens,)
    assert Distribution.from_state(distribution.state()) == distribution
    assert ABC.metrics() == {}
    assert ABC.conditions == {}


def test_examples_are_whole_tunes_padded_where_a_length_is_given() -> None:
    pieces = [tune("CDE|"), tune("CDEF GABc|c8|")]
    parts = [ABC.windows(piece, stride=4) for piece in pieces]
    assert [part.x.shape for part in parts] == [(1, 8), (1, 16)]
    batch = collate(parts)
    assert batch.x.shape == (2, 16)
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [8, 16]
    assert batch.x[0, 8:].tolist() == [0] * 8
    for row, length, piece in zip(batch.x, batch.lengths, pieces, strict=True):
        assert ABC.decode(row.numpy(), piece.frame()) == piece
        assert ABC.tokens[row[length - 1]] == "</s>"
    padded = Abc(length=12)
    example = padded.windows(pieces[0], stride=1)
    assert example.x.shape == (1, 12)
    assert example.lengths is not None
    assert example.lengths.tolist() == [8]
    features = padded.distribution.features(torch.from_numpy(example.x))
    assert features.shape == (1, 12, 175)
    with pytest.raises(
        UserError, match=r"'tune' has 16 tokens, more than representation.length, 12"
    ):
        padded.windows(pieces[1], stride=1)


def test_transpositions() -> None:
    piece = tune("CDE")
    assert ABC.transpositions(piece) == (0,)
    assert AS_IT_IS.transpositions(piece) == list(range(-5, 7))
    narrow = Abc(to_c=False, low=59, high=66)
    assert narrow.transpositions(piece) == [-1, 0, 1, 2]
    for shift in range(-5, 7):
        moved = piece.transposed(shift)
        assert AS_IT_IS.decode(AS_IT_IS.encode(moved), moved.frame()) == moved


def test_arguments_rebuild_it() -> None:
    odd = Abc(False, False, 50, 90, 300, ["6/8"], ["1", "2", "/2"], ["melody"])
    again = Abc(**odd.arguments())
    assert again.arguments() == odd.arguments()
    assert again.tokens == odd.tokens
    assert again.distribution == odd.distribution
    assert set(odd.arguments()) == set(parameters_of(Abc))


def test_the_shipped_config_is_the_default() -> None:
    node = OmegaConf.to_container(OmegaConf.load(CONF))
    assert isinstance(node, dict)
    built = supplied(node, "representation", [], parts=["melody"], ranges=[[55, 93]])
    assert built.arguments() == {**ABC.arguments(), "parts": ["melody"]}
    assert tuple(node["lengths"]) == LENGTHS


# --- real tunes ----------------------------------------------------------------------------------


def round_trips(pieces: tuple[Piece, ...], representation: Abc) -> tuple[int, list[str]]:
    """Return how many tunes come back exactly, and why the others were refused."""
    reasons = []
    for piece in pieces:
        try:
            x = representation.encode(piece)
        except UserError as error:
            reasons.append(str(error))
            continue
        assert representation.decode(x, piece.frame()).difference(piece) is None, piece.id
    return len(pieces) - len(reasons), reasons


def test_celtic_tunes_come_back(celtic: tuple[Piece, ...]) -> None:
    sample = celtic[::20]
    for representation in (ABC, AS_IT_IS):
        exact, reasons = round_trips(sample, representation)
        assert exact >= len(sample) - 2
        assert all("is no sum of representation.lengths" in reason for reason in reasons)


@pytest.mark.full
@pytest.mark.parametrize("representation", [ABC, AS_IT_IS, Abc(repeats=False)], ids=str)
def test_all_celtic_tunes_come_back(celtic: tuple[Piece, ...], representation: Abc) -> None:
    exact, reasons = round_trips(celtic, representation)
    assert exact == 4120
    assert len(reasons) == 16
    assert all("is no sum of representation.lengths" in reason for reason in reasons)


def test_tunes_in_c_use_notes_of_c(celtic: tuple[Piece, ...]) -> None:
    keys = {ABC.tokens[ABC.encode(piece)[2]] for piece in celtic[3::40]}
    assert keys <= {"K:Cmaj", "K:Cmin", "K:Cdor", "K:Cmix", "K:Clyd", "K:Cphr"}
    assert {"K:Cmaj", "K:Cmin"} <= keys


def test_repeats_shorten_the_text(celtic: tuple[Piece, ...]) -> None:
    plain = Abc(repeats=False)
    sample = celtic[5::60]
    folded = sum(len(ABC.encode(piece)) for piece in sample)
    assert folded < 0.75 * sum(len(plain.encode(piece)) for piece in sample)


def test_bars_that_begin_late_and_pieces_without_bars() -> None:
    late = dataclasses.replace(tune("CDEF|"), bars=(Bar(24, 4, 4),))
    again = ABC.decode(ABC.encode(late), late.frame())
    assert again.bars == (Bar(0, 4, 4), Bar(24, 4, 4))
    assert again.pitch.tolist() == late.pitch.tolist()
    none = dataclasses.replace(tune("CDEF GABc CDEF GABc"), bars=())
    assert ABC.decode(ABC.encode(none)).bars == (Bar(0, 4, 4), Bar(96, 4, 4))
