"""Many studies judged at a time get what `Sample`, `cells` and `decide` say of each one."""

import numpy as np
import pytest

from invariance_probe.inference import gates
from invariance_probe.inference.estimands import Effect
from invariance_probe.inference.intervals import Sample
from invariance_probe.inference.looks import ALPHA
from invariance_probe.inference.many_studies import Means, decisions, p_over_units, p_values
from invariance_probe.inference.simulated import Design, claims, simulate, streams
from invariance_probe.inference.spreads import LEVELS, Spread
from invariance_probe.inference.verdicts import ROWS, cells, decide

STUDIES, MARGIN = 50, 0.1
CORRUPTION, JITTER = ("C_info", "D", "H", "delta", "noise", "range"), ("delta", "delta(n/3)", "noise", "range")
LAYOUTS = {
    "three sessions": ("a",) * 3,
    "one session": ("a",),
    "six sessions": ("a",) * 6,
    "four subjects, unbalanced": ("a", "b", "b", "c", "d", "d", "d"),
    "two subjects": ("a", "a", "b", "b", "b"),
}


CASES = {  # true effects, size of the spread
    "small": ({"C_info": 0.1, "D": 0.06, "H": -0.02, "delta": 0.04, "delta(n/3)": 0.04}, 0.02),
    "at the margin": ({"C_info": 0.1, "D": 0.1, "H": 0.0, "delta": 0.1, "delta(n/3)": 0.1}, 0.03),
    "competition": ({"C_info": 0.0, "D": 0.2, "H": 0.0, "delta": 0.2, "delta(n/3)": 0.2}, 0.02),
    "wide": ({"C_info": 0.1, "D": 0.1, "H": 0.0, "delta": 0.1, "delta(n/3)": 0.1}, 0.4),
}


def spread_of(names, seed=0, size=0.05):
    gen = np.random.default_rng(seed)
    roots = {level: size * gen.standard_normal((len(names), len(names))) for level in LEVELS}
    return Spread(names, np.zeros(len(names)), {level: root @ root.T / len(names) for level, root in roots.items()}, "test")


def one_study(drawn, names, subjects, study):
    """The same numbers as cells: by seed + by block - mean has these means, whatever else."""
    found = {}
    arrays = drawn.by_seed[study][:, :, None] + drawn.by_block[study][:, None] - drawn.mean[study][:, None, None]
    for i, name in enumerate(names[:-1]):
        effects = tuple(Effect(session[..., i], session[..., -1]) for session in arrays)
        found[name] = Sample(effects, subjects)
    return found


def judged(layout, case, jitter):
    subjects, names = LAYOUTS[layout], JITTER if jitter else CORRUPTION
    truth, size = CASES[case]
    drawn = simulate(spread_of(names, size=size), truth, Design(subjects, 3, 8), STUDIES, streams(1, layout))
    p, stopped = claims(drawn, names, subjects, MARGIN)
    return drawn, p, stopped, decisions({name: values <= ALPHA for name, values in p.items()}, jitter)


@pytest.mark.parametrize("jitter", [False, True])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_p_values_and_verdicts_are_those_of_the_rule_for_one_study(layout, case, jitter):
    drawn, p, stopped, verdicts = judged(layout, case, jitter)
    for study in range(STUDIES):
        samples = one_study(drawn, JITTER if jitter else CORRUPTION, LAYOUTS[layout], study)
        contrast = samples.pop("noise")
        single = cells(samples, MARGIN, gates.equivalent_noise(contrast, MARGIN))
        assert {name: cell.p_value for name, cell in single.items()} == pytest.approx(
            {name: values[study] for name, values in p.items()}, rel=1e-6, abs=1e-12
        )
        assert verdicts[study] == decide(single, jitter)
        assert stopped[study] == (gates.noise(contrast, MARGIN).passed is False)


def test_the_cases_above_reach_every_verdict_and_both_sides_of_the_noise_gate():
    found = [judged(layout, case, False) for layout in LAYOUTS for case in CASES]
    verdicts = np.concatenate([verdicts for *_, verdicts in found])
    assert set(verdicts) == {*ROWS, "inconclusive"}
    stopped = np.concatenate([stopped for _, _, stopped, _ in found])
    blocked = np.concatenate([p["H <= m"] == 1 for _, p, _, _ in found])  # no `<= m` without equivalent noise
    assert 0 < stopped.mean() < 1 and 0 < blocked.mean() < 1


def test_without_spread_a_claim_is_certain():
    flat = np.full((1, 5), -0.01)
    assert [float(p[0]) for p in p_over_units(flat)] == [0.0, 1.0]
    assert [float(p[0]) for p in p_over_units(0 * flat)] == [1.0, 1.0]
    three = Means(flat[:, :3], np.full((1, 3, 1), -0.01), np.full((1, 3, 1), -0.01))
    assert [float(p[0]) for p in p_values(three, ("a",) * 3)] == [0.0, 1.0]
