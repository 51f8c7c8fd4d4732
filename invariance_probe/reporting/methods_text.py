"""Write the paragraph about a study for a paper's Methods section.

In: a plan and the content of its report. Out: plain sentences with this study's numbers.
What the study did not use, such as adaptive seeds, is not mentioned. Results are not
reported here.
"""

from typing import Any

from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import PlannedRecipe
from invariance_probe.study.baselines import Code, Messengers
from invariance_probe.study.counting import counted
from invariance_probe.study.design import Window
from invariance_probe.study.encoders import ConvolutionEncoder, Encoder, GRUEncoder, MLPEncoder
from invariance_probe.study.methods import Reliance, TrainedMethod, title_of
from invariance_probe.study.pairing import SHARE, MinedPairing
from invariance_probe.study.state_pairing import STATE_SHARE, StatePairing
from invariance_probe.study.study import Study
from invariance_probe.study.training import Optimisation, Training
from invariance_probe.study.transforms import OwnTransform
from invariance_probe.study.views import TimeJitter


def methods_paragraph(plan: Plan, report: dict[str, Any]) -> str:
    """Describe in plain words how a study was done.

    Parameters
    ----------
    plan
        The study with its sessions, runs and recipes.
    report
        The content of report.json.

    Returns
    -------
    paragraph
        Text without markup.
    """
    study, own = plan.study, plan.settings[0]
    axes = "; ".join(
        f"{axis.path} at {', '.join(f'{d:g}' for d in axis.doses)}" for axis in study.axes
    )
    probe = "ridge regression" if study.probe.kind == "ridge" else "multinomial logistic regression"
    loss = {
        "continuous": "squared error over the target's variance",
        "circular": "squared error of cosine and sine",
        "categorical": "log-loss in nats",
    }[study.target.kind]
    split = study.views.base.kind == "count_splitting"
    base = (
        "each view read one binomial half of every spike count"
        if split
        else f"first views read the activity, and second views the stream {study.views.stream!r}, "
        "each through an encoder of its own"
        if study.views.stream
        else "both views read the whole activity"
    )
    null = study.null.kind.replace("_", " ")
    examined = (
        "Stored encoders were afterwards tested on corrupted inputs, which entered no verdict. "
        if report["examined"]
        else ""
    )
    version = report["provenance"]["versions"].get("invariance-probe", "")
    windows = _windows(study.window)
    learned = "in closed form"
    if isinstance(study.method, TrainedMethod) and own.optimisation is not None:
        learned = f"{network(study.method.encoder)}, by {optimiser(own.optimisation)}"
    return (
        f"Representations of {windows} of {counted(len(plan.sessions), 'session')} were learned "
        f"by {title_of(study.method)} ({learned}; {counted(plan.seeds_of(study.method), 'seed')}, "
        f"{study.folds.count} folds by {study.folds.scheme} with {study.folds.embargo_s:g} s "
        f"embargo); {base}. The swept doses were {axes}, in the arms {', '.join(_arms(study))}. "
        f"{_own(study)}{_fixed(study)}{_mined(study)}{study.target.name!r} was decoded from frozen "
        f"representations of clean activity by {probe} (penalty by inner folds), and the "
        f"held-out loss was {loss}. Sessions entered where the raw decoder beat its null by "
        f"{null} at .05. Losses are in units of the decodable range R, from the best constant to "
        "the best of a decoder of raw activity, one of its square roots where activity is "
        "counts, and a supervised network, chosen on training data. Claims are one-sided at .05 "
        "and were tested on effect - margin x R, over sessions where there were at least four "
        "and else over crossed seeds and test blocks; a word about a confirmatory hypothesis "
        f"was read at the level that Holm's procedure leaves to it. {_code(plan)}{_panel(plan)}"
        f"{_interim_analyses(study.training)}{examined}{_messengers(study)}"
        f"{_reliance(study)}invariance_probe {version}, study {report['study']['sha256'][:12]}."
    )


