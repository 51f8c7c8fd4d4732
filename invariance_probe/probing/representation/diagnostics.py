"""Numbers that describe a representation apart from its decoding loss.

In: representations of several runs that are computed together (stacked; the run is the
first axis). Out: one number per run. No verdict rests on these numbers, except that a
gate (a precondition of a verdict) may read them.
"""

import torch
from torch import Tensor
from torch.nn import functional

from invariance_probe.probing.decoders.ridge import row_chunks


def rank_me(representation: Tensor) -> Tensor:
    """Effective rank of each run: exp of the entropy of singular values.

    The singular values are normalised to sum to 1. The representation is centred first,
    so that its mean does not count as a direction. A constant representation has rank
    1.

    Parameters
    ----------
    representation
        (run, window, dim).

    Returns
    -------
    (run,), at least 1.

    References
    ----------
    Garrido, Balestriero, Najman & LeCun 2023, RankMe, arXiv:2210.02885, Eq. (1).
    """
    x = representation.to(torch.float64)
    mean, grams = x.mean(1, keepdim=True), []
    for part in row_chunks(x):
        centred = part - mean
        grams.append(torch.bmm(centred.transpose(1, 2), centred))
    gram = grams[0] if len(grams) == 1 else torch.stack(grams).sum(0)
    values = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    total = values.sum(1, keepdim=True)
    share = values / total.clamp_min(1e-300)
    entropy = -(share * share.clamp_min(1e-300).log()).sum(1)
    return torch.where(total.squeeze(1) > 0, entropy.exp(), 1.0)


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared distance between normalised embeddings of pairs (run,).

    Parameters
    ----------
    first, second
        Embeddings of the two views (run, row, dim).

    References
    ----------
    Wang & Isola 2020, arXiv:2005.10242, section 4.1.
    """
    return (
        (functional.normalize(first, dim=2) - functional.normalize(second, dim=2))
        .square()
        .sum(2)
        .mean(1)
    )


def uniformity(representation: Tensor) -> Tensor:
    """Log of the mean Gaussian potential between normalised rows (run,).

    It is lower the more evenly the rows cover the unit sphere.

    Parameters
    ----------
    representation
        (run, row, dim).

    References
    ----------
    Wang & Isola 2020, arXiv:2005.10242, section 4.1, with t = 2.
    """
    z = functional.normalize(representation, dim=2)
    rows = z.shape[1]
    distances = 2 - 2 * torch.bmm(z, z.transpose(1, 2))
    apart = ~torch.eye(rows, dtype=torch.bool, device=z.device)
    return distances[:, apart].mul(-2).exp().mean(1).log()


def invariance(clean: Tensor, corrupted: Tensor) -> Tensor:
    """Label-free invariance S(d) of each run (run,).

    S = 1 - E|f(x) - f(a x)|^2 / E|f(x) - f(x')|^2, where f(x) represents a window, f(a
    x) its corrupted version, and f(x') another window.

    Parameters
    ----------
    clean, corrupted
        Representations of the same windows (run, row, dim).
    """
    moved = (clean - corrupted).square().sum(2).mean(1)
    strangers = 2 * (clean - clean.mean(1, keepdim=True)).square().sum(2).mean(1)
    return 1 - moved / strangers.clamp_min(1e-30)
