"""Read results that were stored before measured quantities had types.

Such results are numbers under names. A name says what its number is, and can have a
suffix after an `@`, such as a lag or the index of a unit. This is the only module that
reads such names.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from invariance_probe.plan.figures import Figures, read
from invariance_probe.plan.figures.decoded import (
    DecodedFigures,
    PairFigures,
    RepresentationFigures,
    Scores,
    SleepDistances,
    TrainingFigures,
)
from invariance_probe.plan.figures.examined import (
    ClassFigures,
    ClassLoss,
    CorruptionFigures,
    DetectionFigures,
    SimilarityFigures,
)
from invariance_probe.plan.figures.session import (
    PAIRS,
    Jumps,
    LagFigures,
    LeakFigures,
    MinedPairsFigures,
    NullFigures,
    PairsFound,
    PairsTested,
    PersistenceFigures,
    SharedFigures,
)
from invariance_probe.plan.figures.units import (
    MODES,
    RELIANCE_TARGETS,
    Damage,
    Interval,
    Localisation,
    MessengerFigures,
    Mode,
    RelianceFigures,
    RelianceSet,
    SetDamage,
    SwitchingFigures,
    SwitchingTest,
    Transfer,
    UnitFigures,
    WorstSet,
)

T = TypeVar("T")
Found = Mapping[str, float]


def read_earlier(numbers: Found, code: dict[str, Any] | None) -> Figures | None:
    """Return the quantities of a result of an earlier version.

    Parameters
    ----------
    numbers
        Its numbers by name.
    code
        Its quantities of the measurement `code`, if it has them.

    Returns
    -------
    figures
        None if nothing was measured, as in a failed run.
    """
    if code is not None:
        return read({**code, "kind": "code"})
    for mark, reader in READERS.items():
        if mark in numbers:
            return reader(numbers)
    if _places(numbers, "class_windows"):
        return _classes(numbers)
    decoded = _decoded(numbers)
    return None if decoded == DecodedFigures() else decoded


def _decoded(found: Found) -> DecodedFigures:
    """Return the quantities of a decoded representation; missing parts are None."""
    pairs = {name.removeprefix("pair_"): value for name, value in found.items()}
    mined = {
        name.removeprefix("mined_"): value
        for name, value in found.items()
        if name.startswith("mined_")
    }
    sleep = {
        part: found[name]
        for part, name in (
            ("partners", "sleep_distance"),
            ("others", "sleep_distance_other"),
            ("permuted", "sleep_distance_permuted"),
        )
        if name in found
    }
    return DecodedFigures(
        scores=_part(Scores, found) or Scores(),
        representation=_part(RepresentationFigures, found),
        training=_part(TrainingFigures, found),
        distant=_part(PairFigures, pairs),
        mined=_part(PairFigures, mined),
        sleep=SleepDistances(**sleep) if sleep else None,
    )


def _part(of: Callable[..., T], found: Found) -> T | None:
    """Build a dataclass from the numbers named like its fields, if any."""
    names = {field.name for field in fields(of)}  # type: ignore[arg-type]
    own = {name: value for name, value in found.items() if name in names}
    return of(**own) if own else None


def _null(found: Found) -> NullFigures:
    own = _named(found, "p_value", "observed", "shift_s", "target_time_s", "stationarity_p")
    whole = {name: int(found[name]) for name in ("trials", "others", "cuts", "windows")
             if name in found}  # fmt: skip
    return NullFigures(**own, **whole, draws=_listed(found, "null"))  # type: ignore[arg-type]


def _lag(found: Found) -> LagFigures:
    lags = _places(found, "r")
    jumps = None
    if "kurtosis_p" in found:
        jumps = Jumps(
            increment_s=found["increment_s"],
            kurtosis=found["increment_kurtosis"],
            p_value=found["kurtosis_p"],
        )
    return LagFigures(
        **_named(found, "tau_s", "tau_low_s", "tau_high_s", "tau_target_s"),
        lags_s=tuple(map(float, lags)),
        r=tuple(found[f"r@{lag}"] for lag in lags),
        rho=tuple(found[f"rho@{lag}"] for lag in lags),
        jumps=jumps,
    )


def _leak(found: Found) -> LeakFigures:
    return LeakFigures(r2=_listed(found, "leak"), beyond=_listed(found, "beyond"))


def _shared(found: Found) -> SharedFigures:
    lags = _places(found, "agreement")
    return SharedFigures(
        dimensions=int(found["shared_dimensions"]),
        lag_bins=int(found["lag_bins"]),
        lag_s=found["lag_s"],
        correlations=_listed(found, "correlation"),
        p_values=_listed(found, "p"),
        lags_s=tuple(map(float, lags)),
        agreement=tuple(found[f"agreement@{lag}"] for lag in lags),
    )


def _mined_pairs(found: Found) -> MinedPairsFigures:
    return MinedPairsFigures(
        floor=found["loss_floor"],
        local_loss=found["loss_local"],
        local_accuracy=found["accuracy_local"],
        found=tuple(
            PairsFound(
                pairs=kind,
                purity=found[f"purity_{kind}"],
                nuisance_distance=found.get(f"nuisance_distance_{kind}"),
            )
            for kind in PAIRS
        ),
        tested=tuple(
            PairsTested(
                pairs=kind,
                share=float(share),
                loss=found[f"loss_{kind}@{share}"],
                accuracy=found[f"accuracy_{kind}@{share}"],
            )
            for kind in PAIRS
            for share in _places(found, f"loss_{kind}")
        ),
    )


def _classes(found: Found) -> ClassFigures:
    losses = []
    for place in _places(found, "class_windows"):
        label, _, block = place.rpartition("@")
        losses.append(
            ClassLoss(
                label=label,
                block=int(block),
                windows=int(found[f"class_windows@{place}"]),
                loss=found.get(f"class_loss@{place}"),
            )
        )
    return ClassFigures(losses=tuple(losses))


def _reliance(found: Found) -> RelianceFigures:
    budgets = _budgets(found)
    return RelianceFigures(
        units=int(found["units"]),
        batch_windows=int(found["batch_windows"]),
        **_named(found, "range_objective", "nothing_objective", "range_decoder"),
        sets=tuple(
            RelianceSet(
                budget=budget,
                target=target,
                units=_units(found, f"b{budget}_{target}_unit"),
                random_sets=int(found[f"b{budget}_{target}_random_sets"]),
                damages={
                    of: SetDamage(**_under(found, f"b{budget}_{target}_{of}", SetDamage))
                    for of in RELIANCE_TARGETS
                },
            )
            for budget in budgets
            for target in RELIANCE_TARGETS
        ),
    )


def _messengers(found: Found) -> MessengerFigures:
    budgets, units = _budgets(found), len(_places(found, "alone_refit"))
    transfers = (
        [_transfer(found, f"b{b}_{mode}", mode, "_ab") for b in budgets for mode in MODES]
        if budgets
        else [_transfer(found, mode, mode, "") for mode in MODES]
    )
    return MessengerFigures(
        transfers=tuple(transfers),
        worst=tuple(_worst(found, mode, b, units) for mode in MODES for b in budgets),
        localisations=tuple(
            Localisation(
                mode=mode, chosen=found[f"{mode}_k50_chosen"], random=found[f"{mode}_k50_random"]
            )
            for mode in MODES
            if budgets
        ),
        units=tuple(
            UnitFigures(**{field.name: found[f"{field.name}@{u}"] for field in fields(UnitFigures)})
            for u in range(units)
        ),
        switching=_switching(found) if "switching_epochs" in found else None,
    )


def _transfer(found: Found, own: str, mode: Mode, end: str) -> Transfer:
    set_a, set_b = (_units(found, f"{own}_{epoch}") for epoch in "ab")
    names = ("gain_a", "gain_b", "gain_a_in_b", "gain_a_p", "gain_b_p")
    return Transfer(
        mode=mode,
        budget=len(set_a),
        set_a=set_a,
        set_b=set_b,
        jaccard=found[f"{own}_jaccard{end}"],
        **{name: found[f"{own}_{name}"] for name in names},
        transfer=_interval(found, f"{own}_transfer"),
        transfer_back=_interval(found, f"{own}_transfer_back"),
    )


def _worst(found: Found, mode: Mode, budget: int, units: int) -> WorstSet:
    own = f"b{budget}_{mode}"
    stability = _interval(found, f"{own}_stability")
    assert stability is not None
    return WorstSet(
        mode=mode,
        budget=budget,
        units=_units(found, f"{own}_unit"),
        frequencies=_listed(found, f"{own}_frequency"),
        accepted=bool(found[f"{own}_accepted"]),
        refit=Damage(**_under(found, f"{own}_refit", Damage)),
        fixed=Damage(**_under(found, f"{own}_fixed", Damage)),
        stability=stability,
        jaccard=found[f"{own}_jaccard"],
        seed_stability=_interval(found, f"{own}_seed_stability"),
        selected=tuple(found.get(f"{own}_selected@{unit}", 0.0) for unit in range(units)),
    )


def _switching(found: Found) -> SwitchingFigures:
    return SwitchingFigures(
        epochs=int(found["switching_epochs"]),
        blocks=int(found["switching_blocks"]),
        memory_s=found["switching_memory_s"],
        tests=tuple(
            SwitchingTest(
                mode=mode,
                **{name: found[f"{mode}_switching_{name}"]
                   for name in ("overlap", "expected", "p_value")},
            )
            for mode in MODES
            if f"{mode}_switching_p_value" in found
        ),
    )  # fmt: skip


def _interval(found: Found, name: str) -> Interval | None:
    if name not in found:
        return None
    return Interval(estimate=found[name], low=found[f"{name}_low"], high=found[f"{name}_high"])


def _named(found: Found, *names: str) -> dict[str, Any]:
    return {name: found[name] for name in names if name in found}


def _under(found: Found, place: str, of: type[SetDamage]) -> dict[str, float]:
    """Return the numbers of a type's fields, whose names begin with `place`."""
    return {field.name: found[f"{place}_{field.name}"] for field in fields(of)}


