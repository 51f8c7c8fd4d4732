"""Error rates of the verdicts, in a small version with linear SSL.

Closed-form linear SSL has no seeds and takes milliseconds.

A bank of simulated sessions is measured once, and studies of six sessions are resampled
from it. With the margin at the bank's own mean of an estimand, both one-sided claims
about it are exactly false on average: an exact null.

The world has strong rivals for the representation's dimensions. With weak ones a linear
method has room to keep a single carrier whatever the arm, D is about 0, and the verdict
is `tolerated`.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.calibration.bench import measured
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.hypotheses.dose.learning import recipe_claims
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.verdicts import decide, learning_p, word_p
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.study import Study

BANK, STUDIES, SESSIONS = 80, 2000, 6
"""Sessions of the bank, studies that are resampled from it, and sessions of a study.

The bank's own mean is an exact null whatever the size of the bank.
"""
NAMES = ("C_code", "D", "H", "delta")
KINDS = ("raw", "linear_ssl", "code", "shift_null")


@pytest.fixture(scope="module")
def bank():
    """Effects of every decodable session, by estimand.

    Seven dimensions are fitted to one label and six strong nuisances.
    """
    world = {
        "kind": "simulated",
        "generator": "redundancy",
        "session": "one",
        "carriers": 1,
        "carrier_counts": 2.0,
        "units": 120,
    }
    rivals = {"carriers_are_pure": True, "nuisances": 6, "nuisance_gain": 0.8}
    data = tiny_study(
        recordings=[{**world, **rivals, "information": 2.0, "bins": 1600, "sessions": BANK}],
        method={"kind": "linear_ssl", "dimensions": 7},
        folds={"scheme": "blocks", "count": 2, "embargo_s": 1.0},
    )
    study = Study.model_validate(data)
    plan = Plan(study, find_sessions(study, Path()))
    results = {}
    for session in plan.sessions:
        recording = open_recording(session.source, session.name, Path())
        runs = [
            r
            for r in plan.runs
            if r.session == session.name
            and r.method.kind in KINDS
            and not isinstance(r, EncoderExamination)
        ]
        bench = Workbench.of(recording, runs[0], torch.device("cpu"))
        for kind in KINDS:
            same = [r for r in runs if r.method.kind == kind]
            results |= {
                m.result.key: m.result for m in MEASURES[kind](bench, same, lambda steps: None)
            }
    found = measured(plan, results)
    assert len(found) > BANK / 2
    return {n: [one.effect(n, "unit_dropout.rate", 0.4) for one in found] for n in NAMES}


def resampled(effects: list[Effect], index: np.ndarray) -> Sample:
    return Sample(tuple(effects[i] for i in index), ("a",) * len(index))


def studies(bank):
    gen = np.random.default_rng(7)
    count = len(bank["D"])
    return [gen.integers(0, count, SESSIONS) for _ in range(STUDIES)]


@pytest.mark.parametrize("name", ["D", "C_code"])
def test_claims_at_the_banks_own_mean_are_made_in_at_most_seven_percent(bank, name):
    effects = bank[name]
    margin = sum(e.values.mean() for e in effects) / sum(e.range.mean() for e in effects)
    samples = [resampled(effects, index) for index in studies(bank)]
    at_most = np.mean([s.p_at_most(margin) <= 0.05 for s in samples])
    more_than = np.mean([s.p_more_than(margin) <= 0.05 for s in samples])
    print(
        f"{name} at its bank mean {margin:.3f}: `<= m` {at_most:.4f}, `> m` {more_than:.4f} "
        f"of {STUDIES}"
    )
    assert at_most <= 0.07 and more_than <= 0.07


def test_a_one_neuron_code_is_hardly_ever_called_invariant_or_tolerated(bank):
    verdicts = []
    for index in studies(bank):
        code = resampled(bank["C_code"], index)
        claims = recipe_claims(
            {name: resampled(bank[name], index) for name in NAMES[1:]}, 0.1, may_claim_at_most=True
        )
        of_code = {"C_code <= m": code.p_at_most(0.1), "C_code > m": code.p_more_than(0.1)}
        verdicts.append(decide(word_p(of_code, learning_p([claims], jitter=False), jitter=False)))
    share = {verdict: verdicts.count(verdict) / STUDIES for verdict in sorted(set(verdicts))}
    print(share)
    assert share.get("invariant", 0) + share.get("tolerated", 0) <= 0.05
