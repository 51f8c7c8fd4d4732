"""Many studies judged at a time get what the rule for one study says of each one."""

import numpy as np
import pytest

from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.hypotheses import gates
from invariance_probe.inference.hypotheses.dose.learning import recipe_claims
from invariance_probe.inference.power.simulated import (
    Design,
    claims,
    simulate,
    streams,
    verdict_p_values,
)
from invariance_probe.inference.power.spreads import LEVELS, Spread, estimands
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.many_studies import Means, p_over_replicates, p_values
from invariance_probe.inference.rules.verdicts import (
    INCONCLUSIVE,
    JITTER_WORDS,
    WORDS,
    decide,
    decide_many,
    learning_p,
    word_p,
)

STUDIES, MARGIN = 50, 0.1
PANEL = ("declared", "longer")
CORRUPTION = (
    "C_code",
    "D",
    "H",
    "delta",
    "noise",
    "range",
    "R_code",
    "D [longer]",
    "H [longer]",
    "delta [longer]",
)
JITTER = ("delta", "delta(n/3)", "noise", "range", "delta [longer]", "delta(n/3) [longer]")
LAYOUTS = {
    "three sessions": ("a",) * 3,
    "one session": ("a",),
    "six sessions": ("a",) * 6,
    "four subjects, unbalanced": ("a", "b", "b", "c", "d", "d", "d"),
    "two subjects": ("a", "a", "b", "b", "b"),
}


CASES = {  # true effects, size of the spread
    "small": ({"C_code": 0.1, "D": 0.06, "H": -0.02, "delta": 0.04, "delta(n/3)": 0.04}, 0.02),
    "at the margin": ({"C_code": 0.1, "D": 0.1, "H": 0.0, "delta": 0.1, "delta(n/3)": 0.1}, 0.03),
    "competition": ({"C_code": 0.0, "D": 0.2, "H": 0.0, "delta": 0.2, "delta(n/3)": 0.2}, 0.02),
    "invariant": ({}, 0.02),
    "sensitive": ({"C_code": 0.3, "D": 0.3, "H": 0.0, "delta": 0.3, "delta(n/3)": 0.3}, 0.02),
    "a recipe that disagrees": (
        {"C_code": 0.2, "D [longer]": 0.3, "delta [longer]": 0.3, "delta(n/3) [longer]": 0.3},
        0.02,
    ),
    "wide": ({"C_code": 0.1, "D": 0.1, "H": 0.0, "delta": 0.1, "delta(n/3)": 0.1}, 0.4),
}


def spread_of(names, seed=0, size=0.05):
    gen = np.random.default_rng(seed)
    roots = {level: size * gen.standard_normal((len(names), len(names))) for level in LEVELS}
    return Spread(
        names,
        np.zeros(len(names)),
        {level: root @ root.T / len(names) for level, root in roots.items()},
        "test",
    )


def one_study(drawn, names, subjects, study):
    """The same numbers as cells: by seed + by block - mean has these means, whatever else."""
    found = {}
    arrays = (
        drawn.by_seed[study][:, :, None]
        + drawn.by_block[study][:, None]
        - drawn.mean[study][:, None, None]
    )
    for i, name in enumerate(names):
        last = names.index("R_code" if name == "C_code" else "range")
        found[name] = Sample(
            tuple(Effect(session[..., i], session[..., last]) for session in arrays), subjects
        )
    return found


def p_of_one_study(samples, jitter):
    """The p value of every word, by the rule for one study."""
    at_most = gates.equivalent_noise(samples["noise"], MARGIN)
    panel = [
        recipe_claims(
            {
                own: samples[name]
                for own, name in zip(estimands(jitter), estimands(jitter, recipe), strict=True)
            },
            MARGIN,
            at_most,
        )
        for recipe in PANEL
    ]
    code = (
        {}
        if jitter
        else {
            "C_code <= m": samples["C_code"].p_at_most(MARGIN),
            "C_code > m": samples["C_code"].p_more_than(MARGIN),
        }
    )
    return word_p(code, learning_p(panel, jitter), jitter)


def judged(layout, case, jitter):
    subjects, names = LAYOUTS[layout], JITTER if jitter else CORRUPTION
    truth, size = CASES[case]
    drawn = simulate(
        spread_of(names, size=size), truth, Design(subjects, 3, 8), STUDIES, streams(1, layout)
    )
    p, stopped = claims(drawn, names, subjects, MARGIN)
    return drawn, p, stopped, verdict_p_values(p, PANEL, jitter)


@pytest.mark.parametrize("jitter", [False, True])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_p_values_and_words_are_those_of_the_rule_for_one_study(layout, case, jitter):
    drawn, _, stopped, found = judged(layout, case, jitter)
    said = decide_many(found)
    for study in range(STUDIES):
        samples = one_study(drawn, JITTER if jitter else CORRUPTION, LAYOUTS[layout], study)
        single = p_of_one_study(samples, jitter)
        assert single == pytest.approx(
            {word: p[study] for word, p in found.items()}, rel=1e-6, abs=1e-12
        )
        assert said[study] == decide(single)
        assert stopped[study] == (gates.noise(samples["noise"], MARGIN).outcome == "failed")


def test_the_cases_above_reach_every_word_and_both_sides_of_the_noise_gate():
    for jitter, known in ((False, WORDS), (True, JITTER_WORDS)):
        found = [judged(layout, case, jitter) for layout in LAYOUTS for case in CASES]
        assert set(np.concatenate([decide_many(p) for *_, p in found])) == {*known, INCONCLUSIVE}
        stopped = np.concatenate([stopped for _, _, stopped, _ in found])
        blocked = np.concatenate(
            [p["delta <= m"] == 1 for _, p, _, _ in found]
        )  # no `<= m` without equivalent noise
        assert 0 < stopped.mean() < 1 and 0 < blocked.mean() < 1


def test_a_repeated_p_value_is_asked_of_learning_and_not_of_the_code():
    _, p, _, once = judged("six sessions", "small", False)
    later = verdict_p_values(p, PANEL, False, repeated=2.0)
    learning = learning_p([{name: p[name] for name in p if "[" not in name}, _of_longer(p)], False)
    assert later["invariant"] == pytest.approx(
        np.maximum(p["C_code <= m"], np.minimum(1, 2 * learning["free"]))
    )
    assert np.all(later["tolerated"] >= once["tolerated"])


def _of_longer(p):
    return {
        name.replace(" [longer]", ""): values for name, values in p.items() if "[longer]" in name
    }


def test_without_spread_a_claim_is_certain():
    flat = np.full((1, 5), -0.01)
    assert [float(p[0]) for p in p_over_replicates(flat)] == [0.0, 1.0]
    assert [float(p[0]) for p in p_over_replicates(0 * flat)] == [1.0, 1.0]
    three = Means(flat[:, :3], np.full((1, 3, 1), -0.01), np.full((1, 3, 1), -0.01))
    assert [float(p[0]) for p in p_values(three, ("a",) * 3)] == [0.0, 1.0]
