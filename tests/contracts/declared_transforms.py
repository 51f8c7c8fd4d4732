"""Every transform and the field that is swept, as the contract tests declare them."""

from invariance_probe.study.transforms import (
    CutMix,
    GainModulation,
    GaussianNoise,
    Pepper,
    ProgressiveUnitLoss,
    SpikeThinning,
    StratifiedDropout,
    TimeCutout,
    UnitCutout,
    UnitDropout,
    UnitPermutation,
    WaveformDrift,
)

DECLARED = {
    "unit_dropout": UnitDropout,
    "stratified_dropout": StratifiedDropout,
    "spike_thinning": SpikeThinning,
    "gaussian_noise": GaussianNoise,
    "gain_modulation": GainModulation,
    "progressive_unit_loss": ProgressiveUnitLoss,
    "unit_permutation": UnitPermutation,
    "waveform_drift": WaveformDrift,
    "pepper": Pepper,
    "time_cutout": TimeCutout,
    "unit_cutout": UnitCutout,
    "cutmix": CutMix,
}
FIELD = {kind: next(iter(declaration.identity)) for kind, declaration in DECLARED.items()}
