"""Encoding speed: pieces per second from arrays in memory to tensors, beside muspy, pypianoroll, symusic.

All encode the same 300 chorales in one process, in turn. Everyone begins with what the library's own
reader would leave in memory: pieces, `muspy.Music` at four steps to the quarter (its resampling is
not counted), `pypianoroll.Multitrack` of the same, `symusic.Score` at 480 ticks. Peers take one piece
at a time, which is all they can; we take all of them (`encode_all`), and one by one as well.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import math
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import muspy
import numpy as np
import pypianoroll
import symusic
import torch
from measure import in_turn, median_ratio, timed, write

from partimento.config import conf_dir
from partimento.datasets.chorales import Chorales
from partimento.music import Piece, to_muspy
from partimento.representations.base import Representation

PIECES = 300
STEPS_PER_QUARTER = 4
KEYS = (21, 109)
SATB: dict[str, Any] = {"parts": Chorales.parts, "ranges": Chorales.ranges}

# What is measured: the kind of thing made, its class, its arguments. A representation whose module
# is not there is listed as absent.
OURS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "multivoice": ("voices", "multivoice.MultiVoice", SATB),
    "pianoroll": ("roll with onsets", "pianoroll.PianoRoll", {}),
    "pianoroll onsets=false": ("roll", "pianoroll.PianoRoll", {"onsets": False}),
    "frames": ("roll", "frames.Frames", {}),
    "melody": ("melody", "melody.Melody", {}),
    "note_tuples": ("notes", "note_tuples.NoteTuples", {}),
    "note_tuples tones=3": ("notes", "note_tuples.NoteTuples", {"tones": 3}),
    "events": ("events", "events.Events", {}),
    "bars": ("bars", "bars.Bars", {}),
    "abc": ("text", "abc.Abc", {}),
}
