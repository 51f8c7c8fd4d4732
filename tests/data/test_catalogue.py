"""The catalogue: what it says, that its files are what it says, and its downloads.

Downloads come from a server on this machine. No test needs the internet.
"""

import hashlib
import http.server
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from invariance_probe.data.catalog import CATALOG, entry_named, resolve
from invariance_probe.data.catalog.entry import CataloguedFile, Entry
from invariance_probe.data.catalog.fetching import fetch
from invariance_probe.data.catalog.folders import (
    destination,
    folder_of,
    is_as_catalogued,
    search_path,
)
from invariance_probe.data.catalog.words import info_lines, table_lines
from invariance_probe.errors import DataError
from invariance_probe.study.recordings import CatalogRecording

PAGE = Path(__file__).parents[2] / "docs" / "data" / "catalogue.md"
BYTES = np.random.default_rng(0).bytes(300_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves bytes by path, and remembers what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = {}, []
        self.break_after = None
        self.knows_ranges = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        begin = begin if self.server.knows_ranges else 0
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        stop = None if self.server.break_after is None else begin + self.server.break_after
        self.wfile.write(content[begin:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def entry(*files, **more):
    said = dict.fromkeys(
        ("what", "subjects", "about", "good_for", "citation", "licence", "source", "checked"), "x"
    )
    return Entry(files=files, **{**said, **more})


def catalogued(server, path, content=BYTES):
    return CataloguedFile(
        path, len(content), hashlib.sha256(content).hexdigest(), f"{server.url}/{path}"
    )


def told():
    """A listener, and the list of what it was told."""
    heard = []
    return heard, lambda file, done: heard.append((file.path, done))


def test_files_are_fetched_once_and_checked(server, tmp_path):
    server.files = {"/a/one.bin": BYTES, "/a/two.bin": BYTES[:5000]}
    made = entry(catalogued(server, "a/one.bin"), catalogued(server, "a/two.bin", BYTES[:5000]))
    heard, on_bytes = told()
    assert fetch("test/two", made, tmp_path / "new", on_bytes) == made.files
    for path, content in server.files.items():
        assert (tmp_path / f"new{path}").read_bytes() == content
    assert [done for path, done in heard if path == "a/one.bin"][-1] == len(BYTES)
    assert heard[-1] == ("a/two.bin", 5000)
    assert fetch("test/two", made, tmp_path / "new", on_bytes) == ()
    assert len(server.asked) == 2
    assert {path.name for path in (tmp_path / "new" / "a").iterdir()} == {"one.bin", "two.bin"}


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_download_that_broke_off_goes_on_where_it_was(server, tmp_path, knows_ranges):
    server.files = {"/one.bin": BYTES}
    server.break_after, server.knows_ranges = 200_000, knows_ranges
    made = entry(catalogued(server, "one.bin"))
    _, on_bytes = told()
    with pytest.raises(DataError, match="the download broke off") as error:
        fetch("test/one", made, tmp_path, on_bytes)
    part = tmp_path / "one.bin.part"
    kept = part.stat().st_size
    assert 0 < kept <= 200_000 and part.read_bytes() == BYTES[:kept]
    assert f"{kept / 1e3:.1f} kB are kept, and the same command goes on there" in str(error.value)
    assert not (tmp_path / "one.bin").exists()
    server.break_after = None
    fetch("test/one", made, tmp_path, on_bytes)
    assert server.asked[-1] == ("/one.bin", f"bytes={kept}-")
    assert (tmp_path / "one.bin").read_bytes() == BYTES
    assert [path.name for path in tmp_path.iterdir()] == ["one.bin"]


@pytest.mark.parametrize("left", [BYTES, BYTES + b"more", b"other" * 10])
def test_what_an_earlier_download_left_is_used_only_if_it_is_right(server, tmp_path, left):
    server.files = {"/one.bin": BYTES}
    (tmp_path / "one.bin.part").write_bytes(left)
    made = entry(catalogued(server, "one.bin"))
    if left.startswith(b"other"):
        with pytest.raises(DataError, match="serves another file"):
            fetch("test/one", made, tmp_path, told()[1])
        assert list(tmp_path.iterdir()) == []
    fetch("test/one", made, tmp_path, told()[1])
    assert (tmp_path / "one.bin").read_bytes() == BYTES
    assert len(server.asked) == {BYTES: 0, BYTES + b"more": 1}.get(left, 2)


def test_other_bytes_are_not_kept(server, tmp_path):
    made = entry(catalogued(server, "one.bin"))
    server.files = {"/one.bin": BYTES[::-1]}
    with pytest.raises(DataError, match=r"serves another file.*nothing was kept"):
        fetch("test/one", made, tmp_path, told()[1])
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_is_left_as_it_is(server, tmp_path):
    (tmp_path / "one.bin").write_bytes(b"mine")
    made = entry(catalogued(server, "one.bin"))
    with pytest.raises(DataError, match=r"one.bin is another file .* Move it away"):
        fetch("test/one", made, tmp_path, told()[1])
    assert (tmp_path / "one.bin").read_bytes() == b"mine" and not server.asked


def test_without_a_network_it_says_how_to_place_the_file(server, tmp_path):
    made = entry(catalogued(server, "gone.bin"))
    with pytest.raises(DataError, match="the server answered 404"):
        fetch("test/one", made, tmp_path, told()[1])
    server.server_close()
    with pytest.raises(DataError) as error:
        fetch("test/one", made, tmp_path, told()[1])
    for part in (
        "there is no connection to the server", made.files[0].url, made.files[0].sha256,
        f"save it as {tmp_path / 'gone.bin'} (300.0 kB", "`invariance-probe data info test/one`",
    ):  # fmt: skip
        assert part in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("no folder")
    made = entry(catalogued(server, "file/one.bin"))
    with pytest.raises(DataError, match=r"file.* cannot be written: .*choose another"):
        fetch("test/one", made, tmp_path, told()[1])


def test_entries_without_an_address_say_how_they_were_made(tmp_path):
    made = entry(CataloguedFile("a/x.npz", 3, "0" * 64), made="Made from a pickle.")
    with pytest.raises(DataError, match=r"no public address\. Made from a pickle\. Put a/x.npz"):
        destination("test/one", made, None)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.npz").write_bytes(b"own")
    assert destination("test/one", made, tmp_path) == tmp_path


def test_a_missing_recording_names_the_command_that_fetches_it(tmp_path, monkeypatch):
    monkeypatch.setattr("invariance_probe.data.catalog.folders.search_path", lambda: [tmp_path])
    with pytest.raises(DataError, match="run `invariance-probe data fetch dandi-000207/sub-4`"):
        resolve(CatalogRecording(name="dandi-000207/sub-4"))
    with pytest.raises(DataError, match="`invariance-probe data info m1-reach/mihi-1` says how"):
        resolve(CatalogRecording(name="m1-reach/mihi-1"))
    with pytest.raises(DataError, match="No reader of this version opens EDF"):
        resolve(CatalogRecording(name="sleep-edf/sc4001"))
    with pytest.raises(DataError, match="did you mean 'dandi-000207/sub-4'"):
        entry_named("dandi-000207/sub-5")


def test_the_declared_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("INVARIANCE_PROBE_DATA", str(tmp_path))
    assert search_path()[0] == tmp_path
    made = CATALOG["dandi-000207/sub-4"]
    if folder_of(made) is None:
        assert destination("x", made, None) == tmp_path
    assert destination("x", made, tmp_path / "other") == tmp_path / "other"


@pytest.mark.parametrize("name", CATALOG)
def test_entries_are_complete(name):
    made = CATALOG[name]
    for text in (made.what, made.subjects, made.about, made.good_for, made.citation,
                 made.licence, made.source, made.checked):  # fmt: skip
        assert text
    assert made.files and len({file.path for file in made.files}) == len(made.files)
    for file in made.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) and file.size > 0
        assert file.url is None or file.url.startswith("https://")
        assert not Path(file.path).is_absolute()
    assert made.is_public or made.made
    assert made.recording or made.use
    said = "\n".join(info_lines(name, made))
    assert ("kind: catalog" in said) == (made.recording is not None)
    for file in made.files:
        assert file.sha256 in said and f"{file.size:,} bytes" in said


@pytest.mark.parametrize("name", CATALOG)
def test_files_are_those_catalogued(name):
    folder = folder_of(CATALOG[name])
    if folder is None:
        pytest.skip(f"the files of {name} are not on this machine; see INVARIANCE_PROBE_DATA")
    assert all(is_as_catalogued(file, folder) for file in CATALOG[name].files)


def test_the_table_has_a_line_for_each_entry_and_fits_a_page():
    lines = table_lines(CATALOG)
    assert len(lines) == len(CATALOG) + 1 and max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", ["sleep-ca1/xyf06", "m1-bci/monkey-j"])
def test_the_lines_of_the_page_make_the_converted_files(name, tmp_path, monkeypatch, public):
    """Run the block of the page that follows the name of the entry."""
    [block] = re.findall(rf"`{name}`, from .*?```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for file in CATALOG[f"{name}-source"].files:
        (tmp_path / file.path).parent.mkdir(exist_ok=True)
        (tmp_path / file.path).symlink_to(public(file.path))
    [file] = CATALOG[name].files
    wanted = np.load(public(file.path))
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    found = np.load(tmp_path / file.path)
    assert set(found) == set(wanted)
    for key in wanted:
        np.testing.assert_array_equal(found[key], wanted[key])
        assert found[key].dtype == wanted[key].dtype or key == "bin_s"
