"""Encoding speed: pieces per second from arrays to tensors, beside muspy, pypianoroll and symusic.

All take the same 300 chorales in one process, in turn, each from what its own reader would leave in
memory: pieces; `muspy.Music` already at four steps to the quarter (its resampling is not counted);
`pypianoroll.Multitrack` of that; `symusic.Score` in the ticks of the file. Peers take one piece at
a time, which is all they can; we take batches (`encode_all`), and also one by one (`encode`). Peers
count as they are where their answer is less than ours: symusic's roll leaves the tracks unmerged,
muspy's has no onsets, and for the melody muspy is handed the soprano that we have to find.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import muspy
import symusic
import torch
from measure import in_turn, median_ratio, timed, write
from omegaconf import OmegaConf

from partimento.apps.composition import register_resolvers
from partimento.building import build_dataset, build_representation
from partimento.config import conf_dir
from partimento.errors import UserError
from partimento.music import Piece, to_muspy

PIECES = 300
BATCH = 64
STEPS_PER_QUARTER = 4
KEYS = (21, 109)

# What is made, and by which overrides of the config. The peers below are those of the same thing.
OURS: dict[str, tuple[str, str]] = {
    "multivoice": ("voices", "representation=multivoice"),
    "pianoroll": ("roll and onsets", "representation=pianoroll"),
    "pianoroll onsets=false": ("roll", "representation=pianoroll representation.onsets=false"),
    "frames": ("roll", "representation=frames"),
    "melody": ("melody", "representation=melody"),
    "note_tuples": ("notes", "representation=note_tuples"),
    "note_tuples tones=3": ("notes", "representation=note_tuples representation.tones=3"),
    "events": ("events", "representation=events"),
    "bars": ("bars", "representation=bars dataset=chorale_leadsheets"),
    "abc": ("text", "representation=abc"),
}
Job = Callable[[], Any]


def composed(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the nodes of dataset and representation of a config, without asking a model."""
    from hydra import compose, initialize_config_dir

    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("train", overrides=list(overrides))
    groups = ("dataset", "representation")
    return {group: OmegaConf.to_container(config[group], resolve=True) for group in groups}


def ours(overrides: Sequence[str]) -> tuple[Job, Job]:
    """Return what encodes the pieces in batches, and one by one.

    Raises:
        UserError: When the dataset and the representation do not go together.
    """
    nodes = composed(overrides)
    dataset = build_dataset(nodes)
    representation = build_representation(nodes, dataset)
    pieces = dataset.prepare(None).pieces[:PIECES]
    batches = [pieces[i : i + BATCH] for i in range(0, PIECES, BATCH)]

    def together() -> None:
        for batch in batches:
            for x in representation.encode_all(batch):
                torch.from_numpy(x)

    def one_by_one() -> None:
        for piece in pieces:
            torch.from_numpy(representation.encode(piece))

    return together, one_by_one