def _places(found: Found, name: str) -> Sequence[str]:
    """Return the suffixes after `name@`, in the order in which they were stored."""
    return [key.split("@", 1)[1] for key in found if key.startswith(f"{name}@")]


def _listed(found: Found, name: str) -> tuple[float, ...]:
    """Return the numbers under `name@`, in the order in which they were stored."""
    return tuple(found[f"{name}@{place}"] for place in _places(found, name))


def _units(found: Found, name: str) -> tuple[int, ...]:
    return tuple(int(unit) for unit in _listed(found, name))


def _budgets(found: Found) -> list[int]:
    """Return the budgets with which names begin, in the order of storing."""
    matches = (re.match(r"b(\d+)_", name) for name in found)
    return list(dict.fromkeys(int(match[1]) for match in matches if match))


READERS: dict[str, Callable[[Found], Figures]] = {
    "p_value": _null,
    "rho": lambda found: PersistenceFigures(rho=found["rho"]),
    "tau_s": _lag,
    "leak@0": _leak,
    "shared_dimensions": _shared,
    "loss_local": _mined_pairs,
    "range_objective": _reliance,
    "refit_gain_a": _messengers,
    "alone_refit@0": _messengers,
    "invariance_row_space": lambda found: CorruptionFigures(**dict[str, Any](found)),
    "detection": lambda found: DetectionFigures(detection=found["detection"]),
    "cka": lambda found: SimilarityFigures(**dict[str, Any](found)),
}
"""Reader of each kind of result, by a name that only this kind has.

Results with none of these names are of decoded representations.
"""
