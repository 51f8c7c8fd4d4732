"""The paragraph for a paper's Methods section, with this study's numbers."""

from typing import Any

from invariance_probe.study.plan import Plan


def methods_paragraph(plan: Plan, report: dict[str, Any]) -> str:
    """Say in plain words how the study was done."""
    study, training = plan.study, plan.study.training
    axes = "; ".join(f"{axis.path} at {', '.join(f'{d:g}' for d in axis.doses)}" for axis in study.axes)
    probe = "ridge regression" if study.probe.kind == "ridge" else "multinomial logistic regression"
    loss = {
        "continuous": "squared error over the target's variance",
        "circular": "squared error of cosine and sine",
        "categorical": "log-loss in nats",
    }[study.target.kind]
    split = study.views.base.kind == "count_splitting"
    base = "each view read one binomial half of every spike count" if split else "both views read the whole activity"
    null = study.null.kind.replace("_", " ")
    optimisation = study.method.optimisation(training.optimisation())
    steps = f"{optimisation.steps} steps of {optimisation.batch_size} windows" if optimisation else "in closed form"
    encoder = getattr(study.method, "encoder", None)
    network = f" with a {encoder.kind.replace('_', ' ')} encoder of {encoder.dimensions} dimensions" if encoder else ""
    examined = (
        "Stored encoders were afterwards tested on corrupted inputs, which entered no verdict. " if report["examined"] else ""
    )
    version = report["provenance"]["versions"].get("invariance-probe", "")
    return (
        f"Representations of {len(plan.sessions)} sessions were learned by {study.method.kind}{network} ({steps}, "
        f"{training.seeds} seeds, {study.folds.count} folds by {study.folds.scheme} with "
        f"{study.folds.embargo_s:g} s embargo); {base}. The swept doses were {axes}, in the arms {', '.join(study.arms)}. "
        f"{study.target.name!r} was decoded from frozen representations of clean activity by {probe} (penalty by inner folds), and "
        f"the held-out loss was {loss}. Sessions entered where the raw decoder beat its null by {null} at .05. Losses are in units "
        f"of the decodable range R, from the best constant to the better of a raw "
        f"decoder and a supervised network, chosen on training data. Claims are one-sided at .05 and were tested on effect - "
        f"margin x R, over sessions where there were at least four and else over crossed seeds and test blocks; p values were "
        f"adjusted by Holm over confirmatory hypotheses. {examined}invariance_probe {version}, study {report['study']['sha256'][:12]}."
    )
