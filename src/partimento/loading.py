"""Trained models: from a run folder or checkpoint, without its dataset and without running a pickle."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from partimento.building import build_model, supplied
from partimento.data.batch import Given
from partimento.errors import UserError
from partimento.generation.bar_by_bar import Continuation, bar_by_bar
from partimento.generation.harmonize import Harmonization, harmonize
from partimento.generation.latent import along
from partimento.generation.strategies import SingleStep, Strategy
from partimento.models.base import CHECKPOINT_FORMAT, Model
from partimento.models.latent import Method, check_codes, generative, interpolate, seeded_codes
from partimento.music import Piece
from partimento.representations.base import Representation


class Trained:
    """A trained model with what it takes to turn its samples into music.

    Attributes:
        model: The model, in evaluation mode on the CPU.
        representation: Turns samples into pieces and pieces into examples.
        config: The resolved config that the model was trained with.
        path: The checkpoint that was read.
    """

    def __init__(
        self, model: Model, representation: Representation, config: dict[str, Any], path: Path
    ) -> None:
        self.model = model.eval()
        self.representation = representation
        self.config = config
        self.path = path

    def sample(
        self,
        n: int | None = None,
        *,
        given: Given | None = None,
        condition: Mapping[str, Tensor] | None = None,
        lengths: Tensor | None = None,
        z: Tensor | None = None,
        weights: str | None = None,
        temperature: float = 1.0,
        strategy: Strategy | None = None,
        seed: int = 0,
    ) -> list[Piece]:
        """Draw samples as pieces; see `Model.sample`. A strategy has a temperature of its own."""
        x = (strategy or SingleStep(temperature)).generate(
            self.model,
            n=n,
            given=given,
            condition=condition,
            lengths=lengths,
            z=z,
            weights=weights,
            generator=torch.Generator().manual_seed(seed),
        )
        ends = [x.shape[1]] * len(x) if lengths is None else lengths.tolist()
        return [
            self.representation.decode(example[:end])
            for example, end in zip(x.cpu().numpy(), ends, strict=True)
        ]

    def codes(self, n: int = 1, *, seed: int = 0) -> Tensor:
        """Return the latent codes `(n, latent)` that a seed stands for.

        Raises:
            Mismatch: When the model has none.
        """
        return seeded_codes(generative(self.model), seed, n)

    def interpolate(
        self,
        first: Tensor,
        second: Tensor,
        steps: int = 9,
        *,
        method: Method = "spherical",
        condition: Mapping[str, Tensor] | None = None,
        weights: str | None = None,
        temperature: float = 1.0,
        strategy: Strategy | None = None,
        seed: int = 0,
    ) -> list[Piece]:
        """Return the music on the way between two codes `(latent,)`, all with the same noise."""
        latent = generative(self.model).latent
        ends = [check_codes(code.reshape(1, -1), latent)[0] for code in (first, second)]
        x = along(
            self.model,
            interpolate(ends[0], ends[1], steps, method),
            strategy or SingleStep(temperature),
            condition=condition,
            weights=weights,
            seed=seed,
        )
        return [self.representation.decode(example) for example in x.cpu().numpy()]

    def bar_by_bar(
        self,
        chords: str | Sequence[str] | None = None,
        bars: int | None = None,
        *,
        priming: Piece | str | Path | None = None,
        priming_bar: int = 1,
        strategy: Strategy | None = None,
        seed: int = 0,
    ) -> Continuation:
        """Make a melody bar by bar, over chords if the model knows them; see `bar_by_bar`."""
        from partimento.datasets.inputs import read_input

        if isinstance(priming, str | Path):
            priming = read_input(str(priming))
        return bar_by_bar(
            self.model,
            self.representation,
            strategy or SingleStep(),
            chords=chords,
            bars=bars,
            priming=priming,
            priming_bar=priming_bar,
            generator=torch.Generator(self.model.device).manual_seed(seed),
        )

    def harmonize(
        self, melody: Piece | str | Path, *, temperature: float = 0.0, seed: int = 0
    ) -> Piece:
        """Return the melody (a piece, a file, or "bwv:253") with the voices the model adds."""
        return self.harmonization(melody, SingleStep(temperature), seed=seed).piece

    def harmonization(
        self, melody: Piece | str | Path, strategy: Strategy | None = None, *, seed: int = 0
    ) -> Harmonization:
        """Like `harmonize`, with the messages about what was done to the melody."""
        from partimento.datasets.inputs import read_input

        piece = melody if isinstance(melody, Piece) else read_input(str(melody))
        generator = torch.Generator().manual_seed(seed)
        return harmonize(
            self.model, self.representation, piece, strategy or SingleStep(), generator=generator
        )


def load(run: str | Path, *, trusted_packages: Sequence[str] = ()) -> Trained:
    """Load the best checkpoint of a run folder, or a checkpoint file.

    Args:
        run: A run folder or a checkpoint.
        trusted_packages: Packages besides the project's own whose classes the checkpoint's config
            may name. A checkpoint cannot trust anything by itself.

    Raises:
        UserError: When there is no such run, or its checkpoint is damaged, unsafe or another's.
    """
    path = checkpoint_path(Path(run))
    checkpoint = read_checkpoint(path)
    card = checkpoint["partimento"]
    # What may be built is the caller's word, never the file's.
    config = {**card["config"], "trusted_packages": list(trusted_packages)}
    representation = supplied(
        config["representation"],
        "representation",
        trusted_packages,
        **card["representation"],
    )
    if representation.distribution.state() != card["distribution"]:
        raise UserError(
            f"{path} was written for another alphabet than this version's "
            f"{type(representation).__name__} makes."
        )
    with torch.random.fork_rng(devices=[]):  # initial weights draw from the global stream
        model = build_model(config, representation)
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} holds the weights of another model than its config "
            f"'{config['model'].get('name')}' describes: {_first_line(error)}"
        ) from error
    model.restore_counters()
    return Trained(model, representation, config, path)


def checkpoint_path(run: Path) -> Path:
    """Return the checkpoint of a run folder (best, else last), or the file itself.

    Raises:
        UserError: When there is none.
    """
    if run.is_file():
        return run
    for name in ("best.ckpt", "last.ckpt"):
        if (run / "checkpoints" / name).is_file():
            return run / "checkpoints" / name
    if not run.exists():
        raise UserError(f"There is no run folder or checkpoint at {run}.")
    raise UserError(
        f"{run} is no run folder with a checkpoint (checkpoints/best.ckpt or last.ckpt)."
    )


def home_of(run: Path) -> Path:
    """Return where files made from a run belong: its folder, or that of a checkpoint lying alone.

    Raises:
        UserError: When there is no such run or checkpoint.
    """
    folder = checkpoint_path(run).resolve().parent
    return folder.parent if folder.name == "checkpoints" else folder


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint with the weights-only reader, which runs no pickled code.

    Raises:
        UserError: When it is damaged, holds a pickled object, or is not Partimento's.
    """
    try:
        with warnings.catch_warnings():  # torch muses about the pickle protocol of damaged files
            warnings.simplefilter("ignore")
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is refused: it is no checkpoint of plain weights and could run code when read."
        ) from error
    except Exception as error:  # a damaged file can fail in any way
        raise UserError(f"{path} cannot be read as a checkpoint: {_first_line(error)}") from error
    card = checkpoint.get("partimento") if isinstance(checkpoint, dict) else None
    if not isinstance(card, dict) or "format" not in card:
        raise UserError(f"{path} is a checkpoint, but none that Partimento wrote.")
    if card["format"] != CHECKPOINT_FORMAT:
        raise UserError(
            f"{path} has checkpoint format {card['format']}; this version reads "
            f"{CHECKPOINT_FORMAT}."
        )
    if not _is_whole(card):
        raise UserError(f"{path} is damaged: it lacks part of what rebuilds its model.")
    return checkpoint


def _is_whole(card: Mapping[str, Any]) -> bool:
    """True when a checkpoint's card holds what `load` reads."""
    parts = ("config", "representation", "distribution", "counters")
    if not all(isinstance(card.get(name), dict) for name in parts):
        return False
    config = card["config"]
    nodes = [config.get(name) for name in ("model", "representation")]
    built = all(isinstance(node, dict) and "_target_" in node for node in nodes)
    return built and isinstance(config.get("seed"), int)


def _first_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) < 200 else text[:199] + "…"
