"""How measured values are shown."""

import math
import statistics


def spread(values, unit):
    """min / median / p95."""
    values = sorted(values)
    p95 = values[min(len(values) - 1, math.ceil(0.95 * len(values)) - 1)]
    return " / ".join(f"{v / unit:.1f}" for v in (values[0], statistics.median(values), p95))
