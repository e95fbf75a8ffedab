"""Event tokens: a piece that can be read, an independent quantisation, every vocabulary, all chorales."""

from __future__ import annotations

import inspect
import pickle
from collections import Counter
from fractions import Fraction
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from omegaconf import OmegaConf

from partimento.data.collate import collate
from partimento.datasets.chorales import Chorales
from partimento.distributions import Categorical, Distribution
from partimento.errors import UserError
from partimento.music import Bar, Piece, Tempo, lay_bars
from partimento.representations.event_vocabulary import OCTUPLE_BARS
from partimento.representations.events import Events
from partimento.representations.grid import rescaled

CONF = Path(__file__).parents[2] / "conf" / "representation" / "events.yaml"
VOCABULARIES = ("REMI", "MIDILike", "TSD", "Structured", "CPWord", "Octuple")
SATB = ("soprano", "alto", "tenor", "bass")
OPTIONS = (
    {},
    {"use_rests": True},
    {"num_tempos": 32},
    {"use_chords": True},
    {"use_pitch_intervals": True},
    {"time_signatures": ()},
    {"num_velocities": 0, "use_programs": True},
    {"time_signatures": (), "use_rests": True, "num_tempos": 32, "use_programs": True},
)
# Each vocabulary with as little else as it needs.
PLAIN = [
    {"vocabulary": name} | ({"time_signatures": ()} if name == "Octuple" else {})
    for name in VOCABULARIES
]
OCTUPLE = PLAIN[-1]
_MADE: dict[str, Events] = {}


def events(**options) -> Events:
    """Return a representation with these options, made once."""
    key = repr(sorted(options.items()))
    if key not in _MADE:
        _MADE[key] = Events(**options)
    return _MADE[key]


def all_events() -> list:
    """Every vocabulary with every option that it can have."""
    found = []
    for vocabulary in VOCABULARIES:
        for options in OPTIONS:
            try:
                events(vocabulary=vocabulary, **options)
            except UserError:
                continue
            name = "-".join([vocabulary, *options])
            found.append(pytest.param(dict(vocabulary=vocabulary, **options), id=name))
    return found


@pytest.fixture(scope="module")
def chorales(cache) -> tuple[Piece, ...]:
    return Chorales().prepare(str(cache)).pieces


def piece_of(rows, *, resolution=8, **fields) -> Piece:
    """Make a piece from rows (onset, duration, pitch, part, velocity)."""
    table = np.array(rows, dtype=int).reshape(-1, 5)
    names = ("onset", "duration", "pitch", "part", "velocity")
    fields.setdefault("parts", ("one", "two"))
    return Piece("test", resolution, **dict(zip(names, table.T, strict=True)), **fields)


def read(representation: Events, x: np.ndarray) -> str:
    (words,) = representation.words
    return " ".join(words[id] for id in x.tolist())


def rows_of(piece: Piece) -> Counter:
    """Count the notes as (onset and duration in quarters, pitch, velocity)."""
    quarter = piece.resolution
    columns = (piece.onset, piece.duration, piece.pitch, piece.velocity)
    return Counter(
        (Fraction(onset, quarter), Fraction(duration, quarter), pitch, velocity)
        for onset, duration, pitch, velocity in zip(*(c.tolist() for c in columns), strict=True)
    )


# --- a piece that can be read ------------------------------------------------------------------


SMALL = piece_of(
    [(0, 8, 72, 0, 64), (0, 16, 60, 1, 64), (12, 4, 71, 0, 64), (24, 48, 60, 1, 64)],
    bars=lay_bars([(0, 3, 4)], 72, 8),
)


def test_tokens_of_a_small_piece():
    x = events(num_velocities=0).encode(SMALL)
    assert x.dtype == np.int16
    assert read(events(num_velocities=0), x) == (
        "BOS_None Bar_None TimeSig_3/4 Position_0 Pitch_72 Duration_1.0.8 Pitch_60 Duration_2.0.8 "
        "Position_12 Pitch_71 Duration_0.4.8 "
        "Bar_None TimeSig_3/4 Position_0 Pitch_60 Duration_6.0.4 EOS_None"
    )


def test_tokens_that_tell_parts_and_velocities():
    representation = events(parts=("one", "two"), use_programs=True, num_velocities=127)
    assert read(representation, representation.encode(SMALL)[4:8]) == (
        "Program_0 Pitch_72 Velocity_64 Duration_1.0.8"
    )
    assert representation.decode(representation.encode(SMALL), SMALL.frame()) == SMALL
    assert representation.loss_of(SMALL) == {}


