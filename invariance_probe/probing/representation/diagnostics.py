"""What a representation looks like apart from its decoding loss; no verdict rests on these but as a gate."""

import torch
from torch import Tensor
from torch.nn import functional


def rank_me(representation: Tensor) -> Tensor:
    """Return the effective rank of each run (run,): exp of the entropy of the normalised singular values.

    Singular values are of the centred representation (run, window, dim), so that a mean does not count as a
    direction; a constant representation has rank 1.

    References
    ----------
    Garrido, Balestriero, Najman & LeCun 2023, RankMe, arXiv:2210.02885, Eq. (1).
    """
    x = representation.to(torch.float64)
    x = x - x.mean(1, keepdim=True)
    values = torch.linalg.eigvalsh(torch.bmm(x.transpose(1, 2), x)).clamp_min(0).sqrt()
    total = values.sum(1, keepdim=True)
    share = values / total.clamp_min(1e-300)
    entropy = -(share * share.clamp_min(1e-300).log()).sum(1)
    return torch.where(total.squeeze(1) > 0, entropy.exp(), 1.0)


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared distance of normalised pairs (run,); views are (run, row, dim).

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
    """Return the log mean Gaussian potential of normalised rows (run,); (run, row, dim).

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
    """Return S(d) of each run (run,): 1 - E|f(x) - f(a x)|^2 / E|f(x) - f(x')|^2; both (run, row, dim)."""
    moved = (clean - corrupted).square().sum(2).mean(1)
    strangers = 2 * (clean - clean.mean(1, keepdim=True)).square().sum(2).mean(1)
    return 1 - moved / strangers.clamp_min(1e-30)
