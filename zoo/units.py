"""Quantities written for people. Exact integers are kept everywhere else; rounding happens here and in renderers.

A MAC is one multiply-accumulate, two FLOPs. Amounts are MACs or FLOPs; rates are FLOP/s, always with the slash.
"""

from __future__ import annotations

FLOPS_PER_MAC = 2

_DECIMAL_PREFIXES = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K"), (1, ""))


def format_amount(value: float | None, unit: str = "", *, digits: int = 2, like: float | None = None) -> str:
    """`4.09 GMACs` for (4_089_184_256, "MACs"); `25.56 M` for a plain number; a dash for an unknown one.

    Args:
        value: the amount, or None or NaN where it is unknown.
        unit: what it counts.
        digits: after the point; whole numbers without a prefix have none.
        like: another amount whose prefix is used, so that the two can be compared: 670.73 KMACs, 1341.46 KFLOPs.
    """
    if value is None or value != value:
        return "–"
    size = abs(value if like is None else like)
    scale, prefix = next(((s, p) for s, p in _DECIMAL_PREFIXES if size >= s), (1, ""))
    number = f"{value / scale:.{0 if scale == 1 and float(value).is_integer() else digits}f}"
    return f"{number} {prefix}{unit}".rstrip()


def format_bytes(value: float | None, *, digits: int = 1) -> str:
    """`97.8 MB`, in decimal units as file sizes and data sheets use them."""
    return format_amount(value, "B", digits=digits)


def format_seconds(seconds: float) -> str:
    """`48 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