def _code(plan: Plan) -> str:
    """Describe how the code was measured without SSL; empty if it was not."""
    sessions = {session.name for session in plan.sessions}
    asked = [
        run.method
        for run in plan.baselines
        if isinstance(run.method, Code) and run.session in sessions
    ]
    if (
        not any(plan.study.corrupts(hypothesis.axis) for hypothesis in plan.study.dose_claims)
        or not asked
    ):
        return ""
    first = asked[0]
    errors = (
        " Its errors in these recordings are of a delete-a-block jackknife."
        if any(one.jackknife for one in asked)
        else ""
    )
    return (
        "The code was measured by linear decoders without SSL, fitted anew on every set of "
        f"units, in {first.blocks} folds of contiguous blocks: units were chosen and decoders "
        "fitted on all folds but one and scored on that one. K_s and K_n are where pooled "
        "dropping curves cross half of the R2 of all units, redundancy (of information, R2 / (1 "
        f"- R2)) is over {first.splits} random halvings of the units, and C_code over "
        f"{first.masks} balanced masks, in units of the range of the same decoders, "
        f"R_code.{errors} "
    )


def _panel(plan: Plan) -> str:
    """Describe the recipes under which claims about learning were judged."""
    if not plan.study.dose_claims:
        return ""
    found = {recipe.name: recipe for panel in plan.panels.values() for recipe in panel.recipes}
    beside = [recipe for recipe in list(found.values())[1:] if recipe.computed]
    missing = ", ".join(recipe.name for recipe in found.values() if not recipe.computed)
    gaps = f" Not computed: {missing}." if missing else ""
    if not beside:
        return f"Claims about learning rest on the declared recipe alone.{gaps} "
    return (
        "A claim about learning is made only where it holds under the declared recipe and under "
        f"each of these: {'; '.join(_recipe(recipe) for recipe in beside)}.{gaps} "
    )


def _recipe(recipe: PlannedRecipe) -> str:
    """Name a recipe with its method, optimisation and dimensions."""
    assert recipe.setting is not None
    method, optimisation = recipe.setting.method, recipe.setting.optimisation
    steps = (
        f", {optimisation.steps} steps at learning rate {optimisation.learning_rate:g}"
        if optimisation
        else ""
    )
    wide = f", {method.encoder.dimensions} dimensions" if isinstance(method, TrainedMethod) else ""
    return f"{recipe.name} ({title_of(method)}{steps}{wide})"


def _messengers(study: Study) -> str:
    """Describe how messenger units were searched for; empty if they were not."""
    return "".join(
        f"Sets of {', '.join(str(b) for b in asked.budgets)} units whose removal harms a ridge "
        f"decoder most were chosen {_chosen_by(asked)} on {asked.blocks} interleaved blocks and "
        "scored on as many others, with the decoder fitted again and held fixed, against at "
        "least 200 random sets of other units, with like rates where that leaves 40 different "
        "sets or more; sets were accepted where both damages exceeded the random sets' 95 % "
        f"band. Stability (Nogueira, Sechidis & Brown 2018) is over {asked.resamples} Bayesian "
        f"bootstraps of the choosing blocks{_seeded(asked)}. {_epochs(asked)}These enter no "
        "verdict. "
        for asked in study.measurements
        if isinstance(asked, Messengers)
    )


def _reliance(study: Study) -> str:
    """Describe how it was measured which units the SSL objective relies on.

    Sets of units are chosen to harm the objective, a refitted decoder, or a fixed one. The
    text is empty if the study did not ask for this.
    """
    return "".join(
        f"For every fold and seed a {asked.of.kind} model was trained at the identity dose; sets "
        f"of {', '.join(str(b) for b in asked.budgets)} units were chosen for its loss on one "
        "half of the fold's test windows (forward, or a decoder's set where that harms more; "
        "with the model as it is and the units at their training mean in both views), for a "
        "refitted and for a fixed ridge decoder on held-out parts of the training windows, and "
        "all were scored by all three on the other half of the test windows, against "
        f"{asked.masks} random sets of other units, with like rates where that leaves 40 "
        "different sets or more. These enter no verdict. "
        for asked in study.measurements
        if isinstance(asked, Reliance)
    )


def _chosen_by(asked: Messengers) -> str:
    """Name the search for messenger units, with its limit of forward passes."""
    if asked.selector == "greedy_backward" and asked.passes is None:
        return "greedily (forward and backward, with exchanges of one unit)"
    return f"by {asked.selector}" + (
        "" if asked.passes is None else f" within {asked.passes} forward passes"
    )


def _seeded(asked: Messengers) -> str:
    return "" if asked.seeds == 1 else f", with {asked.seeds} seeds of the search each"


