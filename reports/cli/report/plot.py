"""`zoometer plot`: accuracy against a cost as a picture for a slide."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.help import examples
from reports.cli.common.output import note
from zoo.errors import ConfigError, OutputError

EXAMPLES = examples(
    "zoometer plot          Top-1 against MACs, in plot.png",
    "zoometer plot --out params.svg --cost params --max-params 20M --min-top1 75",
    "zoometer plot --device 'orin nano' --dtype fp16 --max-latency 10ms",
    "zoometer plot --device t4 --cost latency --dark --out t4.png --out t4.svg",
    "zoometer plot configs/jetson.yaml --budget camera --title Cameras",
    closing="""A grey point does not fit. Where the frontier has more models than there is
 room for names, those that are named are spread over it.

 Costs: params, macs, activations, peak_memory, memory, file_size, latency,
 throughput. Default: a latency that is limited, else that of the budget, or
 macs.""",
)

_SIZE = re.compile(r"(\d{3,5})x(\d{3,5})")
_LEAST_PX = 400


@options.sharing(options.BUDGET, options.DEVICE_RUN)
def plot(
    config: options.ConfigOrAll = None,
    out: Annotated[
        list[Path] | None, typer.Option("--out", "-o", metavar="FILE", help="A .png or .svg. Repeatable. Default: plot.png.")
    ] = None,
    cost: Annotated[str | None, typer.Option(metavar="NAME", help="What the models cost, on the logarithmic axis.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--accuracy", "--dataset", metavar="DATASET", help="Where accuracy counts. Default: imagenet-1k."),
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the PNG in pixels; an SVG has the same shape.")] = "1600x900",
    dark: Annotated[bool, typer.Option("--dark", help="On a dark ground.")] = False,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Default: what is drawn.")] = None,
    most: Annotated[int, typer.Option("--labels", min=0, help="Names on the frontier at most.")] = 15,
    cache: options.Cache = None,
    devices: options.DevicesFile = None,
    speed: options.SpeedFiles = None,
    **shared: Any,
) -> None:
    """Draw accuracy against a cost, with the frontier and the limits, as PNG or SVG."""
    stated = options.stated_budget(shared, dataset=dataset)
    from reports.api.answering import BudgetRequest, draw_answer
    from reports.plot import picture
    from reports.plot.theme import Style

    files = list(dict.fromkeys(out or [Path("plot.png")]))
    _check_suffixes(files)
    width, height = _read_size(size)
    request = BudgetRequest(config, cache, shared["budget"], stated, devices, tuple(speed or ()), options.option_of)
    figure = draw_answer(request, cost, Style(width, height, is_dark=dark, title=title, most_labels=most))
    for path in files:
        picture.write(figure, path)
        note(f"Wrote {path}")


def _check_suffixes(files: list[Path]) -> None:
    from reports.plot.picture import FORMATS

    for path in files:
        if path.suffix.lower().removeprefix(".") not in FORMATS:
            raise OutputError(f"'{path}' is neither a PNG nor an SVG: let its name end with .png or .svg.")


def _read_size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None or min(int(match[1]), int(match[2])) < _LEAST_PX:
        raise ConfigError(f"--size: '{text}' is not a size. Write width x height in pixels, {_LEAST_PX} at least: 1600x900.")
    return int(match[1]), int(match[2])
