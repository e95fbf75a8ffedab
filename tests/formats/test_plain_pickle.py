"""Plain data come out of any pickle as the pickle module reads them; nothing is ever imported or called."""

from __future__ import annotations

import os
import pickle
import pickletools
import random
import struct
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partimento.formats.plain_pickle import PickledArray, load_plain_pickle

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
)
PLAIN = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=30,
)


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_of_every_protocol(value, protocol):
    assert load_plain_pickle(pickle.dumps(value, protocol)) == value


@given(PLAIN)
def test_shared_parts_are_shared(value):
    part = [value]
    found = load_plain_pickle(pickle.dumps([part, part], 2))
    assert found == [part, part]
    assert found[0] is found[1]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", ">i4", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_protocol(protocol, dtype, order):
    array = np.asarray(np.arange(6).reshape(2, 3) % 2, dtype=dtype, order=order)
    found = load_plain_pickle(pickle.dumps({"a": [array, array[:, 1]]}, protocol))["a"]
    assert all(isinstance(item, PickledArray) for item in found)
    np.testing.assert_array_equal(found[0].values, array)
    np.testing.assert_array_equal(found[1].values, array[:, 1])


def test_a_list_of_objects_and_a_number_of_numpys():
    array = np.empty(2, object)
    array[:] = [[1, 2], [3]]
    found = load_plain_pickle(pickle.dumps([array, np.int64(7), np.float32(0.5)], 2))
    assert found[0].values == [[1, 2], [3]]
    assert found[1:] == [7, 0.5]


def test_a_pickle_of_python_2():
    """As Python 2 writes {'train': [(60, 64L)]}: its texts are byte strings."""
    data = b"\x80\x02}q\x00U\x05trainq\x01]q\x02K<\x8a\x01@\x86q\x03as."
    assert load_plain_pickle(data) == {"train": [(60, 64)]}
    assert load_plain_pickle(b"(dp0\nS'train'\np1\n(lp2\n(lp3\nI60\naI64\naas.") == {
        "train": [[60, 64]]
    }


class Evil:
    """A pickle of it would run a command when read by the pickle module."""

    def __init__(self, call, *arguments):
        self.parts = call, arguments

    def __reduce__(self):
        return self.parts


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("evil", "named"),
    [
        (Evil(os.system, "touch evil"), "system"),
        (Evil(eval, "open('evil', 'w')"), "eval"),
        (Evil(np.load, "evil"), "load"),
        (Evil(getattr, np, "load"), "getattr"),
    ],
)
def test_a_malicious_pickle_is_refused_by_name(protocol, evil, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if named == "getattr" and protocol >= 0:
        evil = Evil(getattr, "text", "upper")
    with pytest.raises(ValueError, match=f"it names '[a-z_0-9.]*{named}"):
        load_plain_pickle(pickle.dumps({"train": [evil]}, protocol))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02}",
        b"\x80\x02K\x01a.",  # append to a number
        b"\x80\x02h\x07.",  # a memo that is not there
        b"\x80\x02cnumpy\nndarray\n)R.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nK\x01R.",
        b"\x80\x02(i__main__\nx\n.",
        b"\x80\x02\x82\x01.",  # an extension
        b"\x80\x02Pid\n.",  # a persistent id
        b"\x80\x02}(]K\x01u.",  # a list as a key
    ],
)
def test_what_is_no_plain_data_is_refused(data):
    with pytest.raises(ValueError, match="^it "):
        load_plain_pickle(data)


def test_a_name_alone_is_no_function():
    assert not callable(load_plain_pickle(b"\x80\x02cnumpy\ndtype\n."))


def test_an_array_that_is_not_what_it_says_is_refused():
    data = pickle.dumps(np.arange(4, dtype=np.int64), 2)
    for old, new in ((b"K\x04\x85", b"K\x05\x85"), (b"i8", b"O8"), (b"i8", b"V8")):
        assert old in data
        with pytest.raises(ValueError, match="^it "):
            load_plain_pickle(data.replace(old, new))


def test_what_brings_down_the_pickle_module_costs_nothing_here():
    """A memo index of 2 billion, a text of 2^60 bytes, a tuple nested 200,000 times as a key."""
    deep = b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s."
    tracemalloc.start()
    try:
        assert load_plain_pickle(b"\x80\x02K\x01r\xff\xff\xff\x7f.") == 1
        for data in (b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.", deep):
            with pytest.raises(ValueError, match="^it "):
                load_plain_pickle(data)
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


def test_mutated_pickles_end_in_a_value_or_a_reason():
    """The pickle module is never asked: a name in the file would be imported by it."""
    draw = random.Random(0)
    value = {"train": [[(60, 64)], [np.arange(3)]], "test": [[1.5, None, "x"]]}
    before = set(sys.modules)
    for _ in range(2000):
        data = bytearray(pickle.dumps(value, draw.randrange(6)))
        for _ in range(draw.randrange(1, 5)):
            data[draw.randrange(len(data))] = draw.choice([draw.randrange(256), *b"Rcbio\x81\x93"])
        try:
            load_plain_pickle(bytes(data[: draw.randrange(1, len(data) + 1)]))
        except ValueError:
            continue
    assert set(sys.modules) == before


def test_every_instruction_is_carried_out_or_refused():
    """No instruction of the pickle machine raises anything but a reason."""
    for operation in pickletools.opcodes:
        for tail in (b".", b"\x01.", b"x\ny\n.", b"\x00" * 8 + b"."):
            try:
                load_plain_pickle(b"]]" + operation.code.encode("latin-1") + tail)
            except ValueError:
                continue
