"""The entropy losses of lookup-free codes, forward and backward, against vector-quantize-pytorch's LFQ.

Ours is the training forward of LookupFreeQuantizer with its backward through both entropies; the peer is the installed
LFQ with its own defaults, its auxiliary loss and backward. Both get the same latents, run in this process with equal
threads, in turns; medians count. Difference: the largest of value and gradient (as a share of the largest gradient)
against the definition, a softmax over all codes in float64, over as many of the tokens as CHECKED says. Extra
megabytes: peak of the resident memory above what was held before, with the gradient of the latents.
"""

import json
import statistics
import sys

import torch
from against_peer import extra_megabytes, header, parser, seconds
from vector_quantize_pytorch import LFQ

from signaltok.quantizers.entropy import CodeEntropy, code_entropies
from signaltok.quantizers.lookup_free import LookupFreeQuantizer

TOKENS = 4096
TEMPERATURE = 0.01
CHECKED = {10: TOKENS, 16: 256, 18: 64}  # bits: tokens held against the definition
ALONE = 18  # bits at which the peer's matrices do not fit into 16 GB
PEER_ROUNDS = {10: 7, 16: 2}
SCALE = 0.02  # of the latents: near enough to zero that most probabilities are not simply 0 or 1


def latents(bits: int) -> torch.Tensor:
    return SCALE * torch.randn(TOKENS, bits, generator=torch.Generator().manual_seed(bits))


def definition(rows: torch.Tensor, bits: int) -> tuple[float, torch.Tensor]:
    """E[H(p)] - H(E[p]) and its gradient by the softmax over all codes, a few tokens of it at a time."""
    codes = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * bits)
    parts = [part.requires_grad_() for part in rows.double().split(max(1, 2**22 // 2**bits))]

    def logs(part: torch.Tensor) -> torch.Tensor:
        return (2 / TEMPERATURE * part @ codes.T).log_softmax(1)

    with torch.no_grad():
        mean = sum(logs(part).exp().sum(0) for part in parts) / len(rows)
        slope = mean.clamp_min(1e-300).log()
        value = -float(torch.special.entr(mean).sum())
    gradients = []
    for part in parts:
        own = logs(part)
        sample = -(own.exp() * own).sum() / len(rows)
        value += float(sample.detach())
        gradients += torch.autograd.grad(sample + (own.exp() * slope).sum() / len(rows), part)
    return value, torch.cat(gradients)


def difference(bits: int) -> float:
    rows = latents(bits)[: CHECKED[bits]].double().requires_grad_()
    sample, mean = code_entropies(rows, [torch.tensor([-1.0, 1.0]).double()] * bits, TEMPERATURE)
    (gradient,) = torch.autograd.grad(sample - mean, rows)
    value, expected = definition(rows.detach(), bits)
    return max(
        abs(float((sample - mean).detach()) - value), float((gradient - expected).abs().max() / expected.abs().max())
    )


def row(bits: int, rounds: int) -> dict[str, object]:
    rows = latents(bits)
    entropy = CodeEntropy(temperature=TEMPERATURE, early_factor=1.0, early_until=0.0)
    mine = LookupFreeQuantizer(latent_dim=bits, bits=bits, entropy=entropy).train()
    z = rows.T[None].clone().requires_grad_()

    def ours() -> None:
        z.grad = None
        losses = mine(z).losses
        (losses["entropy_sample"] + losses["entropy_deficit"]).backward()

    ours()
    result: dict[str, object] = {"bits": bits, "tokens": TOKENS, "max_difference": difference(bits)}
    result["extra_megabytes"] = round(extra_megabytes(ours), 1)
    if bits == ALONE:
        result["milliseconds"] = round(1000 * statistics.median(seconds(ours) for _ in range(rounds)), 1)
        # The softmax over all codes and its logarithm, in float32.
        return result | {"ratio": None, "computed_dense_megabytes": round(2 * TOKENS * 2**bits * 4 / 1e6)}
    peer = LFQ(dim=bits, codebook_size=2**bits).train()
    channels_last = rows[None].clone().requires_grad_()

    def theirs() -> None:
        channels_last.grad = None
        peer(channels_last, inv_temperature=1 / TEMPERATURE).entropy_aux_loss.backward()

    mine_times, peer_times, peer_memory = [], [], []
    for _ in range(PEER_ROUNDS[bits]):
        mine_times += [seconds(ours) for _ in range(max(1, rounds // PEER_ROUNDS[bits]))]
        peer_memory.append(extra_megabytes(lambda: peer_times.append(seconds(theirs))))
    result["peer_extra_megabytes"] = round(max(peer_memory), 1)
    return result | {
        "ratio": round(statistics.median(peer_times) / statistics.median(mine_times), 1),
        "milliseconds": round(1000 * statistics.median(mine_times), 1),
        "peer_milliseconds": round(1000 * statistics.median(peer_times), 1),
    }


def main(arguments: list[str]) -> None:
    options = parser("entropy", __doc__, rounds=8).parse_args(arguments)  # the peer has fewer where it is slow
    header(options.threads, f"{TOKENS} tokens, forward and backward, medians")
    print(f"{'bits':>4} {'ours ms':>9} {'peer ms':>9} {'ratio':>7} {'ours MB':>8} {'peer MB':>8}  difference")
    rows = []
    for bits in CHECKED:
        print(f"measuring {bits} bits …", file=sys.stderr)
        found = row(bits, options.rounds)
        rows.append(found)
        print(
            f"{bits:>4} {found['milliseconds']:>9} {found.get('peer_milliseconds', '-'):>9} {found['ratio'] or '-':>7} "
            f"{found['extra_megabytes']:>8} {found.get('peer_extra_megabytes', '-'):>8}  {found['max_difference']:.1e}"
        )
    dense = rows[-1]["computed_dense_megabytes"]
    print(f"at {ALONE} bits softmax and logarithm over all codes would hold {dense} MB (computed, not allocated)")
    if options.json:
        print(json.dumps(rows))
