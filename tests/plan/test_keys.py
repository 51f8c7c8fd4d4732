"""A run's keys, put together from what is written already, are the hashes of its specification."""

import json

import pytest
from conftest import tiny_study

from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.plan.run import key_of, train_key_of
from invariance_probe.study.declaration import canonical_field, canonical_json, sha256_of
from invariance_probe.study.examinations import Comparison
from invariance_probe.study.methods import DECLARED_METHODS
from invariance_probe.study.probes import Target
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study
from invariance_probe.study.transforms import GaussianNoise
from invariance_probe.study.views import Views

STUDIES = {
    "dropout": {},
    "categorical": {
        "target": {"name": "t", "kind": "categorical"},
        "folds": {"scheme": "trials", "count": 3, "embargo_s": 0.1},
    },
    "supervised by the target": {
        "method": {"kind": "y_aware"},
        "sweeps": [{"path": "training.learning_rate", "values": [1, 1e-7]}],
    },
    "options": {
        "method": {"kind": "moco", "training": {"optimizer": "sgd"}},
        "null": {"kind": "other_sessions"},
    },
    "umlauts": {"target": {"name": 'l"ä\\bel\u2028\U0001f9e0'}},
}


@pytest.mark.parametrize("name", STUDIES)
def test_a_key_is_the_hash_of_the_canonical_specification(name):
    study = Study.model_validate(tiny_study(**STUDIES[name]))
    runs = Plan(
        study, tuple(Session(f"s{i}", "a", "", f"f{i}", study.recordings[0]) for i in range(7))
    ).runs
    assert len({run.key() for run in runs}) > 100
    for run in runs:
        stored = json.loads(canonical_json(run.specification()))
        assert run.key() == sha256_of(run.specification()) == key_of(stored)
        assert run.train_key() == train_key_of(stored)


@pytest.mark.parametrize("kind", DECLARED_METHODS)
@pytest.mark.parametrize("arm", ["independent", "oracle"])
def test_targets_share_an_encoder_just_where_training_reads_none(kind, arm):
    """Shown from the declarations: a kind that comes later is covered too."""
    study = Study.model_validate(tiny_study())
    planned = Plan(study, (Session("s", "a", "", "f", study.recordings[0]),)).grid[-1]
    declared = DECLARED_METHODS[kind].model_construct()
    run = planned.model_copy(update={"method": declared, "arm": arm})
    other = run.model_copy(update={"target": Target(name="another")})
    reads = declared.reads_target or arm == "oracle"
    assert (run.train_key() == other.train_key()) is not reads and run.key() != other.key()


def test_the_name_of_a_session_is_in_its_keys_and_that_of_its_subject_in_none():
    """A session's name seeds its random sequences; a subject's seeds nothing."""
    study = Study.model_validate(tiny_study())

    def keys(name="s", **labels):
        source = study.recordings[0].model_copy(update=labels)
        labels = {"subject": "a", "group": "", **labels}
        runs = Plan(study, (Session(name, fingerprint="f", source=source, **labels),)).runs
        return [(run.key(), run.train_key()) for run in runs]

    known = keys()
    assert keys(subject="b") == keys(group="g") == keys(subject="b", group="g") == known
    for (key, train), (other, other_train) in zip(known, keys(name="t"), strict=True):
        assert key != other and train != other_train


def test_a_changed_copy_has_a_key_of_its_own():
    study = Study.model_validate(tiny_study())
    run = Plan(study, (Session("s", "a", "", "f", study.recordings[0]),)).grid[-1]
    keys = {
        run.key(),
        *(run.model_copy(update=change).key() for change in ({"seed": 77}, {"dose": 0.3})),
        EncoderExamination.of(run, Comparison(seed=1)).key(),
    }
    assert len(keys) == 4 and run.model_copy(update={"group": "other"}).key() == run.key()


def test_what_was_written_is_in_no_dump_no_comparison_and_no_copy():
    views = Views(transforms=(GaussianNoise(sigma=2.0),))
    written = views.canonical()
    assert views == Views(transforms=(GaussianNoise(sigma=2.0),)) and json.loads(
        written
    ) == views.model_dump(mode="json")
    assert views.model_copy(update={"transforms": ()}).canonical() == Views().canonical() != written


@pytest.mark.parametrize(
    "value",
    [
        0,
        1,
        -1,
        True,
        None,
        0.0,
        -0.0,
        1.0,
        0.1,
        1e-7,
        1e22,
        2.0**53,
        -(2.0**60),
        "",
        'a"\\\n\tä',
        (1.0, "b"),
    ],
)
def test_one_field_is_written_as_in_the_whole(value):
    assert canonical_field(value) == canonical_json(value)
