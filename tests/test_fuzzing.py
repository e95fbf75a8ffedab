"""Hostile files end in a piece or a sentence, in bounded time and memory, touching nothing else."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import fuzzing
import pytest
from fuzzing import HEAVY, HEAVY_EVERY, LIGHT, case

import partimento

ALL = range(2000)
# One in seven, which is prime to the periods of the corpus; few of its heavy files.
SAMPLE = tuple(index for index in ALL if index % 7 == 3)

linux = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is bounded through /proc"
)


def read_in_a_child(indexes: Sequence[int], folder: Path) -> list[dict[str, Any]]:
    """Return what became of the files, as a process told that stands or falls by itself."""
    source = str(Path(partimento.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, fuzzing.__file__, str(folder)],
        input=json.dumps(list(indexes)),
        capture_output=True,
        text=True,
        timeout=60 + 6 * len(indexes),
        env=os.environ | {"PYTHONPATH": source},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1:], done.stderr[-2000:])
    return [line for line in lines if "index" in line]


def judge(lines: Sequence[dict[str, Any]], indexes: Sequence[int]) -> None:
    assert [line["index"] for line in lines] == list(indexes)
    assert [line for line in lines if line["outcome"] == "failure"] == []
    for line in lines:
        if line["outcome"] == "refused":
            reason = line["reason"]
            assert reason.endswith("."), reason
            assert "\n" not in reason, reason
            assert len(reason) < 1000, reason
    for suffix in LIGHT:
        # Neither is all refused nor all read, or the corpus would test little.
        outcomes = Counter(line["outcome"] for line in lines if line["suffix"] == suffix)
        assert set(outcomes) == {"piece", "refused"}, (suffix, outcomes)


@linux
def test_a_sample_of_hostile_files(tmp_path: Path) -> None:
    judge(read_in_a_child(SAMPLE, tmp_path), SAMPLE)


@linux
@pytest.mark.full
def test_two_thousand_hostile_files(tmp_path: Path) -> None:
    judge(read_in_a_child(ALL, tmp_path), ALL)


def test_the_corpus_is_the_same_every_time_and_holds_everything() -> None:
    light = [index for index in ALL if index % HEAVY_EVERY != HEAVY_EVERY - 1]
    assert case(light[5]) == case(light[5])
    assert case(light[5]) != case(light[5], seed=1)
    assert len({case(index).data for index in light[:400]}) > 300
    makers = {case(index).maker for index in SAMPLE if index in light}
    assert makers == {"damage"} | {maker.__name__ for made in LIGHT.values() for maker in made}
    assert len(ALL) // HEAVY_EVERY >= len(HEAVY)


@linux
@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("open('/etc/hostname').read()", "it did ['open /etc/hostname']"),
        ("__import__('socket').create_connection(('127.0.0.1', 9))", "it did ['socket."),
        ("__import__('subprocess').run(['true'])", "it did ['subprocess.Popen"),
        ("open(path, 'ab')", "it did ['open "),
        ("bytearray(2 ** 31)", "MemoryError"),
        ("1 / 0", "ZeroDivisionError"),
        ("[piece.with_notes(pitch=piece.pitch + 999)]", "a piece that is none"),
        ("[exec('while True: pass')]", "Stopped: out of time"),
    ],
)
def test_the_guard_sees_what_a_reader_must_not_do(deed: str, told: str, tmp_path: Path) -> None:
    """A reader that misbehaves on purpose is a failure, so that the corpus can find one."""
    code = f"""
import json, resource, signal, sys
import fuzzing
from partimento.formats import files
from partimento.music import Piece
piece = Piece("x", 1, [0], [1], [60], [0])
def misbehave(path):
    return {deed}
files.read_pieces = misbehave
fuzzing.SECONDS = 0.3
guard = fuzzing.Guard()
sys.addaudithook(guard)
signal.signal(signal.SIGPROF, fuzzing.stop)
print(json.dumps(fuzzing.read(fuzzing.Path({str(tmp_path / "x.mid")!r}), guard)))
"""
    (tmp_path / "x.mid").write_bytes(b"x")
    folders = [str(Path(fuzzing.__file__).parent), str(Path(partimento.__file__).parents[1])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    outcome, reason = json.loads(done.stdout)
    assert outcome == "failure"
    assert reason.startswith(told), reason


XML_PARSERS = ("xml.sax", "xml.dom", "xml.parsers", "pyexpat", "lxml", "xmltodict", "bs4")


@lru_cache
def imports_of(path: Path) -> tuple[tuple[str, str], ...]:
    """Return every (module, name) that a file imports, inside functions, too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
    return tuple(found)


def test_only_defusedxml_parses_xml() -> None:
    """Python's own parsers expand entities; its Element may be named, as a type and to build with."""
    folder = Path(partimento.__file__).parent
    through_defusedxml = []
    for path in sorted(folder.rglob("*.py")):
        for module, name in imports_of(path):
            assert not module.startswith(XML_PARSERS), path
            if module.startswith("xml"):
                assert (module, name) in {
                    ("xml.etree.ElementTree", "Element"),
                    ("xml.etree.ElementTree", "SubElement"),
                    ("xml.etree.ElementTree", "tostring"),
                }, path
            if module.startswith("defusedxml"):
                through_defusedxml.append(path.name)
    assert set(through_defusedxml) == {"musicxml_file.py"}
