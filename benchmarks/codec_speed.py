"""Audio codecs against the public packages with equal weights: how many times as fast, codes compared.

Whole encoders (codec_networks.py) and residual quantizers (codec_quantizers.py); --only takes one of the two.
"""

import json
import sys

from against_peer import header, parser

HEADING = f"{'':<42} {'ours ms':>8} {'encodec':>8} {'vqp':>6} {'DAC':>6}  codes differing (of), equal but near ties"


def quantizers(rounds: int) -> list[dict[str, object]]:
    import codec_quantizers

    print("residual quantizers: times as fast as\n" + HEADING)
    rows = codec_quantizers.rows(rounds)
    for row in rows:
        ratios = (row.get("over_encodec", "-"), row.get("over_library", "-"), row.get("over_dac", "-"))
        print(
            f"{row['what']:<42} {row['milliseconds']:>8} {ratios[0]:>8} {ratios[1]:>6} {ratios[2]:>6}  "
            f"{row['differing']} ({row['codes']}), {'yes' if row['codes_equal'] else 'NO'}"
        )
    return rows


def networks(rounds: int, threads: int, seconds: float) -> list[dict[str, object]]:
    import codec_networks

    print("whole encoders, codes and all: exact blocks and free shapes, times as fast as the package, and onnxruntime")
    rows = codec_networks.rows(rounds, threads, seconds)
    for row in rows:
        print(f"{row['what']}: milliseconds {row['milliseconds']}")
        for way, over_peer in row["over_peer"].items():
            print(
                f"  {way:<11} package {over_peer}, onnxruntime {row.get('over_onnx', {}).get(way, '-')}; "
                f"|latents - the package's| at most {row['latent_difference'][way]:.1e} of {row['latent_size']:.2f}; "
                f"{row['differing'][way]} of {row['codes']} codes differ"
            )
        print(f"  codes equal but for near ties: {'yes' if row['codes_equal'] else 'NO'}", flush=True)
    return rows


def main(arguments: list[str]) -> None:
    arguments_of = parser("codec", __doc__, rounds=15)
    arguments_of.add_argument("--only", choices=["networks", "quantizers"])
    arguments_of.add_argument("--seconds", type=float, default=10.0, help="of the sound that the encoders get")
    options = arguments_of.parse_args(arguments)
    header(options.threads, f"medians of {options.rounds}, in turns")
    rows: list[dict[str, object]] = []
    if options.only != "quantizers":
        rows += networks(options.rounds, options.threads, options.seconds)
    if options.only != "networks":
        rows += quantizers(options.rounds)
    if options.json:
        sys.stdout.flush()
        print(json.dumps(rows))
