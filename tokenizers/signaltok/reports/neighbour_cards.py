"""The part of a run's page that shows what texts find and what shares a code: the sheets of reports.neighbours."""

import base64
from pathlib import Path

from signaltok.reports.samples import NEAREST, SHARED

TITLES = {
    NEAREST: (
        "Pictures nearest to a text",
        "By the quantized picture beside the text as it is; a text's own is framed.",
    ),
    SHARED: ("Pictures that share a code", "The codes of the first level that most pictures have, with some of these."),
}


def neighbour_cards(samples: Path) -> str:
    """A section for each sheet that is there; nothing where none is."""
    return "\n".join(
        f'<section>\n<h2>{title}</h2>\n<p class="note">{note}</p>\n<div class="card scroll"><img alt="{title}" '
        f'src="data:image/png;base64,{base64.b64encode((samples / name).read_bytes()).decode()}"></div>\n</section>'
        for name, (title, note) in TITLES.items()
        if (samples / name).is_file()
    )
