"""Scores and tunes made to bring a reader down: each function draws one from a random stream."""

from __future__ import annotations

import bz2
import io
import random
import zipfile
from collections.abc import Callable

Maker = Callable[[random.Random], bytes]

NOTE = "<note><pitch><step>C</step><octave>4</octave></pitch><duration>{duration}</duration></note>"
ABSURD = (
    "0", "-1", "1e999999999", "1e400", "nan", "inf", "0.0000000001", "9" * 18, "9" * 5000, "1/3",
    "", "１", "0x10", "1_0", "-0", "1" + "0" * 17, "999999999.999999999",
)  # fmt: skip


def score(body: str, attributes: str = "<divisions>1</divisions>", head: str = "") -> bytes:
    return (
        f'{head}<score-partwise><part-list><score-part id="P1"/></part-list><part id="P1">'
        f'<measure number="1"><attributes>{attributes}</attributes>{body}</measure></part>'
        "</score-partwise>"
    ).encode()


def xml_absurd_number(draw: random.Random) -> bytes:
    """One number of a score is absurd, wherever numbers stand."""
    value = draw.choice(ABSURD)
    places = {
        "divisions": value, "fifths": "0", "beats": "4", "beat-type": "4", "chromatic": "0",
        "octave-change": "0", "step": "C", "alter": "0", "octave": "4", "duration": "1",
        "backup": "1", "forward": "1", "offset": "0", "degree-value": "5", "degree-alter": "0",
        "root-alter": "0", "tempo": "90",
    }  # fmt: skip
    places["divisions"] = "2"
    places[draw.choice(sorted(places))] = value
    p = places
    attributes = (
        f"<divisions>{p['divisions']}</divisions><key><fifths>{p['fifths']}</fifths></key>"
        f"<time><beats>{p['beats']}</beats><beat-type>{p['beat-type']}</beat-type></time>"
        f"<transpose><chromatic>{p['chromatic']}</chromatic>"
        f"<octave-change>{p['octave-change']}</octave-change></transpose>"
    )
    body = (
        f"<direction><sound tempo='{p['tempo']}'/></direction><harmony><root><root-step>C"
        f"</root-step><root-alter>{p['root-alter']}</root-alter></root><kind>major</kind><degree>"
        f"<degree-value>{p['degree-value']}</degree-value><degree-alter>{p['degree-alter']}"
        f"</degree-alter></degree><offset>{p['offset']}</offset></harmony>"
        f"<note><pitch><step>{p['step']}</step><alter>{p['alter']}</alter><octave>{p['octave']}"
        f"</octave></pitch><duration>{p['duration']}</duration></note>"
        f"<backup><duration>{p['backup']}</duration></backup>"
        f"<forward><duration>{p['forward']}</duration></forward>"
    )
    return score(body, attributes)


def xml_entities(draw: random.Random) -> bytes:
    """Entities that multiply, or name a file or an address."""
    levels = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, draw.randint(3, 12))
    )
    heads = [
        f'<!DOCTYPE score-partwise [<!ENTITY e0 "x">{levels}]>',
        '<!DOCTYPE score-partwise [<!ENTITY e2 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE score-partwise [<!ENTITY e2 SYSTEM "http://127.0.0.1:9/x">]>',
        '<!DOCTYPE score-partwise [<!ENTITY % e2 SYSTEM "http://127.0.0.1:9/x.dtd">%e2;]>',
        '<!DOCTYPE score-partwise SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE score-partwise PUBLIC "-//x" "file:///etc/passwd">',
    ]
    head = draw.choice(heads)
    use = "&e2;" if "ENTITY e" in head else ""
    return score(NOTE.format(duration=1) + use, head=head)


def xml_encoding(draw: random.Random) -> bytes:
    names = ["klingon", "utf-7", "utf-32", "idna", "rot13", "zlib", "unicode_escape", "mbcs",
             "utf-16", "ebcdic-cp-us", "../../x", "undefined", "shift_jis"]  # fmt: skip
    head = f'<?xml version="1.0" encoding="{draw.choice(names)}"?>'
    data = score(NOTE.format(duration=1), head=head)
    return data.replace(b"P1", draw.choice([b"P1", b"\xe9", b"\0", b"\xff\xfe"]))


def xml_deep(draw: random.Random) -> bytes:
    tag = draw.choice(["a", "measure", "note", "part", "sound", "direction", "score-partwise"])
    depth = draw.choice([1000, 100_000])
    return score(f"<{tag}>" * depth + f"</{tag}>" * draw.choice([depth, 0]))


def xml_structure(draw: random.Random) -> bytes:
    """Bars, parts and times that contradict each other or repeat."""
    note = NOTE.format(duration=draw.choice([1, 0, 10**9, 10**17]))
    bars = draw.choice([1, 3, 5000])
    measure = f'<measure number="1">{note}<backup><duration>1</duration></backup></measure>'
    parts = "".join(
        f'<part id="{draw.choice(["P1", "P2", ""])}">{measure * draw.choice([bars, bars, 2])}</part>'
        for _ in range(draw.randint(0, 4))
    )
    return f"<score-partwise><part-list/>{parts}</score-partwise>".encode()


def xml_divisions(draw: random.Random) -> bytes:
    """Every note divides the quarter note in another way."""
    count = draw.choice([30, 20_000])
    divisions = (f"{draw.randrange(1, 10**17)}.{draw.randrange(10**8)}" for _ in range(count))
    return score(
        "".join(f"<attributes><divisions>{d}</divisions></attributes>" for d in divisions)
        + NOTE.format(duration=1)
    )


