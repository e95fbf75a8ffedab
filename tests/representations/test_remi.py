"""Array-made REMI against MidiTok's own: equal ids, for chorales, for any tracks, from files."""

from __future__ import annotations

import numpy as np
import pytest
from miditok import REMI, TSD, TokenizerConfig
from symusic import Note, Score, Tempo, TimeSignature, Track

from partimento.datasets.chorales import Chorales
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.event_score import score_of
from partimento.representations.remi import RemiEncoder

METRES = [(4, 4), (3, 4), (6, 8), (12, 8), (5, 4), (7, 8), (2, 4)]


def own_ids(tokenizer, score) -> list[list[int]]:
    """What MidiTok makes of a score, one list per sequence."""
    found = tokenizer.encode(score)
    return [one.ids for one in (found if isinstance(found, list) else [found])]


def ids_of(tokenizer, score) -> list[list[int]]:
    return [ids.tolist() for ids in RemiEncoder(tokenizer).encode(score)]


def random_score(rng: np.random.Generator) -> Score:
    """Up to five tracks off any grid, drums among them, changing metres and tempos anywhere."""
    score = Score(int(rng.choice([96, 120, 480, 960])))
    ticks = score.ticks_per_quarter
    for _ in range(rng.integers(0, 6)):
        count, longest = rng.integers(0, 80), rng.choice([3, 30]) * ticks
        track = Track(program=int(rng.integers(0, 128)), is_drum=bool(rng.random() < 0.2))
        track.notes = Note.from_numpy(
            time=rng.integers(0, 20 * ticks, count).astype(np.int32),
            duration=rng.integers(1, longest, count).astype(np.int32),
            pitch=rng.integers(20, 87, count).astype(np.int8),
            velocity=rng.integers(1, 128, count).astype(np.int8),
        )
        track.notes.sort()
        score.tracks.append(track)
    times = np.sort(rng.integers(0, 25 * ticks, rng.integers(0, 5))).tolist()
    score.time_signatures = [TimeSignature(t, *METRES[rng.integers(len(METRES))]) for t in times]
    times = np.sort(rng.integers(0, 25 * ticks, rng.integers(0, 5))).tolist()
    score.tempos = [Tempo(t, float(rng.uniform(30, 300))) for t in times]
    return score


def random_config(rng: np.random.Generator) -> TokenizerConfig:
    names = ("use_programs", "use_tempos", "use_time_signatures", "use_velocities")
    switches = {name: bool(rng.random() < 0.6) for name in (*names, "use_pitchdrum_tokens")}
    grid = [{(0, 4): 8, (4, 12): 4}, {(0, 12): 12}, {(0, 2): 4}][rng.integers(3)]
    return TokenizerConfig(beat_res=grid, log_tempos=bool(rng.random() < 0.5), **switches)


@pytest.fixture(scope="module")
def chorales(cache) -> tuple[Piece, ...]:
    return Chorales().prepare(str(cache)).pieces


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize(
    "part", [slice(40), pytest.param(slice(40, None), marks=pytest.mark.full)], ids=["few", "rest"]
)
def test_ids_of_chorales_are_miditoks(merged, part, chorales):
    pieces = chorales[part]
    programs = {} if merged else {"use_programs": True, "programs": list(range(4))}
    tokenizer = REMI(TokenizerConfig(**programs))
    encoder = RemiEncoder(tokenizer)
    for piece in pieces:
        score = score_of(piece, merged=merged)
        assert [ids.tolist() for ids in encoder.encode(score)] == own_ids(tokenizer, score)


@pytest.mark.parametrize("seed", range(6))
def test_ids_of_any_tracks_under_any_options_are_miditoks(seed):
    rng = np.random.default_rng(seed)
    lengths = []
    for _ in range(40):
        tokenizer, score = REMI(random_config(rng)), random_score(rng)
        expected = own_ids(tokenizer, score)
        assert ids_of(tokenizer, score) == expected
        lengths.append(sum(map(len, expected)))
    assert max(lengths) > 500


@pytest.mark.full
def test_ids_of_thousands_of_scores_are_miditoks():
    rng = np.random.default_rng(99)
    for _ in range(3000):
        tokenizer, score = REMI(random_config(rng)), random_score(rng)
        assert ids_of(tokenizer, score) == own_ids(tokenizer, score)


def test_ids_of_files_are_miditoks(tmp_path):
    rng = np.random.default_rng(7)
    files = [tmp_path / f"{number}.mid" for number in range(12)]
    for file in files:
        random_score(rng).dump_midi(file)
    tokenizer = REMI(TokenizerConfig(use_programs=True, use_tempos=True))
    found = RemiEncoder(tokenizer).encode_files(files)
    for file, ids in zip(files, found, strict=True):
        assert [one.tolist() for one in ids] == own_ids(tokenizer, Score(file))
    with pytest.raises(RuntimeError):
        (tmp_path / "broken.mid").write_bytes(b"MThd\0\0")
        next(RemiEncoder(tokenizer).encode_files([tmp_path / "broken.mid"]))


def test_the_tokens_of_a_small_score_can_be_read():
    score = Score(8)
    score.time_signatures = [TimeSignature(0, 3, 4), TimeSignature(24, 2, 4)]
    score.tracks = [Track(program=0)]
    rows = np.array([(4, 8, 60, 100), (4, 4, 64, 100), (40, 16, 62, 100)], dtype=np.int32)
    time, duration, pitch, velocity = rows.T
    pitch, velocity = pitch.astype(np.int8), velocity.astype(np.int8)
    score.tracks[0].notes = Note.from_numpy(time, duration, pitch, velocity)
    config = {"use_velocities": False, "time_signature_range": {4: [2, 3, 4]}}
    tokenizer = REMI(TokenizerConfig(**config))
    (ids,) = RemiEncoder(tokenizer).encode(score)
    words = {id: word for word, id in tokenizer.vocab.items()}
    assert " ".join(words[id] for id in ids.tolist()) == (
        "Bar_None TimeSig_3/4 Position_4 Pitch_60 Duration_1.0.8 Pitch_64 Duration_0.4.8 "
        "Bar_None TimeSig_2/4 "
        "Bar_None TimeSig_2/4 Position_0 Pitch_62 Duration_2.0.8"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"use_rests": True},
        {"use_chords": True},
        {"use_pitch_intervals": True},
        {"use_sustain_pedals": True},
        {"use_programs": True, "program_changes": True},
        {"use_programs": True, "one_token_stream_for_programs": False},
        {"use_bar_end_tokens": True},
        {"max_bar_embedding": 8},
        {"use_note_duration_programs": list(range(128))},
        {"ac_polyphony_bar": True},
    ],
    ids=lambda options: "-".join(options),
)
def test_a_tokenizer_with_other_tokens_is_refused(options):
    tokenizer = REMI(TokenizerConfig(**options))
    assert not RemiEncoder.supports(tokenizer)
    with pytest.raises(UserError, match="take MidiTok's own encode"):
        RemiEncoder(tokenizer)


def test_another_vocabulary_is_refused():
    assert not RemiEncoder.supports(TSD(TokenizerConfig()))


def test_a_note_without_a_token_is_named():
    score = Score(8)
    score.time_signatures = [TimeSignature(0, 4, 4)]
    score.tracks = [Track(program=0)]
    score.tracks[0].notes = [Note(0, 8, 60, 63), Note(8, 8, 20, 63)]
    encoder = RemiEncoder(REMI(TokenizerConfig()))
    assert len(encoder.encode(score)[0]) == 6
    with pytest.raises(UserError, match="pitch 20 and duration 8 has no token"):
        encoder.encode(score, preprocess=False)
