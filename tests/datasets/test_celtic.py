"""The Celtic tunes: counts, choices, ranges, groups, and the same from source and cache."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partimento.data.splits import Manifest
from partimento.datasets import music21_corpus
from partimento.datasets.base import Corpus
from partimento.datasets.celtic import LOWER_NOTES, Celtic, melody_of, rhythm_of
from partimento.datasets.chorales import Chorales, wholly_in
from partimento.datasets.grouping import RUN, melody_intervals, melody_runs, shared_tunes
from partimento.errors import UserError
from partimento.formats.abc import read_tunes
from partimento.music import Piece


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return Celtic().prepare(str(folder))


def test_counts(corpus: Corpus) -> None:
    counts = corpus.card.counts
    reasons = [skip.reason for skip in corpus.skipped]
    # 2,009 tunes of O'Neill, 1,059 of Ryan, 1,180 of Aird; none is unreadable.
    assert len(corpus.pieces) + len(corpus.skipped) == 2009 + 1059 + 1180 == 4248
    assert len(corpus.pieces) == counts["pieces"] == 4136
    assert all(reason.startswith("is the same as ") for reason in reasons)
    assert counts["duplicates left out"] == counts["tunes left out"] == len(reasons) == 112
    assert counts["notes"] == sum(map(len, corpus.pieces))
    assert counts["grace notes dropped"] > 4000
    assert counts["pieces of a stated rhythm"] == sum(map(bool, map(rhythm_of, corpus.pieces)))
    ids = [piece.id for piece in corpus.pieces]
    assert len(set(ids)) == len(ids)
    per_collection = Counter(id.partition("-")[0] for id in ids)
    assert per_collection == {"oneill": 1923, "ryan": 1039, "aird": 1174}


def test_every_tune_is_one_melody_within_the_declared_range(corpus: Corpus) -> None:
    assert Celtic.parts == ("melody",)
    low, high = zip(*((p.pitch.min(), p.pitch.max()) for p in corpus.pieces), strict=True)
    assert ((min(low), max(high)),) == Celtic.ranges
    assert corpus.card.ranges == {"melody": Celtic.ranges[0]}
    for piece in corpus.pieces:
        assert piece.parts == ("melody",)
        assert (piece.onset[1:] >= (piece.onset + piece.duration)[:-1]).all()
        assert (piece.duration > 0).all()
        assert piece.bars[0].onset == 0
        assert piece.resolution % 24 == 0


def test_beginning_of_a_known_tune(corpus: Corpus) -> None:
    """O'Neill's no. 1, "The Enchanted Valley": G minor, 2/4, grace notes before held ones."""
    piece = next(piece for piece in corpus.pieces if piece.id == "oneill-1")
    assert piece.metadata["title"] == "The Enchanted Valley"
    assert piece.keys[0][1:] == (-2, "minor")
    assert piece.bars[0][1:] == (2, 4)
    # G3-A (Bcd=e)|f4 (g2dB)|: sixteenths, six ticks each.
    assert piece.pitch[:9].tolist() == [67, 69, 70, 72, 74, 76, 77, 79, 74]
    assert piece.duration[:9].tolist() == [18, 6, 6, 6, 6, 6, 24, 12, 6]


def test_no_duplicates_in_any_key(corpus: Corpus) -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for piece in corpus.pieces:
        fraction = 5040 // piece.resolution
        rows = ((piece.pitch - piece.pitch[0]), piece.onset * fraction, piece.duration * fraction)
        key = tuple(column.tobytes() for column in rows)
        assert key not in seen, (seen.get(key), piece.id)
        seen[key] = piece.id


def test_no_split_divides_tunes_that_share_a_run(corpus: Corpus) -> None:
    """Recomputed from the notes: no 16 intervals of one group occur in another."""
    owner: dict[tuple[int, ...], str] = {}
    for piece, group in zip(corpus.pieces, corpus.groups, strict=True):
        for run in melody_runs(melody_intervals(piece)):
            assert owner.setdefault(run, group) == group
    sizes = Counter(corpus.groups)
    assert RUN == 16
    # Folk tunes do not chain into one heap: the largest group is half a percent.
    assert max(sizes.values()) == 19
    assert len(sizes) == corpus.card.counts["groups"] == 3288
    ids = [piece.id for piece in corpus.pieces]
    splits = Manifest.by_group(ids, corpus.groups).splits
    shares = {name: len(members) / len(ids) for name, members in splits.items()}
    assert shares == pytest.approx({"train": 0.8, "valid": 0.1, "test": 0.1}, abs=0.005)


@pytest.mark.parametrize(
    "choice",
    [
        {"metre": "6/8", "collections": ("aird",)},
        {"key": "D", "mode": "major", "collections": ("ryan",)},
        {"rhythm": "Slip  Jig", "collections": ("oneill",)},
    ],
)
def test_choices(corpus: Corpus, choice: dict[str, Any]) -> None:
    chosen = Celtic(**choice).prepare(None)
    names = {"oneill", "ryan", "aird"} & set(choice.get("collections", ("oneill", "ryan", "aird")))
    expected = []
    for piece in corpus.pieces:
        words = set(rhythm_of(piece).split())
        if (
            piece.id.partition("-")[0] in names
            and ("metre" not in choice or wholly_in(piece, 6, 8))
            and piece.metadata["key"].startswith(choice.get("key", ""))
            and piece.metadata["key"].endswith(choice.get("mode", ""))
            and set(choice.get("rhythm", "").lower().split()) <= words
        ):
            expected.append(piece.id)
    assert len(expected) > 20
    # Among fewer tunes fewer are duplicates of an earlier one.
    assert set(expected) <= {piece.id for piece in chosen.pieces}
    assert len(chosen.pieces) <= len(expected) + 5
    assert len(chosen.pieces) == len(chosen.groups) == chosen.card.counts["pieces"]
    assert len(chosen.skipped) == chosen.card.counts["tunes left out"]


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"metre": "six"}, r"celtic: metre is 'any' or one such as 6/8, not 'six'\."),
        ({"collections": ()}, r"celtic: collections are oneill, ryan, aird, not ''\."),
        ({"collections": ("kerr",)}, r"collections are oneill, ryan, aird, not 'kerr'\."),
    ],
)
def test_wrong_choices(choice: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Celtic(**choice)


def test_no_tune_at_all() -> None:
    choice = Celtic(collections=("aird",), rhythm="polonaise")
    with pytest.raises(UserError, match=r"no tune has the metre, key, mode and rhythm asked for\."):
        choice.prepare(None)


def test_cache_gives_the_same_corpus(
    corpus: Corpus, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = folder.iterdir()
    assert path.name == f"celtic-{Celtic().fingerprint()}.npz"
    monkeypatch.setattr(Celtic, "_build", None)
    again = Celtic().prepare(str(folder))
    assert again.pieces == corpus.pieces
    assert (again.groups, again.skipped, again.card) == (
        corpus.groups, corpus.skipped, corpus.card,
    )  # fmt: skip


def test_fingerprint_tells_choices_apart() -> None:
    choices = [Celtic(), Celtic(metre="6/8"), Celtic(key="D"), Celtic(mode="dorian")]
    choices += [Celtic(rhythm="reel"), Celtic(collections=("ryan",))]
    assert len({choice.fingerprint() for choice in choices}) == len(choices)
    assert Celtic(metre="C").fingerprint() == Celtic(metre="4/4").fingerprint()
    assert Celtic(rhythm=" REEL").fingerprint() == Celtic(rhythm="reel").fingerprint()


def test_of_several_voices_and_double_stops_the_upper_line_is_taken() -> None:
    (tune,) = read_tunes("X:1\nM:4/4\nL:1/4\nK:C\n[V:1][CE]2 c4-&d2 e z|[V:2]C8|")
    assert isinstance(tune, Piece)
    melody = melody_of(tune)
    assert melody.pitch.tolist() == [74, 76]
    assert melody.parts == ("melody",)
    assert melody.end == tune.end
    ends = melody.onset + melody.duration
    assert (melody.onset[1:] >= ends[:-1]).all()
    assert int(melody.metadata[LOWER_NOTES]) == len(tune) - len(melody)
    (plain,) = read_tunes("X:1\nK:C\nCDE|")
    assert isinstance(plain, Piece)
    assert melody_of(plain) == plain
    assert LOWER_NOTES not in melody_of(plain).metadata


def test_what_it_shares_with_the_chorales(corpus: Corpus, cache: Path) -> None:
    """One hymn of Bach's three settings has 17 notes in a row of one Irish air, and that is all."""
    shared = shared_tunes(Chorales().prepare(str(cache)), corpus)
    bach = ["bwv176.6", "bwv280", "bwv7.7"]
    assert shared == [(chorale, "oneill-281", 1) for chorale in bach]


def test_without_music21(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(music21_corpus.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"read from music21, which is not installed here; "):
        Celtic().prepare(None)
    (tmp_path / "corpus" / "oneills1850").mkdir(parents=True)

    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(music21_corpus.importlib.util, "find_spec", lambda name: Spec)
    with pytest.raises(UserError, match=r"Aird are read from music21, which comes without its"):
        Celtic().prepare(None)


def test_preparing_loads_no_heavy_package() -> None:
    code = (
        "import sys; from partimento.datasets.celtic import Celtic; "
        "Celtic(collections=('aird',), metre='9/8').prepare(None); "
        "heavy = {'torch', 'muspy', 'music21', 'matplotlib', 'scipy', 'miditok'}; "
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_transposed_tunes_stay_what_they_are(corpus: Corpus) -> None:
    for piece in corpus.pieces[::200]:
        assert np.array_equal(
            melody_intervals(piece.transposed(3)), melody_intervals(piece)
        )  # groups hold for every transposition