def loaded(pieces: Sequence[Piece]) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Return the pieces as peers' readers leave them: Music, soprano's Music, Multitrack, Score."""
    musics, sopranos, tracks, scores = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for index, piece in enumerate(pieces):
            path = Path(folder) / f"{index}.mid"
            muspy.write_midi(path, to_muspy(piece))
            scores.append(symusic.Score(path))
            music = to_muspy(piece)
            music.adjust_resolution(STEPS_PER_QUARTER)
            musics.append(music)
            tracks.append(music.to_pypianoroll())
            soprano = music.deepcopy()
            soprano.tracks = soprano.tracks[:1]
            sopranos.append(soprano)
    return musics, sopranos, tracks, scores


def peers(pieces: Sequence[Piece]) -> dict[str, dict[str, Job]]:
    """Return for each thing that is made the peers that make it."""
    from miditok import REMI

    musics, sopranos, tracks, scores = loaded(pieces)
    remi = REMI()

    def each(function: Callable[[Any], Any], objects: Sequence[Any]) -> Job:
        return lambda: [function(one) for one in objects]

    def muspy_voices(music: Any) -> list[torch.Tensor]:
        one = muspy.Music(resolution=music.resolution)
        voices = []
        for track in music.tracks:
            one.tracks = [track]
            pitch = muspy.to_pitch_representation(one, use_hold_state=True)
            voices.append(torch.from_numpy(pitch))
        return voices

    def symusic_roll(*modes: str) -> Callable[[Any], torch.Tensor]:
        return lambda score: torch.from_numpy(
            score.resample(STEPS_PER_QUARTER).pianoroll(modes=list(modes), pitch_range=KEYS)
        )

    def muspy_roll(music: Any) -> torch.Tensor:
        return torch.from_numpy(muspy.to_pianoroll_representation(music, encode_velocity=False))

    def symusic_notes(score: Any) -> list[torch.Tensor]:
        columns = [track.notes.numpy() for track in score.tracks]
        return [torch.from_numpy(array) for track in columns for array in track.values()]

    with_onsets = each(symusic_roll("frame", "onset"), scores)
    return {
        "voices": {"muspy": each(muspy_voices, musics), "symusic (roll per voice)": with_onsets},
        "roll and onsets": {"muspy": each(muspy_roll, musics), "symusic": with_onsets},
        "roll": {
            "muspy": each(muspy_roll, musics),
            "pypianoroll": each(lambda t: torch.from_numpy(t.blend("any")), tracks),
            "symusic": each(symusic_roll("frame"), scores),
        },
        "melody": {
            "muspy": each(
                lambda m: torch.from_numpy(muspy.to_pitch_representation(m, use_hold_state=True)),
                sopranos,
            )
        },
        "notes": {
            "muspy": each(lambda m: torch.from_numpy(muspy.to_note_representation(m)), musics),
            "symusic": each(symusic_notes, scores),
        },
        "events": {
            "muspy": each(lambda m: torch.from_numpy(muspy.to_event_representation(m)), musics),
            "miditok REMI": each(lambda s: torch.tensor(remi(s)[0].ids), scores),
        },
    }


def in_round(job: Job) -> Callable[[int], float]:
    """Return the job as `in_turn` wants it."""
    return lambda index: timed(job)


def compared(
    name: str, jobs: tuple[Job, Job], beside: dict[str, Job], count: int
) -> dict[str, Any]:
    """Measure one representation beside its peers, in turn; pieces per second, and the ratio."""
    every = {"batches": jobs[0], "one by one": jobs[1], **beside}
    seconds = in_turn({key: in_round(job) for key, job in every.items()}, count)
    median = {key: statistics.median(values) for key, values in seconds.items()}
    result: dict[str, Any] = {
        "pieces_per_s": round(PIECES / median["batches"]),
        "one_by_one_pieces_per_s": round(PIECES / median["one by one"]),
    }
    result |= {f"{peer}_pieces_per_s": round(PIECES / median[peer]) for peer in beside}
    if beside:
        fastest = min(beside, key=lambda peer: median[peer])
        alone = median_ratio(seconds[fastest], seconds["one by one"])["median_ratio"]
        ratio = median_ratio(seconds[fastest], seconds["batches"])
        result |= {"fastest_peer": fastest, **ratio, "one_by_one_median_ratio": alone}
    print(name, result, flush=True)
    return result


def main() -> None:
    """Measure all, print the figures, write benchmarks/results/encode.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=11)
    parser.add_argument("--only", nargs="*", choices=OURS, help="print these, and write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chorales = build_dataset(composed([])).prepare(None).pieces[:PIECES]
    theirs = peers(chorales)
    figures: dict[str, Any] = {
        "pieces": len(chorales),
        "notes": sum(map(len, chorales)),
        "batch": BATCH,
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("muspy", "pypianoroll", "symusic", "miditok", "numpy")
        },
    }
    for name in arguments.only or OURS:
        kind, overrides = OURS[name]
        option = overrides.split()[0].split("=")[1]
        if not (conf_dir() / "representation" / f"{option}.yaml").exists():
            figures[name] = "absent: there is no such representation"
            continue
        try:
            jobs = ours(overrides.split())
            jobs[0]()
        except UserError as error:
            figures[name] = f"refused: {error}"
            continue
        figures[name] = compared(name, jobs, theirs.get(kind, {}), arguments.count)
    if arguments.only:
        print({name: figures[name] for name in arguments.only})
    else:
        write("encode", figures)


if __name__ == "__main__":
    main()
