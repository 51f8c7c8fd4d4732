"""`data list`, `data info` and `data fetch`, and a study of what was fetched.

Files come from a server on this machine.
"""

import functools
import hashlib
import http.server
import threading

import numpy as np
import pytest
from conftest import tiny_study
from helpers.program import invoke, write

from invariance_probe.data.catalog import CATALOG
from invariance_probe.data.catalog.entry import CataloguedFile, Entry
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import NpzRecording

NAME = "test/session-1"


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder whose one file is an entry of the catalogue, served from this machine."""
    rng = np.random.default_rng(0)
    source = tmp_path / "server"
    source.mkdir()
    label = np.cumsum(rng.standard_normal(640)) / 10
    counts = rng.poisson(3 + np.abs(label)[:, None], (640, 12))
    np.savez(source / "one.npz", counts=counts, label=rng.permuted(label))
    content = (source / "one.npz").read_bytes()
    handler = functools.partial(Silent, directory=str(source))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("INVARIANCE_PROBE_DATA", str(tmp_path / "data"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        file = CataloguedFile(
            "made/one.npz",
            len(content),
            hashlib.sha256(content).hexdigest(),
            f"http://127.0.0.1:{server.server_port}/one.npz",
        )
        entry = Entry(
            what="a made session", subjects="1 animal", about="Made.", good_for="tests.",
            citation="nobody", licence="none", source="here", checked="Computed.", files=(file,),
            recording=NpzRecording(path=file.path, session="one", activity="counts", bin_s=0.1),
            target=Target(name="label"),
        )  # fmt: skip
        monkeypatch.setitem(CATALOG, NAME, entry)
        yield tmp_path
        server.shutdown()
        thread.join()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_study_names_the_command_that_fetches_its_recording_and_then_finds_it(served):
    study = write(served, tiny_study(recordings=[{"kind": "catalog", "name": NAME}]))
    assert f"{NAME:<24}" in invoke("data", "list", cwd=served, check=0).stdout
    missing = invoke("validate", study, cwd=served, check=2).stderr
    assert "study.yaml:" in missing and f"run `invariance-probe data fetch {NAME}`" in missing
    fetched = invoke("data", "fetch", NAME, cwd=served, check=0)
    assert fetched.stdout == f"{NAME} fetched to {served / 'data'}\n"
    assert "made/one.npz: " in fetched.stderr
    assert "valid; 1 session" in invoke("validate", study, cwd=served, check=0).stdout
    again = invoke("data", "fetch", NAME, cwd=served, check=0)
    assert again.stdout == f"{NAME} is here already: {served / 'data'}\n" and not again.stderr
    said = invoke("data", "info", NAME, cwd=served, check=0).stdout
    assert f"in {served / 'data'}, with the hashes above" in " ".join(said.split())
    [line] = [one for one in invoke("data", "list", cwd=served).stdout.splitlines() if NAME in one]
    assert line.endswith("here")


def test_another_folder_is_told_to_be_one_that_studies_do_not_search(served):
    said = invoke("data", "fetch", NAME, "--to", "elsewhere", cwd=served, check=0).stdout
    assert (served / "elsewhere" / "made" / "one.npz").is_file()
    assert f"INVARIANCE_PROBE_DATA is {served / 'elsewhere'}" in said


def test_nothing_is_downloaded_if_one_of_the_names_is_wrong(served):
    wrong = invoke("data", "fetch", NAME, "test/session-2", cwd=served, check=2).stderr
    assert f"did you mean {NAME!r}?" in wrong and not (served / "data").exists()
    assert invoke("data", "info", "nothing", cwd=served, check=2).stderr
