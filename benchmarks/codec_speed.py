"""Parts of audio codecs against the public packages: how many times as fast, codes compared."""

import json
import sys

from against_peer import header, parser


def main(arguments: list[str]) -> None:
    options = parser("codec", __doc__, rounds=15).parse_args(arguments)
    header(options.threads, f"medians of {options.rounds}, in turns")
    import codec_quantizers

    print("residual quantizers: times as fast as", file=sys.stderr)
    print(f"{'':<42} {'ours ms':>8} {'encodec':>8} {'vqp':>6} {'DAC':>6}  codes differing (of), equal but near ties")
    rows = codec_quantizers.rows(options.rounds)
    for row in rows:
        ratios = (row.get("over_encodec", "-"), row.get("over_library", "-"), row.get("over_dac", "-"))
        print(
            f"{row['what']:<42} {row['milliseconds']:>8} {ratios[0]:>8} {ratios[1]:>6} {ratios[2]:>6}  "
            f"{row['differing']} ({row['codes']}), {'yes' if row['codes_equal'] else 'NO'}"
        )
    if options.json:
        print(json.dumps(rows))
