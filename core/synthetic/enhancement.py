"""Tissue enhancement as curves over time after a contrast injection.

A bolus passes through the arteries as a gamma-variate with a slower recirculating pool behind it. Liver tissue
is fed one quarter by the artery and three quarters by the portal vein, which sees a delayed and widened bolus;
hepatocytes take up gadoxetic acid slowly. A tumour is fed by the artery alone and loses contrast early when it
washes out. Values are relative enhancement (1 = the peak of the aorta).
"""

from dataclasses import dataclass

import numpy as np

from core.domain.phase import Modality, Phase

PHASE_SECONDS = {Phase.NC: 0.0, Phase.AP: 35.0, Phase.PVP: 70.0, Phase.DP: 180.0, Phase.HBP: 1200.0}


def _bolus(seconds: float, *, arrival: float, peak: float, width: float) -> float:
    """Gamma-variate that is 1 at `peak` seconds, 0 before `arrival`; larger `width` is broader."""
    if seconds <= arrival:
        return 0.0
    shape = ((peak - arrival) / width) ** 2
    x = (seconds - arrival) / (peak - arrival)
    return float(x**shape * np.exp(shape * (1 - x)))


def _pool(seconds: float, *, arrival: float, fade: float = 900.0) -> float:
    """Contrast that stays in blood and interstitium and is cleared slowly by the kidneys."""
    if seconds <= arrival:
        return 0.0
    elapsed = seconds - arrival
    return float((1 - np.exp(-elapsed / 25.0)) * np.exp(-elapsed / fade))


def arterial(seconds: float) -> float:
    return 0.80 * _bolus(seconds, arrival=15, peak=33, width=13) + 0.30 * _pool(seconds, arrival=25)


def portal_venous(seconds: float) -> float:
    return 0.36 * _bolus(seconds, arrival=26, peak=64, width=24) + 0.28 * _pool(seconds, arrival=40)


def venous(seconds: float) -> float:
    return 0.26 * _bolus(seconds, arrival=32, peak=75, width=28) + 0.28 * _pool(seconds, arrival=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """A tissue's unenhanced value and its share of each feeding bolus.

    `ct_hu` in HU; `mr_signal` in arbitrary units of a fat-suppressed T1-weighted image. `pool` is the extravascular
    fraction, `uptake` the hepatocytes' plateau of gadoxetic acid in relative enhancement.
    """

    ct_hu: float
    mr_signal: float
    artery: float = 0.0
    portal: float = 0.0
    vein: float = 0.0
    pool: float = 0.0
    uptake: float = 0.0


TISSUES = {
    "air": Tissue(ct_hu=-1000, mr_signal=0),
    "fat": Tissue(ct_hu=-100, mr_signal=110, pool=0.01),
    "muscle": Tissue(ct_hu=52, mr_signal=210, pool=0.08),
    "bone": Tissue(ct_hu=330, mr_signal=120, pool=0.06),
    "marrow": Tissue(ct_hu=170, mr_signal=170, pool=0.12),
    "bowel": Tissue(ct_hu=25, mr_signal=190, pool=0.06),
    "liver": Tissue(ct_hu=57, mr_signal=300, artery=0.05, portal=0.22, pool=0.05, uptake=0.42),
    "spleen": Tissue(ct_hu=48, mr_signal=210, artery=0.26, vein=0.22, pool=0.05),
    "kidney": Tissue(ct_hu=34, mr_signal=230, artery=0.52, vein=0.40, pool=0.12),
    "artery": Tissue(ct_hu=42, mr_signal=180, artery=1.0),
    "portal": Tissue(ct_hu=42, mr_signal=180, portal=1.0),
    "vein": Tissue(ct_hu=42, mr_signal=180, vein=1.0),
    "tumour": Tissue(ct_hu=46, mr_signal=235, artery=0.24, portal=0.04, pool=0.12),
    "necrosis": Tissue(ct_hu=24, mr_signal=190, artery=0.01, pool=0.02),
    "rim": Tissue(ct_hu=48, mr_signal=240, artery=0.30, vein=0.20, pool=0.20),
}

CT_HU_PER_UNIT = 300.0
MR_SIGNAL_PER_UNIT = 620.0


def relative_enhancement(tissue: Tissue, phase: Phase, modality: Modality, washout: float = 0.0) -> float:
    """Relative enhancement of a tissue in a phase; `washout` (0 to 1) empties its pool between 50 and 180 s."""
    seconds = PHASE_SECONDS[phase]
    kept = 1.0 - washout * float(np.clip((seconds - 50.0) / 90.0, 0.0, 1.0))
    value = (
        tissue.artery * arterial(seconds)
        + tissue.portal * portal_venous(seconds) * kept
        + tissue.vein * venous(seconds)
        + tissue.pool * _pool(seconds, arrival=30) * kept
    )
    if modality is Modality.MR:
        value += tissue.uptake * (1 - float(np.exp(-seconds / 500.0)))
    return value


def tissue_value(name: str, phase: Phase, modality: Modality, washout: float = 0.0) -> float:
    """HU (CT) or signal (MR, arbitrary units) of a named tissue in a phase."""
    tissue = TISSUES[name]
    gain = relative_enhancement(tissue, phase, modality, washout)
    if modality is Modality.CT:
        return tissue.ct_hu + CT_HU_PER_UNIT * gain
    return tissue.mr_signal + MR_SIGNAL_PER_UNIT * gain
