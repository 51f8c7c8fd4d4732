"""EDF and BDF files for tests, written byte by byte from given numbers."""

import numpy as np

WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
"""Bytes of each field about a signal."""


def channel(label, values, rate=100, unit="uV", limits=(-3276.8, 3276.7), numbers=None):
    """A signal: its label, numbers as stored (sample,), rate, unit and physical range."""
    low, high = numbers or (-32768, 32767)
    return label, np.asarray(values), rate, unit, limits, (low, high)


def stamp(onset, duration=None, text=""):
    """One annotation as EDF+ stores it; without text it gives the time of a record."""
    lasts = "" if duration is None else f"\x15{duration}"
    return f"{onset:+g}{lasts}\x14{text}\x14\x00"


def write_edf(
    path, channels, onsets=None, texts=(), variant="", record_s=1, bdf=False, text_size=60
):
    """Write a file: records hold `record_s` seconds of each channel.

    Parameters
    ----------
    path
        The file.
    channels
        Signals from `channel`.
    onsets
        Onset of each record in seconds; no signal of annotations if omitted.
    texts
        Annotations (onset, duration, text), all kept in the first record.
    variant
        Reserved field of the header, such as `EDF+D`.
    """
    size = 3 if bdf else 2
    each = [round(rate * record_s) for _, _, rate, *_ in channels]
    records = len(onsets) if onsets is not None else len(channels[0][1]) // each[0]
    rows = [
        (label, "", unit, *(str(one)[:8] for one in (*limits, *numbers)), "", str(count), "")
        for (label, _, _, unit, limits, numbers), count in zip(channels, each, strict=True)
    ]
    lists = ["".join(stamp(*row) for row in texts)] + [""] * records
    if onsets is not None:
        name = "BDF Annotations" if bdf else "EDF Annotations"
        width = max(text_size, 16 + len(lists[0].encode())) // size + 1
        ends = ("-8388608", "8388607") if bdf else ("-32768", "32767")
        rows.append((name, "", "", "-1", "1", *ends, "", str(width), ""))
    head = (
        (b"\xffBIOSEMI" if bdf else b"0       ")
        + b"X X X X".ljust(80)
        + b"Startdate X X X X".ljust(80)
    )
    head += b"01.01.0112.00.00" + str(256 * (1 + len(rows))).encode().ljust(8)
    head += variant.encode().ljust(44) + str(records).encode().ljust(8)
    head += f"{record_s:g}".encode().ljust(8) + str(len(rows)).encode().ljust(4)
    for field, wide in enumerate(WIDTHS):
        head += b"".join(row[field].encode("latin-1").ljust(wide) for row in rows)
    body = b""
    for record in range(records):
        for (_, values, *_), count in zip(channels, each, strict=True):
            part = np.asarray(values[record * count : (record + 1) * count], dtype="<i4")
            body += part.view(np.uint8).reshape(-1, 4)[:, :size].tobytes()
        if onsets is not None:
            held = (stamp(onsets[record]) + lists[record]).encode()
            body += held.ljust(width * size, b"\x00")
    path.write_bytes(head + body)
    return path
