"""Audio: durations, frequencies and levels of the plain synthesiser, and fluidsynth's border."""

from __future__ import annotations

import shutil
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from partimento.datasets.chorales import corpus_folder
from partimento.errors import UserError
from partimento.formats.musicxml import read_musicxml
from partimento.music import Piece, Tempo
from partimento.reports.audio import (
    PEAK,
    TAIL,
    duration_of,
    find_soundfont,
    frequency,
    seconds_at,
    synthesise,
    tone,
    write_wav,
)

RATE = 22050


def read(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        return samples, file.getframerate()


def loudest_frequency(sound: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.fft.rfftfreq(len(sound), 1 / rate)[spectrum.argmax()])


def note(pitch: int, quarters: int = 2, **more) -> Piece:
    return Piece("note", 1, [0], [quarters], [pitch], [0], **more)


def test_frequencies_are_equal_tempered() -> None:
    assert frequency(69) == 440
    assert frequency(57) == 220
    assert frequency(60) == pytest.approx(261.6256, abs=1e-4)


def test_time_follows_the_tempo_marks() -> None:
    piece = note(60, 8, tempos=(Tempo(0, 60), Tempo(2, 120), Tempo(6, 30)))
    ticks = np.array([0, 1, 2, 4, 6, 8])
    assert seconds_at(piece, ticks).tolist() == [0, 1, 2, 3, 4, 8]


def test_without_tempo_a_quarter_note_lasts_a_hundredth_of_a_minute() -> None:
    assert duration_of(note(60, 10)) == pytest.approx(6.0)
    late = note(60, 10, tempos=(Tempo(5, 60),))
    assert duration_of(late) == pytest.approx(3.0 + 5.0)


@pytest.mark.parametrize("pitch", [36, 48, 60, 69, 81])
def test_the_loudest_frequency_is_that_of_the_note(pitch: int) -> None:
    sound = synthesise(note(pitch), RATE)
    assert loudest_frequency(sound, RATE) == pytest.approx(frequency(pitch), rel=0.01)


def test_harmonics_above_the_sample_rate_are_left_out() -> None:
    sound = tone(100, 1.0, 8000)  # 2637 Hz; the second harmonic would fold back to 2726 Hz
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    frequencies = np.fft.rfftfreq(len(sound), 1 / 8000)
    folded = spectrum[np.abs(frequencies - (8000 - 2 * frequency(100))) < 10].max()
    assert folded < 1e-3 * spectrum.max()


def test_a_note_begins_and_ends_without_a_click() -> None:
    sound = tone(60, 0.5, RATE)
    assert sound[0] == 0
    assert abs(sound[-1]) < 1e-3
    assert np.abs(np.diff(sound)).max() < 0.5


def test_the_file_lasts_as_long_as_the_piece_and_is_neither_silent_nor_clipped(tmp_path) -> None:
    piece = read_musicxml(corpus_folder() / "bwv66.6.mxl")
    path = tmp_path / "new folder" / "chorale (1).wav"
    assert write_wav(piece, path, synthesiser="plain") == "plain synthesiser"
    samples, rate = read(path)
    quarters = piece.end / piece.resolution
    assert piece.tempos == (Tempo(0, 96.0),)
    assert rate == RATE
    assert len(samples) / rate == pytest.approx(quarters * 60 / 96 + TAIL, abs=1e-3)
    assert np.abs(samples).max() == pytest.approx(PEAK, abs=1e-3)
    loudness = np.sqrt(np.mean(samples[: 20 * rate].reshape(20, -1) ** 2, axis=1))
    assert (loudness > 0.02).all()


def test_onsets_are_heard_where_they_are_written() -> None:
    piece = Piece("rest", 1, [0, 4], [1, 1], [72, 72], [0, 0], tempos=(Tempo(0, 60),))
    sound = synthesise(piece, RATE)
    heard = np.flatnonzero(np.abs(sound) > 0.01) / RATE
    assert heard[0] < 0.02
    between = (heard > 1.2) & (heard < 3.99)
    assert not between.any()
    assert heard[heard > 3].min() == pytest.approx(4.0, abs=0.02)


def test_louder_velocities_are_louder() -> None:
    piece = Piece("dynamics", 1, [0, 2], [1, 1], [60, 60], [0, 0], velocity=[127, 32])
    sound = synthesise(piece, RATE)
    half = len(sound) // 2
    ratio = np.abs(sound[:half]).max() / np.abs(sound[half:]).max()
    assert ratio == pytest.approx(127 / 32, rel=0.05)


def test_an_empty_piece_is_silence(tmp_path) -> None:
    piece = Piece("empty", 1, [], [], [], [], end=5)
    write_wav(piece, tmp_path / "empty.wav", synthesiser="plain")
    samples, rate = read(tmp_path / "empty.wav")
    assert len(samples) == round((3 + TAIL) * rate)
    assert not samples.any()


def test_a_soundfont_is_found() -> None:
    font = find_soundfont()
    assert font is not None
    assert font.read_bytes()[:4] == b"RIFF"


FAKE = """#!{python}
import sys, wave
arguments = sys.argv[1:]
out = arguments[arguments.index("-F") + 1]
rate = int(arguments[arguments.index("-r") + 1])
assert open(arguments[-1], "rb").read(4) == b"MThd"
with wave.open(out, "wb") as file:
    file.setnchannels(2); file.setsampwidth(2); file.setframerate(rate)
    file.writeframes((100).to_bytes(2, "little") * 2 * rate)
"""


def install(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "fluidsynth"
    program.write_text(script.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_what_fluidsynth_renders_is_made_mono_loud_and_as_long_as_the_piece(
    tmp_path, monkeypatch
) -> None:
    install(tmp_path, FAKE, monkeypatch)
    said = write_wav(note(60, 5), tmp_path / "out.wav", 8000)
    samples, rate = read(tmp_path / "out.wav")
    assert said.startswith("fluidsynth (")
    assert said.endswith(".sf2)")
    assert rate == 8000
    assert len(samples) == round((3 + TAIL) * 8000)
    assert samples[:8000] == pytest.approx(PEAK, abs=1e-3)
    assert not samples[8000:].any()


def test_a_fluidsynth_that_fails_is_replaced_or_reported(tmp_path, monkeypatch) -> None:
    install(tmp_path, "#!{python}\nraise SystemExit('no such driver')\n", monkeypatch)
    assert write_wav(note(60), tmp_path / "out.wav") == "plain synthesiser"
    assert read(tmp_path / "out.wav")[0].any()
    with pytest.raises(UserError, match=r"fluidsynth failed \(no such driver\)"):
        write_wav(note(60), tmp_path / "out.wav", synthesiser="fluidsynth")


def test_a_missing_fluidsynth_or_soundfont_is_reported_when_asked_for(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="fluidsynth is not installed"):
        write_wav(note(60), tmp_path / "out.wav", synthesiser="fluidsynth")
    install(tmp_path, FAKE, monkeypatch)
    with pytest.raises(UserError, match=r"No soundfont .* at .*missing\.sf2"):
        write_wav(
            note(60),
            tmp_path / "out.wav",
            synthesiser="fluidsynth",
            soundfont=tmp_path / "missing.sf2",
        )


@pytest.mark.full
@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="fluidsynth is not installed")
def test_the_real_fluidsynth_sings_the_note(tmp_path) -> None:
    write_wav(note(69, 4), tmp_path / "a.wav", synthesiser="fluidsynth")
    samples, rate = read(tmp_path / "a.wav")
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    ratio = frequencies[spectrum.argmax()] / 440
    assert ratio == pytest.approx(round(ratio), rel=0.01)  # the note or one of its harmonics
