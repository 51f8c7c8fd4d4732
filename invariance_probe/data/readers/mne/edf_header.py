"""The header of an EDF or BDF file.

In: a file. Out: a `Header`, whose sizes were compared with that of the file. The reserved
field says whether records are contiguous (EDF+C) or not (EDF+D).

References
----------
Kemp & Olivan 2003, European data format 'plus' (EDF+), Clin Neurophysiol 114:1755.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from invariance_probe.data.readers.formats import described
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted

MAIN = 256
"""Bytes of the header about the file, and of that about each signal."""
WIDTHS = {"label": 16, "transducer": 80, "unit": 8, "low": 8, "high": 8, "low_number": 8,
          "high_number": 8, "filters": 80, "samples": 8, "reserved": 32}  # fmt: skip
"""Bytes of each field about a signal, in their order."""
TEXTS = ("EDF Annotations", "BDF Annotations")
"""Labels of the signals that hold annotations."""
EDF = b"0       "
"""First bytes of an EDF file."""
BIOSEMI = b"\xffBIOSEMI"
"""First bytes of a BDF file."""


@dataclass(frozen=True)
class Header:
    """The header of an EDF or BDF file.

    Attributes
    ----------
    variant
        `EDF`, `EDF+C`, `EDF+D`, `BDF`, `BDF+C` or `BDF+D`.
    bytes_a_sample
        2 in EDF, 3 in BDF.
    first_byte
        Where the records begin.
    records
        Number of complete records in the file.
    record_s
        Duration of a record in seconds.
    fields
        Texts of each field about the signals (signal,), by name.
    samples
        Samples of each signal in a record (signal,).
    notes
        What is wrong with the size of the file.
    """

    variant: str
    bytes_a_sample: int
    first_byte: int
    records: int
    record_s: float
    fields: Mapping[str, tuple[str, ...]]
    samples: tuple[int, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, path: Path) -> "Header":
        """Read the header of a file.

        Raises
        ------
        DataError
            When the file is no EDF or BDF file, or its header is damaged.
        """
        with path.open("rb") as file:
            main = file.read(MAIN)
            bdf = main.startswith(BIOSEMI)
            if not bdf and not main.startswith(EDF):
                raise DataError(f"{path} is no EDF or BDF file: {described(path)}")
            signals = int(number_in(main[252:256], path, "number of signals"))
            rest = file.read(signals * MAIN)
        if len(main) < MAIN or len(rest) < signals * MAIN:
            raise DataError(
                f"{path} ends inside its header, so the file is incomplete; copy or download it "
                "again"
            )
        fields, at = {}, 0
        for name, width in WIDTHS.items():
            block = rest[at : at + width * signals].decode("latin-1")
            fields[name] = tuple(block[i * width : (i + 1) * width].strip() for i in range(signals))
            at += width * signals
        samples = tuple(
            int(number_in(text.encode(), path, f"number of samples of {label!r}"))
            for text, label in zip(fields["samples"], fields["label"], strict=True)
        )
        size = 3 if bdf else 2
        declared = int(number_in(main[236:244], path, "number of records"))
        first = MAIN * (1 + signals)
        held, left = divmod(path.stat().st_size - first, max(size * sum(samples), 1))
        reserved = main[192:236].decode("latin-1").strip()
        kind = "BDF" if bdf else "EDF"
        return cls(
            next((f"{kind}{end}" for end in ("+C", "+D") if reserved.startswith(kind + end)), kind),
            size,
            first,
            held if declared < 0 else min(declared, held),
            number_in(main[244:252], path, "duration of a record"),
            fields,
            samples,
            tuple(_size_notes(declared, held, left)),
        )

    @property
    def is_text(self) -> tuple[bool, ...]:
        """Whether a signal holds annotations (signal,)."""
        return tuple(label in TEXTS for label in self.fields["label"])


def is_edf(path: Path) -> bool:
    """Whether a file begins like EDF or BDF, whatever its name."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8).startswith((BIOSEMI, EDF))


def _size_notes(declared: int, held: int, left: int) -> list[str]:
    """Say where the size of a file differs from what its header says."""
    if declared < 0:
        return [f"the header does not say how many records the file has: {held} are read"]
    if held < declared:
        return [
            f"the header declares {counted(declared, 'record')}, but the file holds {held} "
            "complete ones, which are read"
        ]
    if held > declared or left:
        return [f"the file goes on after the {counted(declared, 'record')} of its header"]
    return []


def number_in(text: bytes, path: Path, what: str) -> float:
    """Number in a field of the header."""
    try:
        return float(text.decode("latin-1").strip())
    except ValueError:
        raise DataError(
            f"{path}: the {what} in the header is {text.decode('latin-1').strip()!r}, which is no "
            "number; the file is damaged"
        ) from None
