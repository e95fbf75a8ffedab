"""The Nottingham Music Database: British and American folk tunes with chords, from a local copy."""

from __future__ import annotations

import re
from collections.abc import Sequence

from partimento.datasets.leadsheets import LeadSheets

_FOXLEY = re.compile(r"([A-G](?:#|b)?)(d|a)(7?)((?:/.*)?)")
_WORDS = {"d": "dim", "a": "aug"}


class Nottingham(LeadSheets):
    """The tunes of the Nottingham Music Database that have chord symbols, read from ABC files.

    Made for the cleaned ABC edition of jukedeck/nottingham-dataset: 1,034 tunes in 14 files, of
    which 1,021 have chords. See `LeadSheets` for what is kept, and for the arguments. The
    collection's own "Gd" and "Ea" are read as "Gdim" and "Eaug".
    """

    name = "nottingham"
    title = "Nottingham Music Database, melodies with chord symbols"
    licence = (
        "GPL-3.0 in the cleaned edition (github.com/jukedeck/nottingham-dataset); whether that "
        "reaches the tunes, most of them traditional, is not settled. They are read from your own "
        "copy and not redistributed."
    )
    citation = (
        "Eric Foxley: Nottingham Music Database, in ABC by James Allwright; cleaned edition: "
        "Jukedeck, 2017, https://github.com/jukedeck/nottingham-dataset."
    )
    notes: tuple[str, ...] = (
        "Not the piano-roll set of Boulanger-Lewandowski et al. (2012), dataset=nottingham_rolls.",
        "'d' and 'a' after the root of a chord symbol are read as diminished and augmented.",
    )
    # Lowest and highest note of the 1,021 tunes, as MIDI numbers (checked in the tests).
    ranges: Sequence[tuple[int, int]] = ((55, 88),)

    def symbol(self, text: str) -> str:
        found = _FOXLEY.fullmatch(text.strip())
        if found is None:
            return text
        root, sign, seventh, bass = found.groups()
        return f"{root}{_WORDS[sign]}{seventh}{bass}"
