"""Files that nobody would write: valid ones changed at random, and the known tricks."""

import io
import re
import struct
import warnings
import zipfile

import numpy as np

Rng = np.random.Generator
PIECES = [
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\n\n", b"\t", b" ", b",", b";", b":", b'"', b"'", b"#", b"-", b"- ",
    b"nan", b".nan", b"inf", b"-.inf", b"1e999", b"1e-999", b"9" * 30, b"9" * 5000, b"-1", b"0x" + b"f" * 4000, b"1:2:3:4", b"true", b"null",
    b"~", b"2024-02-30", b"=", b"<<", b"<<: {a: 1}\n", b"? ", b"? [a]\n: b\n", b"&a ", b"*a", b"!!set ", b"!!python/object/apply:os.system ['true'] ",
    b"!!binary x", b"!!timestamp x", b"!!bool x", b"!!int x", b"!x ", b"%YAML 9.9\n", b"---\n", b"...\n", b"|\n", b">\n",
    b"[" * 800, b"{" * 800, b"[[1, 2], ", b"{a: {b: ", b"../../../x", b"/etc/passwd", b"name: ../../evil\n", b"name: /etc/evil\n", b"name: a/../../b\n",
    "ünïcödé".encode(), "ünïcödé".encode("latin-1"), "\u202e\u0000\ud7ff".encode(), b"x" * 3000,
]  # fmt: skip


def mutated(content: bytes, rng: Rng) -> bytes:
    """A valid file with one change or a few."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4])):
        place = int(rng.integers(0, len(changed) + 1))
        length = int(rng.choice([1, 2, 8, 40, 400]))
        match int(rng.integers(0, 11)):
            case 0 if place < len(changed):
                changed[place] ^= 1 << int(rng.integers(0, 8))
            case 1 if place < len(changed):
                changed[place] = int(rng.integers(0, 256))
            case 2:
                del changed[place : place + length]
            case 3:
                changed[place:place] = changed[place : place + length] * int(rng.choice([1, 2, 50]))
            case 4:
                del changed[place:]
            case 5:
                other = int(rng.integers(0, len(changed) + 1))
                changed[place : place + length] = changed[other : other + length]
            case 6:
                lines = changed.split(b"\n")
                rng.shuffle(lines)
                changed = bytearray(b"\n".join(lines))
            case 7:
                changed[place:place] = PIECES[int(rng.integers(0, len(PIECES)))]
            case _:  # a word or number becomes another
                words = list(re.finditer(rb"[\w.+-]+", changed))
                if words:
                    word, other = (words[int(rng.integers(0, len(words)))] for _ in range(2))
                    piece = PIECES[int(rng.integers(0, len(PIECES)))] if rng.integers(0, 2) else other[0]
                    changed[word.start() : word.end()] = piece
    if rng.integers(0, 50) == 0:
        encoding = str(rng.choice(["utf-16", "utf-32", "cp037", "utf-7"]))
        return bytes(changed).decode("latin-1").encode(encoding)
    return bytes(changed)


def npy(
    shape: object, descr: object = "<f8", content: bytes = b"", *, order: object = False, version: int = 1
) -> bytes:
    """An array's file with a header that says what it likes."""
    header = repr({"descr": descr, "fortran_order": order, "shape": shape}).encode()
    header = header.ljust((len(header) // 64 + 1) * 64) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(header) % (2**16 if version == 1 else 2**32))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + content


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name may stand twice
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


SHAPES = [
    (), (0,), (1,), (30,), (-1,), (-30,), (30, -1), (-5, -6), (30, 3), (3, 30), (0, 10**18), (10**18, 0), (10**18,), (2**62, 2**62), (2**63,),
    (2**64 + 30,), (30.0,), (True,), "30", None, [30], (30,) * 70, (10**10, 3), ((30,),), (10**4000,),
]  # fmt: skip
DESCRS = [
    "<f8", ">f8", "<f4", "<f2", "<f16", "<i8", ">i4", "|u1", "|b1", "<c16", "|O", "O", "<U0", "<U4", ">U4", "|S4", "|V8", "<M8[D]", "<m8[s]", "<U1000000000",
    [("a", "<f8")], [("a", "|O")], [], "", "x", None, 3, "f8,f8", "<f8;os.system('true')", ("<f8", (3,)), "<i99",
]  # fmt: skip
COMPRESSIONS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
NAMES = [
    "x.npy",
    "y.npy",
    "x",
    "X.npy",
    "../../x.npy",
    "/etc/x.npy",
    "x_train.npy",
    "y_test.npy",
    "x\x00.npy",
    ".npy",
    "a/b/x.npy",
    "x_val.npy",
]


def members_of(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezipped(packed: bytes, rng: Rng) -> bytes:
    """An archive whose members were changed and then packed anew, so that its checksums are right."""
    members = members_of(packed)
    chosen = str(rng.choice(list(members)))
    return zipped(members | {chosen: mutated(members[chosen], rng)}, int(rng.choice(COMPRESSIONS)))


def strange_npz(packed: bytes, rng: Rng) -> bytes:
    """An archive that is whole, with an array whose name or header is not."""
    members = members_of(packed)
    chosen = str(rng.choice(list(members)))
    content = members.pop(chosen)
    if rng.integers(0, 3) == 0:
        return zipped(members | {NAMES[int(rng.integers(0, len(NAMES)))]: content})
    shape = SHAPES[int(rng.integers(0, len(SHAPES)))] if rng.integers(0, 2) else (30,)
    descr = DESCRS[int(rng.integers(0, len(DESCRS)))] if rng.integers(0, 2) else "<i8"
    order = [False, True, 1, None, "no"][int(rng.choice([0, 0, 0, 1, 2, 3, 4]))]
    length = int(rng.choice([0, 240, 480, 720, 2000]))
    content = bytes(length) if rng.integers(0, 2) else rng.bytes(length)
    header = npy(shape, descr, content, order=order, version=int(rng.choice([1, 1, 1, 2, 3, 4])))
    return zipped(members | {chosen: header}, int(rng.choice(COMPRESSIONS)))


def bomb(num_bytes: int) -> bytes:
    """An archive that unpacks to that many zeros, at about a thousandth of the size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        member.write(npy((num_bytes,), "|u1"))
        for _ in range(num_bytes // 2**20):
            member.write(bytes(2**20))
    return buffer.getvalue()


def saved(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