def _epochs(asked: Messengers) -> str:
    """Describe which epochs of a recording were compared, and by which test.

    The test asks whether a decoder relies on the same units in all epochs.
    """
    named = f"Epochs were the values of {asked.epochs!r}. " if asked.epochs else ""
    if asked.switching is None:
        return named
    parts = "epochs" if asked.epochs else f"{asked.switching.parts} equal parts of the session"
    return (
        f"{named}That a decoder relies on the same units in all {parts} was tested by "
        f"{asked.switching.permutations} random deals of blocks, at most {asked.blocks} an epoch "
        "and each several memories of the activity long, to epochs. "
    )


def _windows(window: Window) -> str:
    """Describe the windows by their length and stride."""
    if window.length_s is not None:
        stride = window.stride_s or window.length_s
        return f"windows of {window.length_s:g} s, one every {stride:g} s,"
    length = "single bins" if window.length_bins == 1 else f"windows of {window.length_bins} bins"
    return length if window.stride_bins == 1 else f"{length}, one every {window.stride_bins} bins,"


def _arms(study: Study) -> tuple[str, ...]:
    """Return the arms (how draws are shared) of all swept axes, without repeats."""
    if not any(axis.path in (SHARE, STATE_SHARE) for axis in study.axes):
        return study.arms
    return tuple(dict.fromkeys(arm for axis in study.axes for arm in study.arms_of(axis.path)))


def _own(study: Study) -> str:
    """Name the user-defined augmentation; empty if there is none."""
    own = [one.title for one in study.views.transforms if isinstance(one, OwnTransform)]
    return f"The augmentation 'own' was {own[0]}, a user-defined class. " if own else ""


def _fixed(study: Study) -> str:
    """Describe the corruptions and time jitter that were the same at every dose."""
    swept = {axis.path for axis in study.axes}
    said = []
    for stage in study.views.corruptions:
        doses = [
            f"{name} = {getattr(stage, name):g}"
            for name, identity in stage.identity.items()
            if f"{stage.kind}.{name}" not in swept and getattr(stage, name) != identity
        ]
        if doses:
            said.append(f"views had {stage.kind.replace('_', ' ')} ({', '.join(doses)})")
    jitter = study.views.pairing
    if isinstance(jitter, TimeJitter) and jitter.window_s and "time_jitter.window_s" not in swept:
        apart = "about" if jitter.shape == "annulus" else "up to"
        said.append(f"pairs were of windows {apart} {jitter.window_s:g} s apart")
    return f"At every dose, dose 0 too, {' and '.join(said)}. " if said else ""


def _mined(study: Study) -> str:
    """Describe how distant pairs of windows were made; empty if there were none."""
    pairing = study.views.pairing
    if isinstance(pairing, StatePairing):
        return _asleep(study, pairing)
    if not isinstance(pairing, MinedPairing):
        return ""
    where = (
        "in another session of the pool"
        if pairing.elsewhere
        else f"at least {pairing.gap_s:g} s away in recorded time"
    )
    return (
        f"Distant partners lay {where} and in the training part: mined ones were "
        f"{_alike(pairing)}; controls served the same windows with random partners, and with "
        "those mined for an index shifted on the circle of training windows; the oracle read "
        "the target and entered no verdict. "
    )


def _alike(pairing: MinedPairing) -> str:
    """Describe which windows counted as similar when pairs were mined."""
    guide = pairing.guide
    if guide is None:
        return (
            f"one of the {pairing.neighbours} nearest neighbours in {pairing.components} "
            f"principal components of training activity smoothed by {pairing.smoothing_s:g} s, "
            "without labels"
        )
    known = (
        ""
        if pairing.labelled == 1
        else f", known for the first {pairing.labelled:.0%} of each session's training windows"
    )
    how = (
        "any of the same class"
        if guide.kind == "categorical"
        else f"one of the {pairing.neighbours} nearest in value"
    )
    return f"{how} in the guide {guide.name!r}{known}"


