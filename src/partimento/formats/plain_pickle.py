"""Pickle files of plain data, read by an interpreter that can neither import nor call anything."""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# Instructions that push their own argument, and those that do nothing here.
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BYTEARRAY8"),
}
_IDLE = {"PROTO", "FRAME"}
_DTYPE = re.compile(r"[biuf][1248]")
# What NumPy writes for an array, a type and a number: names that are understood, never imported.
_NUMPY = {
    "_reconstruct": ("numpy.core.multiarray", "numpy._core.multiarray"),
    "scalar": ("numpy.core.multiarray", "numpy._core.multiarray"),
    "_frombuffer": ("numpy.core.numeric", "numpy._core.numeric"),
    "ndarray": ("numpy",),
    "dtype": ("numpy",),
    "encode": ("_codecs",),
    "bytes": ("builtins", "__builtin__"),
}


class _Name(NamedTuple):
    """A name in a pickle that stands for one of NumPy's functions or types."""

    module: str
    name: str


class _Dtype:
    """A NumPy type under construction: its code, such as "i8", and the order of its bytes."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "<"

    def numpy(self) -> np.dtype:
        code = self.code.lstrip("<>|=")
        if not _DTYPE.fullmatch(code):
            raise ValueError(f"it holds an array of the type {code[:20]!r}, not of numbers")
        order = ">" if ">" in (self.order, self.code[:1]) else "<"
        return np.dtype(order + code)


class PickledArray:
    """An array of numbers found in a pickle; `values` is the array, or a list of objects."""

    def __init__(self) -> None:
        self.values: np.ndarray | list[Any] = np.zeros(0)


def load_plain_pickle(data: bytes) -> Any:
    """Return what a pickle holds, of any protocol and of Python 2 or 3.

    It may hold lists, tuples, dictionaries with texts or integers as keys, numbers, texts, and
    NumPy arrays of numbers (each as a `PickledArray`). The instructions are carried out by a small
    interpreter, not by the pickle module: nothing named in the file is imported or called. Byte
    strings of Python 2 come as texts in Latin-1, which any bytes are.

    Raises:
        ValueError: When the file holds or asks for anything else, or is damaged; the message goes
            on from "it".
    """
    machine = _Machine()
    try:
        for operation, argument, _ in pickletools.genops(data):
            if operation.name == "STOP":
                return machine.stack.pop()
            machine.step(operation.name, argument)
    except ValueError as error:
        told = str(error)
        raise ValueError(told if told.startswith("it ") else f"it is damaged ({told})") from error
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"it is damaged ({type(error).__name__})") from error
    raise ValueError("it is cut off")


class _Machine:
    """The stack, marks and memo of a pickle that is being read."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.actions: dict[str, Callable[[], None]] = {
            "NONE": lambda: self.stack.append(None),
            "NEWTRUE": lambda: self.stack.append(True),
            "NEWFALSE": lambda: self.stack.append(False),
            "MARK": lambda: self.marks.append(len(self.stack)),
            "EMPTY_LIST": lambda: self.stack.append([]),
            "EMPTY_TUPLE": lambda: self.stack.append(()),
            "EMPTY_DICT": lambda: self.stack.append({}),
            "LIST": lambda: self.stack.append(self.marked()),
            "TUPLE": lambda: self.stack.append(tuple(self.marked())),
            "DICT": lambda: self.stack.append(_paired({}, self.marked())),
            "TUPLE1": lambda: self.stack.append(tuple(self.last(1))),
            "TUPLE2": lambda: self.stack.append(tuple(self.last(2))),
            "TUPLE3": lambda: self.stack.append(tuple(self.last(3))),
            "APPEND": lambda: _extended(self.stack[-2], self.last(1)),
            "APPENDS": lambda: self.collect(_extended),
            "SETITEM": lambda: self.collect_pair(),
            "SETITEMS": lambda: self.collect(_paired),
            "STACK_GLOBAL": lambda: self.stack.append(_known(*self.last(2))),
            "REDUCE": lambda: self.stack.append(_made(*self.last(2))),
            "BUILD": lambda: _filled(self.stack[-2], *self.last(1)),
        }

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in self.actions:
            self.actions[name]()
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            self.stack.append(_known(*argument.split(" ", 1)))
        elif name not in _IDLE:
            raise ValueError(f"it asks for the instruction {name}, which plain data do not need")

    def last(self, count: int) -> list[Any]:
        """Take the last values off the stack."""
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def marked(self) -> list[Any]:
        """Take all values above the last mark off the stack, and the mark."""
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def collect(self, add: Callable[[Any, list[Any]], Any]) -> None:
        values = self.marked()
        add(self.stack[-1], values)

    def collect_pair(self) -> None:
        pair = self.last(2)
        _paired(self.stack[-1], pair)


def _extended(target: Any, values: list[Any]) -> None:
    if not isinstance(target, list):
        raise TypeError("only lists grow")
    target.extend(values)


def _paired(target: Any, values: list[Any]) -> dict[Any, Any]:
    """Add keys and values, which alternate, to a dictionary."""
    if not isinstance(target, dict):
        raise TypeError("only dictionaries take items")
    for key, value in zip(values[::2], values[1::2], strict=True):
        # A tuple nested a million times would bring down the interpreter when it is hashed.
        if not isinstance(key, (str, int, bytes)):
            raise TypeError("keys are texts or integers")
        target[key] = value
    return target


def _known(module: Any, name: Any) -> _Name:
    if not isinstance(name, str) or module not in _NUMPY.get(name, ()):
        named = f"{module}.{name}"
        raise ValueError(f"it names {named[:60]!r}, which plain data do not need")
    return _Name(module, name)


def _made(function: Any, arguments: Any) -> Any:
    """Return what NumPy's function would make of plain arguments."""
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise TypeError("only known names are called")
    if function.name == "dtype":
        return _Dtype(_text(arguments[0]))
    if function.name == "_reconstruct":
        return PickledArray()
    if function.name in ("encode", "bytes"):  # how Python 3 writes bytes in the older protocols
        return _bytes(arguments[0] if arguments else b"")
    made = PickledArray()
    if function.name == "scalar":
        return np.frombuffer(_bytes(arguments[1]), arguments[0].numpy())[0].item()
    if function.name == "_frombuffer":
        raw, dtype, shape, order = arguments
        made.values = _array(shape, dtype, order == "F", raw)
        return made
    raise TypeError(f"{function.name} is no function")


def _filled(target: Any, state: Any) -> None:
    """Give an array or a type under construction its state, as NumPy writes it."""
    if isinstance(target, PickledArray) and isinstance(state, tuple):
        target.values = _array(*state[-4:])
    elif isinstance(target, _Dtype) and isinstance(state, tuple):
        target.order = _text(state[1])
    else:
        raise TypeError("only arrays have a state")


def _array(shape: Any, dtype: Any, fortran: Any, raw: Any) -> np.ndarray | list[Any]:
    if isinstance(raw, list):
        if len(shape) != 1 or len(raw) != shape[0]:
            raise ValueError("it holds a table of objects, not a list of them")
        return raw
    numbers = np.frombuffer(_bytes(raw), dtype.numpy())
    return numbers.reshape(tuple(shape), order="F" if fortran else "C")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)[:40]


def _bytes(value: Any) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else bytes(memoryview(value))
