"""What `signaltok inspect experiment/NAME` shows: the parts of an experiment at its size, built without memory."""

from torch import nn

from signaltok.cli.list import experiments_folder, read_notes
from signaltok.training.experiment import built_on_meta, composed_experiment
from signaltok.types.token_stack import grid_size


def rows_of(name: str) -> list[tuple[str, str]]:
    """Name and text of each row. Raises ValueError where there is no such experiment."""
    folder = experiments_folder()
    if folder is None:
        raise ValueError("there is no configs/experiment here; run this in the project's folder")
    settings = composed_experiment(folder.parent, name)
    tokenizer = built_on_meta(settings)
    size = settings["data"]["size"]
    paper = read_notes(folder / f"{name}.yaml").get("paper", "")
    rows = [("kind", "experiment, built without memory"), ("paper", paper)]
    for room in ("encoder", "quantizer", "decoder"):
        part = getattr(tokenizer, room)
        rows.append((room, f"{type(part).__name__}, {_parameters(part):,} parameters"))
    rows.append(("parameters", f"{_parameters(tokenizer):,}"))
    rows.append(("signal", f"{size} × {size}"))
    sizes = tokenizer.quantizer.codebook_sizes
    if not sizes:
        return [*rows, ("codes", "none: continuous tokens")]
    grids = ["×".join(str(n) for n in grid_size((size, size), stride)) for stride in tokenizer.strides]
    rows.append(("token grids", ", ".join(grids)))
    rows.append(("codebook sizes", ", ".join(f"{number:,}" for number in sizes)))
    vectors = [tuple(level.searched.shape) for level in tokenizer.quantizer.code_vectors()]
    return [*rows, ("codebooks", ", ".join(f"{k:,} × {d}" for k, d in vectors) or "no table")]


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
