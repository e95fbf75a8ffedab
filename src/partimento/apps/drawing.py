"""What `generate` makes of models that need no melody: samples, those of given codes, ways, mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partimento.apps.made import Made
from partimento.apps.mixing import asks_for_mixture, mixture
from partimento.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from partimento.generation.strategies import Strategy
    from partimento.loading import Trained

CLOUD = 2000
"""Points of the plane that stand around a way through it."""


def asked(resolved: Mapping[str, Any]) -> str:
    """Return what is asked for: "input", "count", "z", "interpolate", "mix" or "bars".

    Raises:
        UserError: When that is nothing, or two things at once.
    """
    between = resolved["interpolate"]["between"]
    if asks_for_mixture(resolved):
        return "mix"
    others = [name for name in ("input", "count", "z") if resolved[name] is not None]
    others += [] if between is None else ["interpolate.between"]
    for name in ("chords", "bars", "priming"):
        if resolved[name] is None:
            continue
        if others:
            raise UserError(
                f"{name}=… asks for one melody made bar by bar, and {others[0]}=… for something "
                f"else: leave {others[0]} out."
            )
        return "bars"
    if resolved["count"] is not None and (resolved["z"] is not None or between is not None):
        raise UserError(
            "count=… draws codes, and z=… or interpolate.between=… say which: leave count out."
        )
    if between is not None:
        return "interpolate"
    for name in ("z", "count", "input"):
        if resolved[name] is not None:
            return name
    raise UserError(
        "input= is missing: give a melody to harmonise, or of a model that needs none count=8, "
        "z=FILE.npy, or interpolate.between=[1,2], or of a model of bars "
        'chords="C G Am F" or bars=8.'
    )


def draw(trained: Trained, resolved: Mapping[str, Any], strategy: Strategy) -> Made:
    """Ask a model for samples, or for what lies between two codes.

    Raises:
        UserError: When the model has no codes where some are asked for, or the codes are not its.
    """
    kind, seed = asked(resolved), resolved["seed"]
    condition = condition_of(trained, resolved["input"])
    if kind == "interpolate":
        return _between(trained, resolved, strategy, condition)
    if kind == "mix":
        return mixture(trained, resolved, strategy, condition)
    import torch

    from partimento.models.latent import Generative, seeded_codes

    codes = None
    if kind == "z":
        codes = codes_of(trained, resolved["z"])
    elif isinstance(trained.model, Generative):
        codes = seeded_codes(trained.model, seed, resolved["count"])
    x = strategy.generate(
        trained.model,
        n=resolved["count"],
        z=codes,
        condition=condition,
        generator=torch.Generator().manual_seed(seed),
    )
    drawn = f"samples-{len(x)}-seed-{seed}"  # fewer would leave files of the others behind
    stem = drawn if kind == "count" else f"samples-of-{_name_of(resolved['z'])}"
    return Made(x, codes, "sample", stem, f"{len(x)} samples")


def _between(
    trained: Trained,
    resolved: Mapping[str, Any],
    strategy: Strategy,
    condition: Mapping[str, Tensor] | None,
) -> Made:
    from partimento.generation.latent import along
    from partimento.models.latent import interpolate

    asked = resolved["interpolate"]
    (first, last), steps, method = asked["between"], asked["steps"], asked["method"]
    if resolved["z"] is None:
        ends = [trained.codes(seed=place)[0] for place in (first, last)]
    else:
        codes = codes_of(trained, resolved["z"])
        for place in (first, last):
            if place >= len(codes):
                raise UserError(
                    f"interpolate.between asks for row {place} of {resolved['z']}, which has rows "
                    f"0 to {len(codes) - 1}."
                )
        ends = [codes[first], codes[last]]
    way = interpolate(ends[0], ends[1], steps, method)
    x = along(trained.model, way, strategy, condition=condition, seed=resolved["seed"])
    source = "" if resolved["z"] is None else f"-of-{_name_of(resolved['z'])}"
    told = f"{'code' if resolved['z'] is None else 'row'} {first} to {last}, {method}"
    return Made(x, way, "step", f"{method}-{first}-{last}-in-{steps}{source}", told)


def _name_of(path: str) -> str:
    """Return what tells a file of codes from others: its folder, where it has the usual name."""
    file = Path(path).resolve()
    return file.parent.name if file.stem == "codes" else file.stem


def codes_of(trained: Trained, path: str) -> Tensor:
    """Return the codes of a file, for this model.

    Raises:
        UserError: When the model has none, or those of the file have another size.
    """
    import torch

    from partimento.generation.latent import read_codes
    from partimento.models.latent import check_codes, generative

    latent = generative(trained.model).latent
    try:
        return check_codes(torch.from_numpy(read_codes(path)), latent)
    except UserError as error:
        raise UserError(f"{error}" if path in f"{error}" else f"{path}: {error}") from error


def condition_of(trained: Trained, source: str | None) -> dict[str, Tensor] | None:
    """Return the conditions of the first window of a piece, `(1, ...)` each; None: there are none.

    Raises:
        UserError: When the model has conditions and there is no piece, or the other way round.
    """
    import torch

    names = list(trained.model.conditions)
    if source is None:
        if names:
            raise UserError(
                f"This model makes music under conditions ({', '.join(names)}): name a piece whose "
                "first window has them by input=…, or ask a model of bars for a melody by "
                'chords="C G Am F" or bars=8.'
            )
        return None
    if not names:
        raise UserError(
            "input=… gives conditions where count, z or interpolate is asked for, and this model "
            "has none: leave input out."
        )
    from partimento.datasets.inputs import read_input

    examples = trained.representation.windows(read_input(source), stride=1)
    if not len(examples):
        raise UserError(f"{source} has no full window of this representation: take a longer piece.")
    return {name: torch.from_numpy(examples.condition[name][:1]) for name in names}


def write(trained: Trained, made: Made, folder: Path, seed: int) -> dict[str, Path]:
    """Write what was made, and its codes, to a folder; return the files by kind."""
    from partimento.generation.latent import write_codes

    x = made.x.cpu().numpy()
    if trained.representation.content == "points":
        files = {"sheet": _draw_plane(trained, made, folder / "sheet.png", seed)}
    else:
        from partimento.reports.album import write_album

        pieces = [trained.representation.decode(example) for example in x]
        titles = [f"{made.name} {number}" for number in range(1, len(pieces) + 1)]
        files = write_album(pieces, folder, name=made.name, titles=titles, heading=made.heading)
    if made.codes is not None:
        files["codes"] = write_codes(made.codes, folder / "codes.npy")
    return files


def _draw_plane(trained: Trained, made: Made, path: Path, seed: int) -> Path:
    import torch

    from partimento.reports.points import draw_points, draw_walk

    x = made.x.cpu().numpy()
    if made.name == "sample":
        draw_points(x, path, title=made.heading)
    else:
        around = torch.Generator().manual_seed(seed)
        cloud = trained.model.sample(CLOUD, generator=around, temperature=0).cpu().numpy()
        draw_walk(x, path, cloud=cloud, title=made.heading)
    return path
