"""Deep features of one case on the processor (and the GPU where there is one): each network at its published width."""

import hashlib
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from core.features.architecture import CT_WINDOW
from core.features.deep import DeepExtractor
from core.features.device import device
from core.features.networks import NAMES, architecture
from core.features.weights import Weights
from tests.bench.lesions import lesion

RUNS = 5


def weights_of(name: str, folder: Path) -> Weights:
    from safetensors.torch import save_file

    path = folder / f"{name}.safetensors"
    save_file({k: v.contiguous() for k, v in architecture(name).build(2, 64).state_dict().items()}, path)
    return Weights(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def main() -> None:
    images, masks = lesion(5, 1)
    print(f"Deep features of a 5 cm lesion, one phase, on {device()}; medians of {RUNS} runs after the first")
    columns = ("load s", "case s", "channels-last", "bfloat16", "its difference")
    print(f"{'network':16}" + "".join(f"{c:>16}" for c in columns))
    for name in NAMES:
        if architecture(name).inputs is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            extractor = DeepExtractor(name, weights_of(name, Path(folder)), CT_WINDOW)
            started = time.perf_counter()
            extractor.extract(images[0], masks["tumour"])
            first = time.perf_counter() - started
            case = median(timed(lambda e=extractor: e.extract(images[0], masks["tumour"])) for _ in range(RUNS))
        of = extractor.architecture
        inputs = torch.from_numpy(of.inputs(images[0], masks["tumour"], CT_WINDOW).batch[:8])
        plain, last, half, gap = formats(extractor._network, of.normalised(inputs).to(device()), of.dimensions)
        cells = (f"{first - case:.2f}", f"{case:.2f}", f"{plain / last:.2f}×", f"{plain / half:.2f}×", f"{gap:.1e}")
        print(f"{name:16}" + "".join(f"{c:>16}" for c in cells), flush=True)


def formats(network: torch.nn.Module, batch: torch.Tensor, dimensions: int) -> tuple[float, float, float, float]:
    """Seconds of up to 8 inputs as they are, channels-last, and in bfloat16; how far bfloat16's features lie off."""
    layout = torch.channels_last if dimensions == 2 else torch.channels_last_3d
    with torch.inference_mode():
        expected = network(batch)
        plain = median(timed(lambda: network(batch)) for _ in range(RUNS))
        network.to(memory_format=layout)
        turned = batch.to(memory_format=layout)
        network(turned)
        last = median(timed(lambda: network(turned)) for _ in range(RUNS))
        network.to(memory_format=torch.contiguous_format)
        with torch.autocast(batch.device.type, dtype=torch.bfloat16):
            found = network(batch)
            half = median(timed(lambda: network(batch)) for _ in range(RUNS))
    gap = float((found.float() - expected).abs().max() / expected.abs().max())
    return plain, last, half, gap


def timed(work: object) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
