import copy
from pathlib import Path

import pytest
from conftest import tiny_study
from ruamel.yaml import YAML

from invariance_probe.data.problems import recording_problems
from invariance_probe.errors import StudyError
from invariance_probe.study.load import load_study, open_study
from invariance_probe.study.new import TEMPLATES, template_text
from invariance_probe.study.schema import schema_text
from invariance_probe.study.study import Study

ROOT = Path(__file__).parents[2]

GOOD = """\
name: s
question: q
recordings:
  - {kind: simulated, generator: redundancy, session: a}
target: {name: label}
views:
  transforms:
    - {kind: unit_dropout}
axes:
  - {path: unit_dropout.rate, doses: [0, 0.4]}
hypotheses:
  - id: H1
    claim: c
    predicts: sensitive
    axis: unit_dropout.rate
    dose: 0.4
    margin: {fraction_of_range: 1e-1, because: "it would not matter"}
"""

WRONG = {
    "unknown key": (
        "target: {name: label}",
        "target: {nme: label, name: label}",
        "5:",
        "target.nme: unknown key 'nme'. Did you mean 'name'?",
    ),
    "misspelt kind": (
        "kind: unit_dropout}",
        "kind: unit_dropuot}",
        "8:14",
        "unknown kind 'unit_dropuot'. Did you mean 'unit_dropout'?",
    ),
    "dose over 1": ("doses: [0, 0.4]", "doses: [0, 0.4, 1.2]", "10:", "less than 1"),
    "missing identity": (
        "doses: [0, 0.4]",
        "doses: [0.2, 0.4]",
        "10:",
        "the identity dose 0 is missing",
    ),
    "duplicate key": ("question: q", "question: q\nquestion: r", "3:1", "'question' appears twice"),
    "unknown axis": (
        "{path: unit_dropout.rate,",
        "{path: unit_dropuot.rate,",
        "10:",
        "Did you mean 'unit_dropout.rate'?",
    ),
    "wrong literal": (
        "predicts: sensitive",
        "predicts: sensitiv",
        "14:",
        "Did you mean 'sensitive'?",
    ),
    "missing key": ("    claim: c\n", "", "12:", "this key is missing"),
    "a declaration's own reason": (
        "question: q",
        "question: q\nmethod: {kind: simclr, negatives: {scope: trial, same_trial: false}}",
        "3:",
        "method.negatives: `scope: trial` takes negatives only from the anchor's own trial",
    ),
    "not swept": (
        "    dose: 0.4",
        "    dose: 0.3",
        "16:",
        "not a swept dose of unit_dropout.rate; allowed: 0.4",
    ),
}


@pytest.fixture
def write(tmp_path):
    def to_file(text):
        path = tmp_path / "study.yaml"
        path.write_text(text)
        return path

    return to_file


def test_a_good_study_loads_with_yaml_1_2_numbers(write):
    assert load_study(write(GOOD)).hypotheses[0].margin.fraction_of_range == 0.1


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_study_gives_its_line_and_column(write, name):
    old, new, where, said = WRONG[name]
    assert old in GOOD
    path = write(GOOD.replace(old, new))
    with pytest.raises(StudyError) as caught:
        load_study(path)
    lines = [line for line in str(caught.value).splitlines() if said in line]
    assert len(lines) == 1, str(caught.value)
    assert lines[0].startswith(f"{path}:{where}")
    if name != "missing identity":
        assert len(str(caught.value).splitlines()) == 1, str(caught.value)


def test_every_problem_is_reported_at_once(write):
    with pytest.raises(StudyError) as caught:
        load_study(
            write(GOOD.replace("{name: label}", "{nme: label}").replace("sensitive", "sensitiv"))
        )
    assert len(str(caught.value).splitlines()) == 3  # unknown key, missing name, wrong literal


MANY = """\
name: s
question: q
recordings:
  - {kind: npz, path: gone.npz, session: a, activity: counts, bin_s: 0.1}
  - {kind: npz, path: gone-too.npz, sesion: b, session: b, activity: counts, bin_s: 0.1}
target: {name: label}
views:
  transforms:
    - {kind: unit_dropout}
axes:
  - {path: unit_dropout.rate, doses: [0, 0.4]}
windw: {length_bins: 3}
folds: {scheme: block}
hypotheses:
  - {id: H1, claim: c, predicts: sensitive, axis: unit_dropout.rate, dose: 0.4, \
margin: {fraction_of_range: 10, because: "it would not matter"}}
  - {id: H2, claim: c, predicts: sensitive, axis: unit_dropout.rate, dose: 40, \
margin: {fraction_of_range: 0.1, because: "it would not matter"}}
"""


def test_problems_of_the_schema_of_what_must_agree_and_of_the_recordings_come_at_once(write):
    path = write(MANY)
    with pytest.raises(StudyError) as caught:
        open_study(path, (), recording_problems)
    assert [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()] == [
        "5:45: recordings[1].sesion: unknown key 'sesion'. Did you mean 'session'?",
        "13:17: folds.scheme: got 'block'. Did you mean 'blocks'?",
        "15:109: hypotheses[0].margin.fraction_of_range: input should be less than 1, got 10; "
        "write 10 % as 0.1",
        "12:1: windw: unknown key 'windw'. Did you mean 'window'?",
        "16:76: hypotheses[1].dose: 40 is not a swept dose of unit_dropout.rate; allowed: 0.4; "
        "write 40 % as 0.4",
        f"4:23: recordings[0].path: no such file: {path.parent / 'gone.npz'}",
        f"5:23: recordings[1].path: no such file: {path.parent / 'gone-too.npz'}",
    ]