def xml_huge_chord(draw: random.Random) -> bytes:
    note = NOTE.format(duration=1)
    return score(note + note.replace("<note>", "<note><chord/>") * draw.choice([250_000, 600_000]))


def xml_million_elements(draw: random.Random) -> bytes:
    return score(draw.choice(["<a/>", "<a b=''/>", "<a/>xy", "<a>é</a>ü"]) * 6_000_000)


def xml_huge_text(_: random.Random) -> bytes:
    return score("x" * (60 * 2**20))


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def container(path: str) -> bytes:
    return f'<container><rootfiles><rootfile full-path="{path}"/></rootfiles></container>'.encode()


def zip_paths(draw: random.Random) -> bytes:
    """Names that lead out of the archive."""
    name = draw.choice(
        ["../../etc/passwd", "/etc/passwd", "a/../../x.xml", "\\\\host\\x.xml", "x\n"]
    )
    inside = {name: score(NOTE.format(duration=1))} if draw.random() < 0.5 else {"a.txt": b"x"}
    return zipped({"META-INF/container.xml": container(name), **inside})


def zip_header(draw: random.Random) -> bytes:
    """A size, method, flag or place in the archive's directory is false."""
    data = bytearray(zipped({"a.xml": score(NOTE.format(duration=1))}))
    at = data.rindex(b"PK\1\2")
    offset, size = draw.choice(
        [(8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (42, 4)]
    )
    data[at + offset : at + offset + size] = draw.randbytes(size)
    return bytes(data)


def zip_nested(draw: random.Random) -> bytes:
    inner = zipped({"a.xml": score(NOTE.format(duration=1))})
    return zipped({draw.choice(["a.xml", "a.mxl", "META-INF/container.xml"]): inner})


def zip_entities(draw: random.Random) -> bytes:
    inner = {"a.xml": score(NOTE.format(duration=1)), "META-INF/container.xml": xml_entities(draw)}
    return zipped(inner)


def zip_bomb(draw: random.Random) -> bytes:
    """A gigabyte and a half of blanks, sometimes announced as a few bytes."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.xml", "w") as f,
    ):
        for _ in range(96):
            f.write(b" " * 2**24)
    data = bytearray(buffer.getvalue())
    if draw.random() < 0.5:
        at = data.rindex(b"PK\1\2")
        data[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    return bytes(data)


def zip_bomb_bz2(_: random.Random) -> bytes:
    """Some hundred bytes for every hundred megabytes, by a method that decompresses in one go."""
    data = bytearray(zipped({"a.xml": b"x" * 100}, zipfile.ZIP_STORED))
    packer = bz2.BZ2Compressor()
    packed = b"".join(packer.compress(b" " * 2**24) for _ in range(96)) + packer.flush()
    body = data.index(b"x" * 100)
    data[body : body + 100] = packed
    for signature, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        at = data.rindex(signature)
        data[at + offset : at + offset + 2] = b"\x0c\0"
        data[at + offset + 10 : at + offset + 14] = len(packed).to_bytes(4, "little")
    at = data.rindex(b"PK\5\6")
    data[at + 16 : at + 20] = data.rindex(b"PK\1\2").to_bytes(4, "little")
    return bytes(data)


def zip_many_members(_: random.Random) -> bytes:
    return zipped({f"{index}": b"" for index in range(100_000)}, zipfile.ZIP_STORED)


TUNE = "X:1\nT:x\nM:4/4\nL:1/8\nK:G\n"
ABC_BODIES = (
    "C999999999|", "C/999999999|", "C////////////////|", "(99999:9999:9999 CDE|", "(0CDE|",
    "|:" * 500 + "C" + ":|" * 500, "|: C :|99999", "[1C|[2D|[99E:|", "{" * 5000 + "C",
    "[" * 5000 + "C", "[CEG]" * 20_000, "C-" * 20_000, "^^^^^^C____D", "C,,,,,,,,,,,,,c''''''''''",
    "[K:" * 1000, "[M:0/0]C", "[M:1/0]C", "[L:1/0]C", "[L:0]C", "[L:999999/1]C", "[Q:0]C",
    "[M:99999999/1]C", '"' * 999, "!" * 999, "V:1\nC\nV:2\nD\n" * 5000, "C>>>>>>>>>>>>>>>D", "& & &",
    "P:A\nC\nP:B\nD", "|::::::::|", "w: " + "a-" * 50_000, "C\\\n" * 5000, "\0\0C", "é♯C",
    "(((((((((((CDE", "s:" * 500, "[I:x]C[r:y]", "y99999C", "Z99999999|", "z999999999|", "x1e9|",
)  # fmt: skip


def abc_body(draw: random.Random) -> bytes:
    chosen = "\n".join(draw.sample(ABC_BODIES, draw.randint(1, 3)))
    return (TUNE + chosen + "\n").encode(draw.choice(["utf-8", "utf-8", "utf-16", "utf-32"]))


def abc_header(draw: random.Random) -> bytes:
    field = draw.choice("XTMLKQVPRIUWm")
    value = draw.choice([*ABSURD, "1/999999999", "C| D", "999999/8", "((((", "=" * 50_000, "none"])
    return f"X:1\n{field}:{value}\nK:{draw.choice(['G', 'Q', '', 'none'])}\nCDEF|\n".encode()


def abc_many_tunes(draw: random.Random) -> bytes:
    return "\n".join(f"X:{n}\nK:C\nCDEF|" for n in range(draw.choice([50, 2000]))).encode()


def abc_long(draw: random.Random) -> bytes:
    """Twenty megabytes of one tune."""
    return (
        TUNE + draw.choice(["C", "|:", "[", "(3", "C|", '"', "\n", " ", "1"]) * 10_000_000
    ).encode()
