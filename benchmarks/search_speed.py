"""The training forward of our codebook (search, EMA, straight-through, losses) against vector-quantize-pytorch's.

The peer is the installed VectorQuantize with its own defaults. Both read the same memory, one token after the other
(what a channels_last encoder leaves), each under the shape it asks for. Both run in this process with equal threads,
in turns, and the median of the rounds counts. In eval mode, with equal vectors, the codes of both are held against
each other and against a search in float64. Extra megabytes: peak of the resident memory above what was held before.
"""

import json
import statistics
import sys

import torch
from against_peer import extra_megabytes, header, parser, seconds
from vector_quantize_pytorch import VectorQuantize

from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import DataSample
from signaltok.quantizers.codebook.update import ExponentialMovingAverage
from signaltok.quantizers.codebook.vector import VectorQuantizer

TOKENS = 4096
SIZES = [(1024, 8), (1024, 64), (1024, 256), (16_384, 8), (65_536, 64)]  # (codebook_size, dim)
ALONE = [(262_144, 64)]  # the peer does not fit into 16 GB
CLOSE = 1e-4  # codes whose squared distances differ by less than this share are ties in float32


def ours(size: int, dim: int) -> VectorQuantizer:
    return VectorQuantizer(
        latent_dim=dim,
        codebook_size=size,
        codebook_dim=dim,
        metric="euclidean",
        update=ExponentialMovingAverage(decay=0.8, epsilon=1e-5),
        estimator=StraightThrough(),
        initialization=DataSample(),
        revival=None,
    )


def true_codes(rows: torch.Tensor, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(nearest code in float64, whether the second nearest is so close that float32 cannot decide)."""
    codes, ties = [], []
    vectors = vectors.double()
    square = vectors.square().sum(1)
    for part in rows.double().split(64):
        distances = part.square().sum(1, keepdim=True) - 2 * part @ vectors.T + square
        two = distances.topk(2, largest=False)
        codes.append(two.indices[:, 0])
        ties.append(two.values[:, 1] - two.values[:, 0] < CLOSE * two.values[:, 1])
    return torch.cat(codes), torch.cat(ties)


def row(size: int, dim: int, rounds: int, with_peer: bool) -> dict[str, object]:
    torch.manual_seed(0)
    rows = torch.randn(TOKENS, dim)
    z = rows.T[None]
    mine = ours(size, dim).train()
    mine(z)
    mine.table.start(torch.randn(size, dim))
    mine.eval()
    vectors = mine.table.vectors.clone()
    codes = mine.encode(z)[0].flatten()
    expected, ties = true_codes(rows, vectors)
    equal = bool(((codes == expected) | ties).all())
    result: dict[str, object] = {"codebook_size": size, "dim": dim, "tokens": TOKENS}
    mine.train()
    mine(z)
    if not with_peer:
        times = [seconds(lambda: mine(z)) for _ in range(rounds)]
        return result | {
            "ratio": None,
            "extra_megabytes": round(extra_megabytes(lambda: mine(z)), 1),
            "milliseconds": round(1000 * statistics.median(times), 1),
            "codes_equal": equal,
        }
    peer = VectorQuantize(dim=dim, codebook_size=size)
    channels_last = rows[None]
    peer.train()(channels_last)
    peer._codebook.embed.data.copy_(vectors[None])
    peer.eval()
    with torch.no_grad():
        theirs = peer(channels_last)[1].flatten()
    differing = int(((theirs != codes) & ~ties).sum())
    peer.train()
    peer(channels_last)
    mine_times, peer_times = [], []
    for _ in range(rounds):
        mine_times.append(seconds(lambda: mine(z)))
        peer_times.append(seconds(lambda: peer(channels_last)))
    return result | {
        "ratio": round(statistics.median(peer_times) / statistics.median(mine_times), 1),
        "milliseconds": round(1000 * statistics.median(mine_times), 1),
        "peer_milliseconds": round(1000 * statistics.median(peer_times), 1),
        "extra_megabytes": round(extra_megabytes(lambda: mine(z)), 1),
        "peer_extra_megabytes": round(extra_megabytes(lambda: peer(channels_last)), 1),
        "codes_equal": equal and differing == 0,
    }


def main(arguments: list[str]) -> None:
    options = parser("search", __doc__, rounds=7).parse_args(arguments)
    header(options.threads, f"{TOKENS} tokens, median of {options.rounds}")
    print(f"{'K':>8} {'D':>4} {'ours ms':>9} {'peer ms':>9} {'ratio':>7} {'ours MB':>8} {'peer MB':>8}  codes equal")
    rows = []
    for size, dim in SIZES + ALONE:
        print(f"measuring {size} x {dim} …", file=sys.stderr)
        found = row(size, dim, options.rounds, (size, dim) not in ALONE)
        rows.append(found)
        print(
            f"{size:>8} {dim:>4} {found['milliseconds']:>9} {found.get('peer_milliseconds', '-'):>9} "
            f"{found['ratio'] or '-':>7} {found['extra_megabytes']:>8} {found.get('peer_extra_megabytes', '-'):>8}  "
            f"{'yes' if found['codes_equal'] else 'NO'}"
        )
    if options.json:
        print(json.dumps(rows))
