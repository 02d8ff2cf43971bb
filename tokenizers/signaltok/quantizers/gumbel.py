"""The discrete VAE: a category at every position, relaxed by Gumbel noise while it learns.

Ramesh et al.: "Zero-Shot Text-to-Image Generation" (2021), section 2.1 and appendix A; the relaxation is that of Jang,
Gu, Poole (2017) and Maddison, Mnih, Teh (2017). With logits l over K codes e_k and Gumbel noise g,

    y = softmax((l + g) / tau),    z_q = sum_k y_k e_k    in training,      z_q = e_{argmax l}    ever after,

and KL(softmax(l) || uniform) = log K + sum_k p_k log p_k: a sum over the codes, a mean over positions. The logits are
l = W n(z) + b, where n gives the channels of a latent mean 0 and variance 1 (the paper has no such norm): latents start
small, and logits that hardly differ drown in the noise, so that the decoder learns to look away from the codes.

Logits and codes that start from random numbers, as the paper's do, leave most codes unused in a run of minutes. Here
latents pass as n(z) until the share late_start of the run; then codes e_k are placed among them and the logits become

    l_k = -s/2 |n(z) - e_k|^2 + s/2 |n(z)|^2,    that is W_k = s e_k and b_k = -s/2 |e_k|^2, with s the sharpness,

from where codes and logits learn apart.
"""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.parts import CodeVectors, Quantizer
from signaltok.processes import part_of_group_mean
from signaltok.quantizers.codebook.initialization import Initialization
from signaltok.quantizers.codebook.search import highest
from signaltok.quantizers.distributed import Draws, rows_of_group
from signaltok.quantizers.gumbel_noise import ROWS_A_DRAW, exponential_block, to_gumbel
from signaltok.types.quantized import Quantized


