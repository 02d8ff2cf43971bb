"""Chosen terms weighed by gradients: as strong a pull on the latent as the reconstruction's.

The automatic form of weighing a contrastive term against the reconstruction by hand (Zhao et al. 2025, QLIP, section
3.3: the gradients of the two differ by up to two orders of magnitude), with the ratio that VQGAN takes for its
adversary (Esser et al. 2021, equation 7): the factor of term k is weight_k * clamp(n_rec / n_k, least, most), n a
moving average of the norm of a gradient.

Where the norms are measured: at the latent z, the encoder's output, not at the weights of its last layer. Every term
trains the encoder through z and through nothing else, it is there in every encoder, and what several processes hold of
it are different items, so that the norm over the whole batch is exact without a sum of gradients of weights.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.objectives.reducer import Reducer
from signaltok.processes import place, sum_over_group
from signaltok.types.reconstruction import Reconstruction


class GradientNorm(Reducer):
    """Some terms by the ratio of gradients, all others by their weights.

    terms: names of the former; their weights multiply the ratio. decay: of the averages, which are
    sum of decay^age * norm over sum of decay^age. least, most: bounds of the ratio. The reconstruction's gradient is
    that of all other terms, weighted, through what the quantizer gives: the quantizer's own losses have none there, so
    they do not count as reconstruction.
    """

    sums: Tensor
    counts: Tensor

    def __init__(self, *, terms: Sequence[str], decay: float, least: float, most: float) -> None:
        super().__init__()
        if not 0 <= decay <= 1 or not 0 < least <= most:
            raise ValueError(
                f"balance has decay {decay}, least {least} and most {most}; give a decay in 0..1 and bounds of the "
                "ratio with 0 < least <= most"
            )
        if not terms or len(set(terms)) != len(terms):
            raise ValueError(f"balance.terms is {list(terms)}; name the terms to weigh, each once, such as [align]")
        self.terms = tuple(terms)
        self.decay, self.least, self.most = decay, least, most
        self.weights = {}

    def watch(self, weights: Mapping[str, float]) -> None:
        """See Reducer. ValueError where a term is not there, has no weight, or where no other has one."""
        missing = [name for name in self.terms if not weights.get(name)]
        if missing:
            known = sorted(name for name, weight in weights.items() if weight)
            raise ValueError(
                f"balance.terms names {missing}, but the terms with a weight above 0 are {known}; name some of those"
            )
        if not any(weight for name, weight in weights.items() if name not in self.terms):
            raise ValueError(
                f"balance.terms {list(self.terms)} are all the terms there are: nothing is left to weigh by"
            )
        self.weights = dict(weights)
        self.register_buffer("sums", torch.zeros(1 + len(self.terms)))  # the reconstruction's first
        self.register_buffer("counts", torch.zeros(1 + len(self.terms)))

    def minimized(
        self,
        reconstruction: Reconstruction,
        values: Mapping[str, Float[Tensor, ""]],
        given: Mapping[str, tuple[Float[Tensor, ""], Float[Tensor, "b c *s"]]],
        batches_a_step: int,  # noqa: ARG002
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """See Reducer. Raises ValueError where a term that is weighed, or all others, do not look at the latent."""
        unknown = sorted(given.keys() & set(self.terms))
        if unknown:
            raise ValueError(
                f"balance.terms {unknown} are the adversary's, which count as reconstruction; leave them out"
            )
        signal = reconstruction.signal
        weighed = {name: full_precision(values[name]) for name in self.terms}
        fixed = [self.weights[name] * full_precision(value) for name, value in values.items() if name not in weighed]
        rest = torch.stack(fixed).sum() if fixed else full_precision(signal.new_zeros(()))
        pull = None
        if given:
            pull = torch.stack([self.weights[name] * gradient for name, (_, gradient) in given.items()]).sum(0)
        gradients = [self._of_reconstruction(reconstruction, rest, pull)]
        gradients += [self._of_term(name, value, reconstruction.latent) for name, value in weighed.items()]
        factors = dict(zip(self.terms, self._factors(gradients), strict=True))
        loss = rest + torch.stack([factors[name] * value for name, value in weighed.items()]).sum()
        takes_part = {name: self.weights[name] if name in values or name in given else 0.0 for name in self.weights}
        logged = {f"balance_{name}": loss.new_tensor(weight) for name, weight in takes_part.items()}
        logged |= {f"balance_{name}": factor for name, factor in factors.items()} | {"loss": loss.detach()}
        if pull is not None:
            logged["loss"] = logged["loss"] + sum(self.weights[name] * value for name, (value, _) in given.items())
            # Has the gradient of what was given and not its value.
            loss = loss + (signal * pull).sum()
        return loss, logged

    def _of_reconstruction(
        self, reconstruction: Reconstruction, rest: Float[Tensor, ""], pull: Float[Tensor, "b c *s"] | None
    ) -> Float[Tensor, "b d *l"]:
        z_q, found = reconstruction.quantized.z_q, None
        if rest.requires_grad:
            (found,) = torch.autograd.grad(rest, z_q, retain_graph=True, allow_unused=True)
        if pull is not None:
            (through,) = torch.autograd.grad(reconstruction.signal, z_q, pull, retain_graph=True)
            found = through if found is None else found + through
        if found is None:
            others = sorted(name for name in self.weights if name not in self.terms)
            raise ValueError(
                f"balance weighs {list(self.terms)} by the reconstruction, but none of the other terms ({others}) "
                "looks at what is decoded; take '~balance', or an objective that does"
            )
        (gradient,) = torch.autograd.grad(z_q, reconstruction.latent, found, retain_graph=True)
        return gradient

    def _of_term(self, name: str, value: Float[Tensor, ""], latent: Float[Tensor, "b d *l"]) -> Float[Tensor, "b d *l"]:
        gradient = None
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value, latent, retain_graph=True, allow_unused=True)
        if gradient is None:
            raise ValueError(
                f"balance.terms names {name}, which does not look at the latent, so it has no pull to weigh"
            )
        return gradient

    def _factors(self, gradients: Sequence[Float[Tensor, "b d *l"]]) -> list[Float[Tensor, ""]]:
        """Of each term, equal on all processes; the averages take up this batch first."""
        squares = torch.stack([full_precision(gradient).square().sum() for gradient in gradients])
        # A process's gradient is that of its part of the group's mean, which is as many times larger.
        norms = sum_over_group(squares).sqrt() / place()[1]
        self.sums.copy_(self.decay * self.sums + norms)
        self.counts.copy_(self.decay * self.counts + 1)
        averages = self.sums / self.counts
        # A term that pulls at nothing counts most, not infinitely; where neither pulls, least.
        ratios = averages[0] / averages[1:].clamp_min(torch.finfo(averages.dtype).tiny)
        ratios = ratios.clamp(self.least, self.most)
        return [self.weights[name] * ratio for name, ratio in zip(self.terms, ratios.unbind(), strict=True)]
