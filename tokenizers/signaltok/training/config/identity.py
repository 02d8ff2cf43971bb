"""What a run is known by: a hash of its config without places and looks."""

import hashlib
from typing import Any

from signaltok.reports.setting import canonical, identity


def config_hash(settings: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits; equal for runs that differ only in where they lie and what they show."""
    return hashlib.sha256(canonical(identity(settings)).encode()).hexdigest()[:16]
