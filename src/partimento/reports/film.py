"""A film of training: pictures of one size and one pitch axis, and what plays them in turn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import Gt

from partimento.representations.base import Representation

PIANO = (21, 108)
"""Keys of a piano, which are shown of a representation that does not say what it holds."""


def span_of(representation: Representation) -> tuple[int, int]:
    """Return the lowest and the highest MIDI number that a representation can write.

    Frames of a film share it, whatever the model makes in the first epochs.
    """
    arguments = representation.arguments()
    if "ranges" in arguments:
        low, high = zip(*arguments["ranges"], strict=True)
        return min(low), max(high)
    return arguments.get("low", PIANO[0]), arguments.get("high", PIANO[1])


def write_gif(
    frames: Sequence[Path],
    path: str | Path,
    *,
    seconds: Annotated[float, Gt(0)] = 0.5,
    pause: Annotated[int, Gt(0)] = 4,
) -> Path:
    """Play pictures in turn as an animated GIF that begins anew for ever.

    Args:
        frames: Pictures of one size, in order; at least one.
        path: The file to write.
        seconds: How long each is shown.
        pause: How many times as long the last is.
    """
    from PIL import Image

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)

    def palette(frame: Path) -> Image.Image:
        with Image.open(frame) as picture:
            # No dithering: its grain differs from frame to frame, and flickers.
            return picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)

    shown = [round(1000 * seconds)] * len(frames)
    shown[-1] *= pause
    first, *others = frames
    palette(first).save(
        path,
        save_all=True,
        append_images=(palette(frame) for frame in others),  # one in memory at a time
        duration=shown,
        loop=0,
    )
    return path