def _asleep(study: Study, pairing: StatePairing) -> str:
    """Describe how pairs of windows across states, such as sleep, were made."""
    within = study.window.within
    assert within is not None
    array = within.array
    speed = (
        ""
        if pairing.compression == 1
        else f", sampled as if activity ran {pairing.compression:g} times faster asleep"
    )
    return (
        f"Windows were labelled where {array!r} was {_values(within.values)}; baselines, folds, "
        "probes and tests had these alone. Partners from other states were one of the "
        f"{pairing.neighbours} windows whose trajectories of {pairing.span_s:g} s{speed} were "
        f"nearest in {pairing.components} principal components of activity smoothed by "
        f"{pairing.smoothing_s:g} s, each unit standardised within its state; components were "
        "fitted on one half of the waking training windows and served the other. Mined ones lay "
        f"where {array!r} was {_values(pairing.partners)}, at least {pairing.gap_s:g} s from "
        "labelled windows and not between those of the test part. Controls served the same "
        f"windows from as many candidates: of the states {_values(pairing.others)}, of the same "
        "sleep with the bins of every stretch in random order, and of the same sleep with units "
        "exchanged inside tertiles of rate. Views were standardised by waking training windows "
        "and not matched in rate between states. "
    )


def _values(values: tuple[int, ...]) -> str:
    return " or ".join(map(str, values))


def _interim_analyses(training: Training) -> str:
    """Describe how seeds were added; empty if their number was fixed."""
    adaptive = training.adaptive
    if adaptive is None:
        return ""
    spending = {"obrien_fleming": "the O'Brien-Fleming", "pocock": "the Pocock"}[adaptive.spending]
    looks = ", ".join(str(seeds) for seeds in adaptive.looks)
    return (
        f"Seeds were added until a hypothesis was settled, with looks after {looks} seeds; alpha "
        f"was spent over the looks by {spending} type function of Lan and DeMets, p values are "
        "repeated p values, and baselines had all seeds. "
    )


def network(encoder: Encoder) -> str:
    """Describe an encoder by its architecture and sizes.

    Examples
    --------
    >>> network(MLPEncoder(widths=(64, 32)))
    'a multilayer perceptron of 64-32 units with batch normalisation'
    """
    if isinstance(encoder, MLPEncoder):
        return (
            f"a multilayer perceptron of {_dashed(encoder.widths)} units with batch normalisation"
        )
    end = f", read linearly in {encoder.dimensions} dimensions"
    if isinstance(encoder, ConvolutionEncoder):
        kernel = f"{encoder.kernel_bins} bins at stride {encoder.stride_bins}"
        return (
            f"temporal convolutions of {_dashed(encoder.channels)} channels over {kernel} with "
            f"batch normalisation{end}"
        )
    if isinstance(encoder, GRUEncoder):
        return f"a gated recurrent unit of width {encoder.width}{end}"
    return (
        f"a pre-norm transformer of {counted(encoder.layers, 'layer')}, width {encoder.width} "
        f"and {counted(encoder.heads, 'head')}{end}"
    )


def optimiser(settings: Optimisation) -> str:
    """Describe an optimiser and its settings.

    Examples
    --------
    >>> optimiser(Optimisation(steps=500, learning_rate=3e-3))
    '500 steps of AdamW on 128 windows at learning rate 0.003 and weight decay 0.01'
    >>> native = Optimisation(steps=9, precision="bfloat16", kernels="native")
    >>> optimiser(native).rpartition("0.01")[2]
    ', with products in bfloat16, by native kernels'
    """
    name = {"adamw": "AdamW", "sgd": "SGD", "lars": "LARS"}[settings.optimizer]
    momentum = "" if settings.optimizer == "adamw" else f", momentum {settings.momentum:g}"
    rate = f"learning rate {settings.learning_rate:g}"
    shape = ", falling to 0 by half a cosine" if settings.schedule == "cosine" else ""
    warmup = (
        f", after a linear warm-up over {100 * settings.warmup:g} % of the steps"
        if settings.warmup
        else ""
    )
    return (
        f"{settings.steps} steps of {name} on {settings.batch_size} windows at "
        f"{rate}{shape}{warmup}{momentum} and weight decay "
        f"{settings.weight_decay:g}{_arithmetic(settings)}"
    )


def _arithmetic(settings: Optimisation) -> str:
    """Name the precision and the kernels; empty for torch in single precision."""
    precision = {
        "float32": "",
        "float64": ", in double precision",
        "bfloat16": ", with products in bfloat16",
    }[settings.precision]
    return precision + (", by native kernels" if settings.kernels == "native" else "")


def _dashed(widths: tuple[int, ...]) -> str:
    return "-".join(str(width) for width in widths)
