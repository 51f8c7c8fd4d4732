"""Write a simulated session to a NumPy archive.

In: a YAML file that declares one simulated recording. Out: an `.npz` archive of named
arrays, with the truth of the simulation as JSON.
"""

import json
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from invariance_probe.data.simulate import GENERATORS
from invariance_probe.errors import StudyError
from invariance_probe.study.load import read_mapping
from invariance_probe.study.recordings import SimulatedRecording


def export(spec: Path, out: Path, session: str | None = None) -> str:
    """Simulate one session of a declared world, and write it to a file.

    Parameters
    ----------
    spec
        YAML file that declares one simulated recording as a study does: the name of a
        generator, such as `generator: redundancy`, and its parameters.
    out
        The `.npz` file to write; missing folders are created.
    session
        Name of the session; the first session if omitted.

    Returns
    -------
    str
        Text that says what was written, and how a study declares the file.

    Raises
    ------
    StudyError
        With one line per problem of the declaration.
    """
    try:
        source: SimulatedRecording = TypeAdapter(SimulatedRecording).validate_python(
            {"kind": "simulated", **read_mapping(spec)}
        )
    except ValidationError as error:
        lines = [
            f"{spec}: {'.'.join(map(str, e['loc'][1:])) or 'generator'}: "
            f"{e['msg']}, got {e['input']!r}"
            for e in error.errors()
        ]
        raise StudyError("\n".join(lines)) from None
    name = session or (f"{source.session}-1" if source.sessions > 1 else source.session)
    recording = GENERATORS[source.generator](source, name)  # type: ignore[operator]
    arrays = {
        "spike_count": recording.activity,
        "bin_s": np.float64(recording.bin_s),
        "segment": recording.segments,
        "unit_ids": np.array(recording.unit_ids),
        "truth": np.array(
            json.dumps({"generator": source.model_dump(mode="json"), **recording.truth})
        ),
        **recording.targets,
        **({"trial": recording.trials} if recording.trials is not None else {}),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        np.savez_compressed(file, **arrays)
    trial = ", trial: trial" if recording.trials is not None else ""
    return (
        f"wrote {out}: {recording.activity.shape[0]} bins, {recording.activity.shape[1]} units, "
        f"targets {', '.join(sorted(recording.targets))}; in a study:\n"
        f"- {{kind: npz, path: {out}, session: {name}, activity: spike_count, "
        f"bin_s: bin_s, segment: segment, unit_ids: unit_ids{trial}}}\n"
    )
