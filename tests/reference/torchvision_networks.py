"""Write torchvision_networks.csv: names, shapes and outputs of torchvision's networks with weights made from formulas.

Run where torchvision can be imported. What it writes lets our networks be compared with torchvision's without it: the
same formulas fill both, and both look at the same input.
"""

import csv
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
OUTPUTS = 6


def formula_tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Numbers of a sensible size for a parameter of this name: the same everywhere."""
    count = int(np.prod(shape)) if shape else 1
    waves = np.sin(np.arange(count) * 0.7310585 + sum(map(ord, name)) * 0.137)
    if name.endswith("running_var"):
        values = 1 + 0.5 * waves**2
    elif name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.long)
    elif name.endswith("weight") and len(shape) == 1:
        values = 1 + 0.1 * waves
    elif len(shape) > 1:
        values = waves * np.sqrt(2 / np.prod(shape[1:]))
    else:
        values = 0.05 * waves
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def formula_input(shape: tuple[int, ...]) -> torch.Tensor:
    count = int(np.prod(shape))
    return torch.from_numpy(np.cos(np.arange(count) * 0.013).astype(np.float32).reshape(1, *shape))


INPUTS = {
    "resnet34_2_5d": (3, 224, 224),
    "resnet50_2d": (3, 224, 224),
    "densenet121_2d": (3, 224, 224),
    "vit_b16_2d": (3, 224, 224),
    "swin_t_2d": (3, 224, 224),
    "resnet18_3d": (3, 64, 64, 64),
}

if __name__ == "__main__":
    import torchvision
    from torchvision.models import densenet121, resnet34, resnet50, swin_t, vit_b_16
    from torchvision.models.video import r3d_18

    makers = dict(zip(INPUTS, (resnet34, resnet50, densenet121, vit_b_16, swin_t, r3d_18), strict=True))
    with (HERE / "torchvision_networks.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["network", "kind", "name", "value", "citation"])
        for network, make in makers.items():
            model = make(weights=None).eval()
            state = {}
            for name, value in model.state_dict().items():
                held = "relative_position_index" in name
                state[name] = value if held else formula_tensor(name, tuple(value.shape))
                shape = "x".join(map(str, value.shape))
                writer.writerow([network, "index" if held else "shape", name, shape, ""])
            model.load_state_dict(state)
            with torch.inference_mode():
                output = model(formula_input(INPUTS[network]))[0]
            for place, value in enumerate(output[:OUTPUTS].tolist()):
                writer.writerow([network, "output", place, repr(value), f"torchvision {torchvision.__version__}"])
