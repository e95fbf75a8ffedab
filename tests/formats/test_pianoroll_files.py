"""The three forms of a piano-roll set give the same tables; what is none of them gives one sentence."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from rolls import SET, published, roll, write_set

from partimento.errors import UserError
from partimento.formats import pianoroll_files
from partimento.formats.pianoroll_files import read_rolls, roll_of_frames

FORMS = (".mat", ".pkl", ".json")


@pytest.mark.parametrize("suffix", FORMS)
def test_a_set_is_read_cell_by_cell(tmp_path, suffix):
    found = read_rolls(write_set(tmp_path / f"set{suffix}"))
    assert list(found) == ["train", "valid", "test"]
    for split, pieces in SET.items():
        assert len(found[split]) == len(pieces)
        for table, piece in zip(found[split], pieces, strict=True):
            assert table.dtype == np.uint8
            np.testing.assert_array_equal(table, roll(piece))


@pytest.mark.parametrize("suffix", FORMS)
def test_the_content_tells_the_form_not_the_name(tmp_path, suffix):
    path = write_set(tmp_path / f"set{suffix}").rename(tmp_path / "set.data")
    np.testing.assert_array_equal(read_rolls(path)["test"][0], roll(SET["test"][0]))


def test_silence_is_minus_one_or_no_number():
    frames = [[60, -1, -1, 48], [-1, -1, -1, -1], [float("nan"), 61.0]]
    np.testing.assert_array_equal(roll_of_frames(frames), roll([[60, 48], [], [61]]))


@pytest.mark.parametrize("table", [roll, lambda frames: np.array(frames), list])
def test_a_pickle_may_hold_arrays(tmp_path, table):
    """Binary tables, tables of four MIDI numbers, and lists of one array per frame."""
    frames = [[48, 60, 64, 67], [53, 60, 65, 69]]
    piece = table(frames)
    piece = [np.array(frame) for frame in frames] if isinstance(piece, list) else piece
    path = tmp_path / "set.pkl"
    path.write_bytes(pickle.dumps({split: [piece] for split in SET}, protocol=2))
    np.testing.assert_array_equal(read_rolls(path)["valid"][0], roll(frames))


def written(tmp_path, content: bytes | dict) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_rolls(tmp_path / "bad")
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def whole(piece) -> dict:
    return {"train": [piece], "valid": [piece], "test": [piece]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "neither MATLAB 5"),
        (b"MThd\x00\x00\x00\x06", "neither MATLAB 5"),
        (b"MATLAB 5.0 MAT-file" + b"\x00" * 200, "MATLAB file of piano rolls: it is damaged"),
        (b'{"train": [', "JSON file of piano rolls"),
        (b"[" * 10, "neither MATLAB 5"),
        (b'{"a":' * 100_000, "JSON file of piano rolls"),
        (b"\x80\x02cposix\nsystem\nU\x02idq\x00\x85R.", "it names 'posix.system'"),
        ({"train": [[[60]]], "valid": [[[60]]]}, "it has no test split"),
        (whole([[60], [20]]), "piece 0 of the train split: frame 1 holds 20, no key of a piano"),
        (whole([[109]]), "holds 109"),
        (whole([[60.5]]), "holds 60.5"),
        (whole([["60"]]), "something that is no number"),
        (whole([[True]]), "something that is no number"),
        (whole([60, 61]), "a frame is no list"),
        (whole("notes"), "it is no list of frames"),
        (whole([[60] * 300]), "at most 256"),
        ({"train": [], "valid": [], "test": []}, "it has no train split"),
    ],
)
def test_what_is_no_set_is_told_in_one_sentence(tmp_path, content, told):
    assert told in written(tmp_path, content)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"There is no piano-roll file '.*nowhere\.mat'"):
        read_rolls(tmp_path / "nowhere.mat")


def test_a_pickle_that_repeats_itself_without_end_is_refused(tmp_path, monkeypatch):
    """Few bytes that stand for many frames: lists of the same list."""
    monkeypatch.setattr(pianoroll_files, "MAX_FRAMES", 5_000)
    piece: list = [[60]] * 1_000
    path = tmp_path / "bomb.pkl"
    path.write_bytes(pickle.dumps({split: [piece] * 1_000 for split in SET}, 2))
    assert path.stat().st_size < 20_000
    with pytest.raises(UserError, match="more than 5,000 frames"):
        read_rolls(path)


def test_the_published_chorales_are_the_same_in_matlab_and_json():
    mat = read_rolls(published("JSB_Chorales.mat"))
    listed = read_rolls(published("jsb-chorales-quarter.json"))
    for split in SET:
        assert len(mat[split]) == len(listed[split])
        for one, other in zip(mat[split], listed[split], strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_published_chorales_read_the_same_from_a_pickle(tmp_path):
    content = json.loads(published("jsb-chorales-quarter.json").read_text())
    path = tmp_path / "jsb.pkl"
    path.write_bytes(pickle.dumps(content, 0))
    found = read_rolls(path)["train"]
    assert sum(map(len, found)) == 13_807
    np.testing.assert_array_equal(found[5], roll(content["train"][5]))