class GumbelQuantizer(Quantizer):
    """One codebook, one level; loss "kl".

    tau falls as half a cosine from temperature_start to temperature_end, which it reaches at the share annealed_by of
    what follows late_start. initialization: of the codes among the latents; None leaves codes and logits as they are
    drawn. Training holds tokens x codes numbers, as the relaxation needs them; encode and decode do not.
    """

    def __init__(
        self,
        *,
        latent_dim: int,
        codebook_size: int,
        temperature_start: float,
        temperature_end: float,
        annealed_by: float,
        late_start: float,
        initialization: Initialization | None,
        sharpness: float,
    ) -> None:
        super().__init__()
        if codebook_size < 2:
            raise ValueError(f"codebook_size must be at least 2, got {codebook_size}")
        if not 0 < temperature_end <= temperature_start or not 0 < annealed_by <= 1:
            raise ValueError(
                "temperatures must be positive and not rise, and annealed_by is a share of the run above 0; got "
                f"temperature_start={temperature_start}, temperature_end={temperature_end}, annealed_by={annealed_by}"
            )
        self.latent_dim, self.codebook_size = latent_dim, codebook_size
        self.temperature_start, self.temperature_end = temperature_start, temperature_end
        if not 0 <= late_start < 1 or not sharpness > 0:
            raise ValueError(
                "late_start is a share of the run and must lie in [0, 1), and sharpness must be positive; got "
                f"late_start={late_start}, sharpness={sharpness}"
            )
        self.annealed_by, self.late_start = annealed_by, late_start
        self.initialization, self.sharpness = initialization, sharpness
        self.to_logits = nn.Linear(latent_dim, codebook_size)
        # Logits that are drawn start a little wider apart than the noise.
        nn.init.normal_(self.to_logits.weight, std=2 * latent_dim**-0.5)
        self.vectors = nn.Parameter(torch.randn(codebook_size, latent_dim))
        self.draws = Draws()
        self.first_draws = Draws()  # of the start alone: one step of it says that codes have been placed

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return (self.codebook_size,)

    @property
    def factorised(self) -> bool:
        """See Quantizer: the logits learn through z_q alone, so a composition must let its gradient pass."""
        return True

    @property
    def temperature(self) -> float:
        """tau at the present progress."""
        passed = max(0.0, self.progress - self.late_start) / (1 - self.late_start)
        share = min(1.0, passed / self.annealed_by)
        low, high = self.temperature_end, self.temperature_start
        return low + (high - low) * (1 + math.cos(math.pi * share)) / 2

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return frozenset({"kl"})

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """The most probable code, without noise."""
        rows = self._rows(z)
        return (highest(rows, self.to_logits.weight, self.to_logits.bias).view(len(z), *z.shape[2:]),)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer."""
        (level,) = codes
        return self.vectors[level].movedim(-1, 1)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """Relaxed samples; the codes are those that encode gives, without noise."""
        everything = self._rows(z)
        valid = None if mask is None else mask.flatten()
        rows = everything if valid is None else everything[valid]
        begun = self.progress >= self.late_start
        if begun:
            self._begin(rows.detach())
        logits = self.to_logits(rows)
        relaxed = rows
        if begun:
            relaxed = ((logits + self._noise(logits)) / self.temperature).softmax(1) @ self.vectors
        found = logits.detach().argmax(1)
        if valid is not None:
            relaxed = torch.zeros_like(everything).masked_scatter(valid[:, None], relaxed)
            found = torch.zeros(len(everything), dtype=torch.int64, device=z.device).masked_scatter(valid, found)
        return Quantized(
            z_q=relaxed.view(len(z), *z.shape[2:], self.latent_dim).movedim(-1, 1),
            codes=(found.view(len(z), *z.shape[2:]),),
            losses={"kl": divergence_from_uniform(logits)},
        )

    def _rows(self, z: Float[Tensor, "b d *l"]) -> Float[Tensor, "n d"]:
        return F.layer_norm(z.movedim(1, -1).reshape(-1, self.latent_dim), (self.latent_dim,))

    @torch.no_grad()
    def _begin(self, rows: Float[Tensor, "n d"]) -> None:
        """Codes at the latents, and logits that fall with the squared distance to them."""
        if self.initialization is None or int(self.first_draws.steps) or rows_of_group(rows)[0] == 0:
            return
        vectors = self.initialization(rows, self.codebook_size, self.first_draws.next())
        self.vectors.copy_(vectors)
        self.to_logits.weight.copy_(self.sharpness * vectors)
        self.to_logits.bias.copy_(-self.sharpness / 2 * vectors.square().sum(1))

    def _noise(self, logits: Float[Tensor, "n K"]) -> Float[Tensor, "n K"]:
        """Gumbel noise of our rows among the rows of all processes: block by block, so that none draws all of it."""
        _, before = rows_of_group(logits)
        base = int(torch.randint(2**62, (), generator=self.draws.next()))
        first, last = before // ROWS_A_DRAW, -(-(before + len(logits)) // ROWS_A_DRAW)
        blocks = [torch.empty(0, self.codebook_size, dtype=logits.dtype)]
        for number in range(first, last):
            blocks.append(exponential_block(base + number, self.codebook_size, logits.dtype))
        start = before - first * ROWS_A_DRAW
        return to_gumbel(torch.cat(blocks)[start : start + len(logits)].to(logits.device))

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """searched: the weights that a latent is scored with (their bias apart); decoded: the vectors."""
        return (CodeVectors(searched=self.to_logits.weight.detach(), decoded=self.vectors.detach()),)


def divergence_from_uniform(logits: Float[Tensor, "n K"]) -> Float[Tensor, ""]:
    """KL(softmax || uniform) in nats, a mean over the rows of all processes; zero, with its gradient, without rows."""
    if not logits.numel():
        return part_of_group_mean(logits.sum(), 0)
    log_p = F.log_softmax(logits, 1)
    each = (log_p.exp() * log_p).sum(1) + math.log(logits.shape[1])
    return part_of_group_mean(each.mean(), len(logits))
