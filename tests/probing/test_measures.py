"""Each measuring function takes runs of the role that its methods have."""

from collections.abc import Sequence
from typing import get_args, get_origin, get_type_hints

import pytest

pytest.importorskip("torch")

from invariance_probe.plan.roles import ROLES
from invariance_probe.probing import MEASURES


@pytest.mark.parametrize("kind", ROLES)
def test_a_measuring_function_takes_runs_of_the_role_of_its_method(kind):
    taken = get_type_hints(MEASURES[kind])["runs"]
    assert get_origin(taken) in (list, Sequence) and get_args(taken) == (ROLES[kind],)
