"""Audio of a piece: fluidsynth with a soundfont where there is one, else a plain synthesiser."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt

from partimento.errors import UserError
from partimento.music import Piece
from partimento.reports.midi import DEFAULT_QPM, write_midi

logger = logging.getLogger(__name__)

Synthesiser = Literal["auto", "fluidsynth", "plain"]

PEAK = 0.89  # of full scale: 1 dB below clipping
TAIL = 0.5  # seconds after the last tick, in which the sound dies away
ATTACK, RELEASE = 0.012, 0.08  # seconds: short enough to be felt as an onset, without a click
HARMONICS = 6
FLUIDSYNTH_SECONDS = 120  # a renderer that takes longer than this hangs
SOUNDFONT_FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/soundfonts")


def frequency(pitch: float) -> float:
    """Return the frequency of a MIDI number in Hz (equal temperament, A4 = 69 = 440 Hz)."""
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


def seconds_at(piece: Piece, ticks: np.ndarray) -> np.ndarray:
    """Return the time of each tick in seconds, `(ticks,)`, following the tempo marks.

    Before the first mark, and where there is none, a quarter note lasts 1/100 minute.
    """
    marks = {0: DEFAULT_QPM} | {tempo.onset: tempo.qpm for tempo in piece.tempos}
    onsets = np.array(sorted(marks), dtype=float)
    pace = np.array([60.0 / marks[onset] / piece.resolution for onset in sorted(marks)])
    reached = np.concatenate([[0.0], np.cumsum(np.diff(onsets) * pace[:-1])])
    index = np.searchsorted(onsets, ticks, side="right") - 1
    return reached[index] + (ticks - onsets[index]) * pace[index]


def duration_of(piece: Piece) -> float:
    """Return the duration of the piece in seconds, trailing rests included, tail excluded."""
    return float(seconds_at(piece, np.array([piece.end]))[0])


def tone(pitch: int, seconds: float, sample_rate: int) -> np.ndarray:
    """Return one note of the plain synthesiser, `(samples,)`, release included.

    Harmonics fall in amplitude as 1/k^1.5 and the higher ones die away faster, as those of a
    struck string do; harmonics that the sample rate cannot hold are left out.
    """
    time = np.arange(int((seconds + RELEASE) * sample_rate)) / sample_rate
    base = frequency(pitch)
    sound = np.zeros_like(time)
    for k in range(1, HARMONICS + 1):
        if k * base < sample_rate / 2:
            sound += np.exp(-0.55 * k * time) * np.sin(2 * np.pi * k * base * time) / k**1.5
    envelope = np.minimum(1.0, time / ATTACK) * np.clip((seconds + RELEASE - time) / RELEASE, 0, 1)
    return sound * envelope


def synthesise(piece: Piece, sample_rate: int = 22050) -> np.ndarray:
    """Return the sound of a piece from the plain synthesiser, `(samples,)`, at most `PEAK`.

    It needs no file and no program, so that a piece can always be heard.
    """
    sound = np.zeros(_samples(piece, sample_rate))
    starts = seconds_at(piece, piece.onset)
    lengths = seconds_at(piece, piece.onset + piece.duration) - starts
    tones: dict[tuple[int, int], np.ndarray] = {}
    columns = (piece.pitch, starts, lengths, piece.velocity)
    rows = zip(*(np.asarray(column).tolist() for column in columns), strict=True)
    for pitch, start, length, velocity in rows:
        same = (pitch, round(length * sample_rate))
        if same not in tones:
            tones[same] = tone(pitch, length, sample_rate)
        first = round(start * sample_rate)
        stretch = sound[first : first + len(tones[same])]
        stretch += tones[same][: len(stretch)] * (velocity / 127)
    return normalised(sound)


def normalised(sound: np.ndarray) -> np.ndarray:
    """Return the sound scaled to a peak of `PEAK`; silence stays silence."""
    peak = np.abs(sound).max(initial=0.0)
    return sound * (PEAK / peak) if peak > 0 else sound


def find_soundfont() -> Path | None:
    """Return a soundfont of the system, else the small one that pretty_midi ships, else None."""
    for folder in SOUNDFONT_FOLDERS:
        fonts = sorted(Path(folder).glob("*.sf[23]"))
        if fonts:
            return fonts[0]
    spec = importlib.util.find_spec("pretty_midi")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        fonts = sorted(Path(folder).glob("*.sf2"))
        if fonts:
            return fonts[0]
    return None


def write_wav(
    piece: Piece,
    path: str | Path,
    sample_rate: Annotated[int, Gt(0)] = 22050,
    *,
    synthesiser: Synthesiser = "auto",
    soundfont: str | Path | None = None,
) -> str:
    """Write a 16-bit mono WAV file and say what made the sound.

    The file lasts as long as the piece and `TAIL` seconds more, whatever made it. A piece without
    tempo is played at 100 quarter notes per minute (`DEFAULT_QPM`).

    Args:
        piece: What to play.
        path: File to write.
        sample_rate: Samples per second.
        synthesiser: "fluidsynth", "plain", or "auto": fluidsynth where the program and a soundfont
            are found, else plain.
        soundfont: Soundfont file for fluidsynth; None: the one of `find_soundfont`.

    Returns:
        "fluidsynth (NAME OF THE SOUNDFONT)" or "plain synthesiser".

    Raises:
        UserError: When fluidsynth is asked for by name and is not there or fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if synthesiser != "plain":
        try:
            font = Path(soundfont) if soundfont else find_soundfont()
            sound = _fluidsynth(piece, sample_rate, font)
        except UserError as error:
            if synthesiser == "fluidsynth":
                raise
            logger.debug("The plain synthesiser plays: %s", error)
        else:
            _write(sound, path, sample_rate)
            return f"fluidsynth ({font.name if font else ''})"
    _write(synthesise(piece, sample_rate), path, sample_rate)
    return "plain synthesiser"