def test_without_a_frame_the_metre_and_whole_bars_come_from_the_tokens():
    found = events(num_velocities=0).decode(events(num_velocities=0).encode(SMALL))
    assert found.bars == tuple(
        bar._replace(onset=bar.onset * found.resolution // 8) for bar in SMALL.bars
    )
    assert found.end == 9 * found.resolution
    assert found.parts == ("",)
    assert rows_of(found) == rows_of(SMALL)


def test_a_pick_up_stands_at_the_end_of_a_full_bar():
    bars = (Bar(0, 4, 4), Bar(8, 4, 4), Bar(40, 4, 4))
    piece = piece_of([(0, 8, 60, 0, 64), (8, 32, 62, 0, 64)], parts=("",), bars=bars, end=64)
    representation = events(num_velocities=0)
    x = representation.encode(piece)
    assert read(representation, x[:6]).endswith("TimeSig_4/4 Position_24 Pitch_60 Duration_1.0.8")
    assert representation.decode(x, piece.frame()) == piece
    assert representation.loss_of(piece) == {}
    alone = representation.decode(x)
    assert (alone.onset / alone.resolution).tolist() == [3, 4]


# --- an independent quantisation ---------------------------------------------------------------


def slow_rows(piece: Piece) -> Counter:
    """Quantise note by note with fractions, straight from the definition of REMI's grid.

    A beat has eight places, and is as long as the shortest beat type of the piece's metres; ticks
    on the half go up, durations between two of the vocabulary to the longer one.
    """
    bars = sorted(piece.bars)
    first = 0 if piece.pickup == 0 else piece.nominal_bar_length(0) - piece.pickup
    per_quarter = 8 * max(bar.beat_type for bar in bars) // 4
    lengths = [Fraction(step, 8) for step in range(1, 32)]
    lengths += [Fraction(step, 4) for step in range(16, 49)]
    bins = [int(127 * index / 32) for index in range(1, 33)]
    rows: Counter = Counter()
    columns = (piece.onset, piece.duration, piece.pitch, piece.velocity)
    for onset, duration, pitch, velocity in zip(*(c.tolist() for c in columns), strict=True):
        start, steps = (
            (Fraction(ticks, piece.resolution) * per_quarter + Fraction(1, 2)).__floor__()
            for ticks in (onset + first, duration)
        )
        beat = Fraction(4, max(b.beat_type for b in bars))
        wanted = Fraction(max(steps, 1), per_quarter) / beat
        length = min(lengths, key=lambda one, w=wanted: (abs(one - w), -one))
        loud = min(bins, key=lambda b, v=velocity: (abs(b - v), -b))
        rows[Fraction(start, per_quarter), length * beat, pitch, loud] += 1
    return rows


def moved_off_grid(piece: Piece, rng: np.random.Generator) -> Piece:
    """The piece in finer ticks, each note a little early or late, short or long, loud or soft."""
    fine = rescaled(piece, 120 // piece.resolution)
    count = len(fine)
    return fine.with_notes(
        onset=np.maximum(fine.onset + rng.integers(-9, 10, count), 0),
        duration=np.maximum(fine.duration + rng.integers(-20, 21, count), 1),
        velocity=rng.integers(1, 128, count),
    )


def has_one_metre(piece: Piece) -> bool:
    return len({bar[1:] for bar in piece.bars}) == 1


@pytest.mark.parametrize(
    "part", [slice(8), pytest.param(slice(8, None), marks=pytest.mark.full)], ids=["few", "rest"]
)
def test_quantised_as_an_independent_count_says(chorales, part):
    rng = np.random.default_rng(0)
    for piece in filter(has_one_metre, chorales[part]):
        for version in (piece, moved_off_grid(piece, rng)):
            found = events().decode(events().encode(version))
            assert rows_of(found) == slow_rows(version), piece.id


def test_losses_count_what_differs(chorales):
    rng = np.random.default_rng(1)
    piece = moved_off_grid(chorales[0], rng)
    representation = events(use_programs=True, num_velocities=127, parts=SATB)
    losses = dict(representation.loss_of(piece))
    losses.pop("bar lines not told", None)
    assert losses == {
        "off-grid onsets": int((piece.onset % 15 != 0).sum()),
        "changed durations": losses["changed durations"],
    }
    wanted = slow_rows(piece)
    kept = Counter((duration, pitch) for _, duration, pitch, _ in wanted.elements())
    real = Counter((duration, pitch) for _, duration, pitch, _ in rows_of(piece).elements())
    assert losses["changed durations"] >= (real - kept).total() > 0


# --- every vocabulary --------------------------------------------------------------------------


def stable(representation: Events, piece: Piece) -> None:
    """Check that decoding and encoding again gives the same tokens, with and without the frame."""
    x = representation.encode(piece)
    assert np.array_equal(representation.encode(representation.decode(x)), x), piece.id
    decoded = representation.decode(x, piece.frame())
    if not representation.loss_of(piece):
        assert piece.difference(decoded) is None, piece.id
    else:
        assert piece.difference(decoded) in (
            None, "parts", "resolution", "end", "onset", "duration", "velocity"
        )  # fmt: skip


@pytest.mark.parametrize("options", all_events())
def test_tokens_of_chorales_come_back(options, chorales):
    for piece in chorales[:4]:
        stable(events(**options), piece)


@pytest.mark.full
@pytest.mark.parametrize("options", all_events())
def test_tokens_of_many_chorales_come_back(options, chorales):
    rng = np.random.default_rng(3)
    for piece in chorales[::6]:
        stable(events(**options), piece)
        if has_one_metre(piece):
            stable(events(**options), moved_off_grid(piece, rng))


notes = st.tuples(
    st.integers(0, 120), st.integers(1, 40), st.integers(40, 90), st.integers(0, 1),
    st.integers(1, 127),
)  # fmt: skip
metres = st.sampled_from([(), ((0, 4, 4),), ((0, 3, 4),), ((0, 6, 8), (48, 3, 4)), ((0, 3, 2),)])
pieces = st.builds(
    lambda rows, changes, finer: (
        rescaled(
            piece_of(
                rows, resolution=8, bars=lay_bars(changes, 168, 8) if changes else (), end=168
            ),
            3,
        )
        if finer
        else piece_of(rows, bars=lay_bars(changes, 168, 8) if changes else (), end=168)
    ),
    st.lists(notes, max_size=25, unique_by=lambda row: (row[0], row[2], row[3])),
    metres,
    st.booleans(),
)


@pytest.mark.parametrize("options", PLAIN, ids=VOCABULARIES)
@pytest.mark.parametrize("programs", [False, True])
@settings(max_examples=25, deadline=None)
@given(piece=pieces)
def test_tokens_of_any_piece_come_back(options, programs, piece):
    parts = {"use_programs": True, "parts": ("one", "two")} if programs else {}
    stable(events(num_velocities=127, **options, **parts), piece)


@pytest.mark.parametrize("options", all_events())
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_tokens_are_music(options, data):
    representation = events(**options)
    sizes = representation.distribution.sizes
    row = st.tuples(*(st.integers(0, size - 1) for size in sizes))
    rows = np.array(data.draw(st.lists(row, max_size=60)), dtype=np.int16).reshape(-1, len(sizes))
    x = rows if len(sizes) > 1 else rows[:, 0]
    piece = representation.decode(x)
    assert (piece.duration > 0).all()
    assert (piece.onset >= 0).all()
    assert piece.end >= int((piece.onset + piece.duration).max(initial=0))
    assert len(representation.decode(x, SMALL.frame())) == len(piece)


@pytest.mark.parametrize("options", [{"num_tempos": 32}, {}], ids=["tempos", "metres"])
def test_compound_words_without_what_their_kind_needs_are_passed_over(options):
    representation = events(vocabulary="CPWord", **options)
    fields = representation.tokenizer.vocab_types_idx
    needed = "Tempo" if options else "TimeSig"
    kind = "Position" if options else "Bar"
    row = [words.index(f"{name}_None") if f"{name}_None" in words else 0
           for name, words in ((w[-1].split("_")[0], w) for w in representation.words)]  # fmt: skip
    row[0] = representation.words[0].index("Family_Metric")
    row[1] = next(i for i, word in enumerate(representation.words[1]) if word.startswith(kind))
    assert representation.words[fields[needed]][row[fields[needed]]].endswith("_None")
    assert len(representation.decode(np.array([row]))) == 0


def test_unisons_of_merged_parts_exchange_their_ends_in_midilike_and_are_counted():
    piece = piece_of([(0, 32, 60, 0, 64), (8, 8, 60, 1, 64)])
    representation = events(vocabulary="MIDILike", num_velocities=0)
    assert representation.loss_of(piece) == {"merged parts": 1, "notes told otherwise": 2}
    found = representation.decode(representation.encode(piece))
    assert rows_of(found) == Counter({(0, 2, 60, 64): 1, (1, 3, 60, 64): 1})


def test_a_pause_too_long_for_one_time_shift_is_counted_by_structured():
    piece = piece_of([(0, 8, 60, 0, 64), (160, 8, 60, 0, 64)], parts=("",))
    assert events(vocabulary="Structured", num_velocities=0).loss_of(piece) == {
        "notes told otherwise": 1
    }
    assert events(vocabulary="TSD", num_velocities=0).loss_of(piece) == {}


def test_tempos_are_told_where_asked_for():
    tempos = (Tempo(0, 97.0), Tempo(24, 144.0))
    piece = piece_of([(0, 8, 60, 0, 64), (24, 8, 60, 0, 64)], parts=("",), tempos=tempos)
    representation = events(num_tempos=211)
    found = representation.decode(representation.encode(piece))
    assert [(mark.onset * 8 // found.resolution, mark.qpm) for mark in found.tempos] == [
        (0, 97.0), (24, 144.0)
    ]  # fmt: skip
    assert events().decode(events().encode(piece)).tempos == ()


# --- windows -----------------------------------------------------------------------------------


def test_a_whole_piece_is_cut_into_examples_that_hold_each_token_once(chorales):
    representation = Events(length=100)
    x = representation.encode(chorales[0])
    examples = representation.windows(chorales[0], stride=1)
    assert examples.x.shape == (-(-len(x) // 100), 100)
    valid = np.arange(100) < examples.lengths[:, None]
    assert np.array_equal(examples.x[valid], x)
    assert (examples.x[~valid] == representation.pad).all()
    assert x[0] == representation.bos
    assert x[-1] == representation.eos
    batch = collate([examples, representation.windows(chorales[1], stride=1)])
    assert torch.equal(batch.lengths[: len(examples)], torch.from_numpy(examples.lengths))


def test_excerpts_begin_at_bars_and_restate_what_sounds():
    rows = [(0, 8, 60, 0, 64), (16, 48, 62, 0, 64), (88, 8, 64, 0, 64)]
    piece = piece_of(rows, parts=("",), bars=lay_bars([(0, 4, 4)], 96, 8), end=96)
    representation = Events(length=30, bars=1, num_velocities=0)
    examples = representation.windows(piece, stride=1)
    assert len(examples) == 3
    found = [representation.decode(x) for x in examples.x]
    assert [rows_of(one) for one in found] == [
        Counter({(0, 1, 60, 64): 1, (2, 2, 62, 64): 1}),
        Counter({(0, 4, 62, 64): 1}),
        Counter({(3, 1, 64, 64): 1}),
    ]
    assert [len(representation.windows(piece, stride=s)) for s in (1, 2, 3)] == [3, 2, 1]
    with pytest.raises(UserError, match="must be 1 bar or more, not 0"):
        representation.windows(piece, stride=0)


def test_excerpts_of_chorales_are_full_bars(chorales):
    representation = Events(bars=4, length=256, num_velocities=0, use_programs=True, parts=SATB)
    examples = collate([representation.windows(piece, stride=4) for piece in chorales[:6]])
    assert len(examples) >= 12
    for x in examples.x[examples.x[:, 0] == representation.bos].numpy():
        assert representation.decode(x).end <= 16 * representation.tokenizer.time_division
    assert len(Events(bars=99).windows(chorales[0], stride=1)) == 0


def test_transpositions_are_every_key_once_inside_the_range():
    assert events().transpositions(SMALL) == tuple(range(-5, 7))
    narrow = Events(pitch_range=(58, 73))
    assert narrow.transpositions(SMALL) == (-2, -1, 0, 1)
    assert events().transpositions(piece_of([])) == (0,)
    for shift in narrow.transpositions(SMALL):
        narrow.encode(SMALL.transposed(shift))


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"vocabulary": "Remi"}, "none of MidiTok's that are supported. There is: CPWord"),
        ({"vocabulary": "Structured", "use_rests": True}, "which has no such tokens"),
        ({"vocabulary": "CPWord", "use_rests": True}, "CPWord loses the metre with rests"),
        ({"vocabulary": "Octuple"}, "Octuple misreads notes where the metre changes"),
        ({"pitch_range": (60, 50)}, "must go from a lower to a higher MIDI number"),
        ({"pitch_range": (0, 128)}, "must go from a lower to a higher MIDI number"),
        ({"beat_res": [(0, 4, 8), (5, 12, 4)]}, "each beginning at 0 or where the one before"),
        ({"beat_res": [(0, 4, 8), (4, 12, 3)]}, "whose steps divide the finest"),
        ({"beat_res": []}, "must be rows"),
        ({"time_signatures": ["4/4", "5/7"]}, "holds '5/7', which is no metre"),
        ({"time_signatures": ["3/4"]}, "must hold 4/4"),
        ({"num_velocities": 200}, "must be between 0 and 127"),
        ({"length": 1}, "must be 2 or more"),
    ],
)
def test_senseless_options_are_refused(options, sentence):
    with pytest.raises(UserError, match=sentence):
        Events(**options)


def test_pieces_that_have_no_tokens_are_refused():
    with pytest.raises(UserError, match="1 note.s. out of range, the first of them MIDI number 20"):
        events().encode(piece_of([(0, 8, 20, 0, 64)]))
    three = piece_of([(0, 8, 60, 0, 64)], parts=("a", "b", "c"))
    with pytest.raises(UserError, match="has 3 parts, but this representation tells 2 apart"):
        events(parts=("one", "two"), use_programs=True).encode(three)
    odd = piece_of([(0, 8, 60, 0, 64)], bars=lay_bars([(0, 7, 8)], 28, 8))
    with pytest.raises(UserError, match="has the metre 7/8, which is not among"):
        events().encode(odd)
    long = piece_of([(32 * OCTUPLE_BARS, 8, 60, 0, 64)])
    with pytest.raises(UserError, match=f"more than the {OCTUPLE_BARS} bars that Octuple"):
        events(**OCTUPLE).encode(long)
    assert len(events().encode(long)) > OCTUPLE_BARS


def test_arrays_that_are_no_tokens_are_refused():
    with pytest.raises(ValueError, match="not in the vocabulary"):
        events().decode(np.array([1, 9999]))
    with pytest.raises(ValueError, match="has no shape"):
        events().decode(np.zeros((3, 2), int))


def test_an_empty_piece_has_a_document():
    for options in PLAIN:
        x = events(**options).encode(piece_of([]))
        assert len(events(**options).decode(x)) == 0


# --- the contract ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", PLAIN, ids=VOCABULARIES)
def test_arguments_and_distribution_rebuild(options):
    representation = Events(**options, length=64, parts=SATB, use_programs=True)
    again = Events(**representation.arguments())
    assert again.arguments() == representation.arguments()
    assert again.distribution == representation.distribution
    assert again.words == representation.words
    assert Distribution.from_state(representation.distribution.state()) == again.distribution
    compound = options["vocabulary"] in ("CPWord", "Octuple")
    assert isinstance(again.distribution, Categorical)
    assert again.distribution.shape == ((64, len(again.words)) if compound else (64,))
    for words in again.words:
        assert words[:3] == ["PAD_None", "BOS_None", "EOS_None"]
    assert len(set(again.distribution.names)) == len(again.words)
    assert all(again.distribution.names)


def test_it_travels_to_a_worker_process(chorales):
    again = pickle.loads(pickle.dumps(events()))
    assert np.array_equal(again.encode(chorales[0]), events().encode(chorales[0]))


def test_the_config_states_the_defaults():
    node = OmegaConf.to_container(OmegaConf.load(CONF))
    assert node.pop("name") == "events"
    assert node.pop("_target_") == "partimento.representations.events.Events"
    assert node == {k: v for k, v in Events().arguments().items() if k != "parts"}
    assert set(node) == set(inspect.signature(Events).parameters) - {"parts"}


@pytest.mark.parametrize("vocabulary", ["REMI", "CPWord"])
def test_its_metrics_tell_pitches_from_bars(vocabulary, chorales):
    representation = events(vocabulary=vocabulary)
    metric = representation.metrics()["tokens"]
    x = torch.from_numpy(representation.encode(chorales[0])).unsqueeze(0)
    wrong = x.clone()
    wrong[:, 20:] = 0
    metric.update(wrong, x)
    values = metric.compute()
    assert {"accuracy", "accuracy/Pitch", "accuracy/Duration", "accuracy/Bar"} <= set(values)
    assert 0 < values["accuracy"] < 0.2