def leaves(node, place=()):
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*place, key)
        if isinstance(value, dict | list):
            yield from leaves(value, (*place, key))


def mutated(place, value):
    data = tiny_study(
        window={"length_bins": 1}, null={"kind": "linear_shift"}, arms=["independent", "shared"]
    )
    node = data
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    return data


@pytest.mark.parametrize("value", ["nonsense", -7, [], {}], ids=repr)
@pytest.mark.parametrize(
    "place", list(leaves(mutated(("name",), "s"))), ids=lambda p: ".".join(map(str, p))
)
def test_whatever_is_wrong_is_told_in_lines_and_blames_nothing_that_is_right(
    tmp_path, place, value
):
    """A default that stands for a wrong section has no problems of its own to tell."""
    path = tmp_path / "study.yaml"
    YAML(typ="safe").dump(mutated(place, value), path)
    try:
        open_study(path, (), recording_problems)
    except StudyError as error:
        first, *more = str(error).splitlines()
        assert all(line.startswith(f"{path}:") for line in (first, *more))
        sections = {line.split(": ")[1].split(".")[0].split("[")[0] for line in (first, *more)}
        allowed = {
            place[0],
            *({"hypotheses"} if place[0] in ("axes", "arms", "recordings") else ()),
        }
        if place[0] not in ("views", "axes"):
            assert sections <= allowed, str(error)


@pytest.mark.parametrize(("old", "new"), [("name: s\n", "name: {}\n"), ("id: H1", "id: {}")])
def test_a_name_that_no_file_could_have_is_refused(write, old, new):
    """A study's name is a folder's, and a hypothesis's id is part of the names of its figures."""
    assert load_study(write(GOOD.replace(old, new.format("x" * 200), 1)))
    with pytest.raises(StudyError, match="at most 200 characters"):
        load_study(write(GOOD.replace(old, new.format("x" * 201), 1)))


def test_a_misspelt_axis_does_not_blame_the_hypothesis_that_is_right(write):
    with pytest.raises(StudyError) as caught:
        load_study(write(GOOD.replace("{path: unit_dropout.rate", "{path: unit_dropuot.rate")))
    (line,) = str(caught.value).splitlines()
    assert "axes[0].path" in line and line.endswith("Did you mean 'unit_dropout.rate'?")


def test_doses_in_percent_are_told_what_part_they_are(write):
    with pytest.raises(StudyError) as caught:
        load_study(write(GOOD.replace("doses: [0, 0.4]", "doses: [0, 40]")))
    (line,) = str(caught.value).splitlines()
    assert line.endswith("input should be less than 1, got 40.0; write 40 % as 0.4")


def test_an_axis_that_is_not_swept_is_not_called_unknown(write):
    views = "    - {kind: unit_dropout}\n    - {kind: gaussian_noise}\n"
    text = GOOD.replace("    - {kind: unit_dropout}\n", views)
    with pytest.raises(
        StudyError,
        match=r"'gaussian_noise[.]sigma' is not swept; the study sweeps 'unit_dropout[.]rate'",
    ):
        load_study(write(text.replace("axis: unit_dropout.rate", "axis: gaussian_noise.sigma")))


def test_a_file_that_is_not_there_or_not_yaml_says_so(write, tmp_path):
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(tmp_path / "nothing.yaml")
    with pytest.raises(StudyError, match=r"study.yaml:2:\d+: not valid YAML"):
        load_study(write("name: [1,\nquestion: }"))


def test_overrides_replace_values_and_change_the_hash(write):
    path = write(GOOD)
    plain, changed = (
        load_study(path),
        load_study(path, ["training.seeds=8", "axes.0.doses=[0, 0.4, 0.6]"]),
    )
    assert changed.training.seeds == 8
    assert changed.axes[0].doses == (0, 0.4, 0.6)
    assert changed.sha256() != plain.sha256()
    with pytest.raises(StudyError, match="path=value"):
        load_study(path, ["training.seeds"])


def test_later_problems_find_their_line_too(write):
    assert (
        open_study(write(GOOD))
        .line(("recordings", 0, "session"), "a", "why")
        .endswith(":4:55: recordings[0].session: why")
    )


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_ready_studies_load(path):
    assert load_study(path).name


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_load(write, name):
    assert load_study(write(template_text(name))).hypotheses


def test_the_committed_schema_is_current():
    assert (ROOT / "studies" / "study.schema.json").read_text() == schema_text()


def test_a_study_survives_its_yaml_round_trip(tmp_path):
    study = Study.model_validate(tiny_study())
    path = tmp_path / "s.yaml"
    YAML(typ="safe").dump(study.model_dump(mode="json"), path)
    assert load_study(path) == study


def test_loading_does_not_change_its_input():
    data = tiny_study()
    before = copy.deepcopy(data)
    Study.model_validate(data)
    assert data == before


def test_a_kind_of_recording_that_only_python_has_is_not_offered(write):
    with pytest.raises(StudyError) as caught:
        load_study(write(GOOD.replace("kind: simulated", "kind: array", 1)))
    assert "unknown kind 'array'" in str(caught.value) and "'arrays'" not in str(caught.value)