def _samples(piece: Piece, sample_rate: int) -> int:
    return round((duration_of(piece) + TAIL) * sample_rate)


def _write(sound: np.ndarray, path: Path, sample_rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.round(sound * 32767).astype("<i2").tobytes())


def _fluidsynth(piece: Piece, sample_rate: int, soundfont: Path | None) -> np.ndarray:
    """Return the sound of a piece from the fluidsynth program, `(samples,)`, at most `PEAK`."""
    program = shutil.which("fluidsynth")
    if program is None:
        raise UserError(
            "The program fluidsynth is not installed; install it or choose synthesiser=plain."
        )
    if soundfont is None or not soundfont.is_file():
        raise UserError(
            f"No soundfont for fluidsynth at {soundfont or ', '.join(SOUNDFONT_FOLDERS)}; give the "
            "path of an .sf2 file or choose synthesiser=plain."
        )
    with tempfile.TemporaryDirectory() as folder:
        midi, out = write_midi(piece, Path(folder) / "piece.mid"), Path(folder) / "piece.wav"
        options = ["-n", "-i", "-q", "-r", str(sample_rate), "-O", "s16", "-T", "wav"]
        command = [program, *options, "-F", str(out), str(soundfont), str(midi)]
        _call(command)
        if not out.is_file():
            raise UserError("fluidsynth wrote no file; choose synthesiser=plain.")
        with wave.open(str(out), "rb") as file:
            channels = file.getnchannels()
            frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    sound = frames.reshape(-1, channels).mean(axis=1) / 32768
    count = _samples(piece, sample_rate)
    return normalised(np.pad(sound, (0, max(0, count - len(sound))))[:count])


def _call(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=FLUIDSYNTH_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or str(error).encode()
        reason = detail.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise UserError(
            f"fluidsynth failed ({reason[0]}); choose synthesiser=plain instead."
        ) from error
