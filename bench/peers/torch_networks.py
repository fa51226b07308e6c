"""Times PyTorch on training steps like Weft's: LeNet-5 at several batches, an MLP, a VGG-like net and ResNet-20, with Adam,
float32 without TF32; eager, torch.compile and one CUDA graph per step. On a machine without CUDA: eager on the CPU. LeNet-5's
first losses are compared with the golden ones. Prints one line of JSON."""
import contextlib
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

from torch_step import load_problem

ROUNDS = 9
ROUND_SECONDS = 0.3
CHECKED_STEPS = 5
TOLERANCE = 1e-4
CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def mlp(width):
    layers = [nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)]
    return nn.Sequential(*layers)


def vgg():
    def block(a, b):
        return [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]

    head = [nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(*block(3, 32), *block(32, 64), *block(64, 128), *head)


class Residual(nn.Module):
    def __init__(self, a, b, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
            nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b),
        )
        short = [nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b)]
        self.short = nn.Sequential(*short) if a != b else nn.Identity()

    def forward(self, x):
        return F.relu(self.main(x) + self.short(x))


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for a, b, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
        layers += [Residual(a, b, stride), Residual(b, b, 1), Residual(b, b, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


GREY, COLOUR = (1, 28, 28), (3, 32, 32)
LARGE = 128 if CUDA else 16
WORKLOADS = [
    *[(f"lenet5 batch {n}", LeNet5, GREY, n) for n in (1, 16, 64, 256, 1024)],
    *[(f"mlp-{w} batch 64", lambda w=w: mlp(w), GREY, 64) for w in (128, 256, 512, 1024)],
    (f"vgg batch {LARGE}", vgg, COLOUR, LARGE),
    (f"resnet20 batch {LARGE}", resnet20, COLOUR, LARGE),
]


class Step:
    """A training step; `run` starts it and leaves the loss in `self.loss`."""

    def __init__(self, mode, make, shape, batch):
        torch.manual_seed(0)
        model = make().to(DEVICE)
        self.golden = isinstance(model, LeNet5) and batch % 64 == 0
        if self.golden:
            weights, images, labels = load_problem(batch)
            model.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
            self.x, self.target = torch.tensor(images).to(DEVICE), torch.tensor(labels).long().to(DEVICE)
        else:
            self.x = (torch.rand(batch, *shape) * 2 - 1).to(DEVICE)
            self.target = torch.randint(10, (batch,)).to(DEVICE)
        captured = mode == "CUDA graph"
        self.adam = torch.optim.Adam(model.parameters(), lr=1e-3, **({"capturable": True} if captured else {}))
        self.model = torch.compile(model) if mode == "compile" else model
        self.run = self.eager
        if captured:
            self.capture()

    def eager(self):
        self.adam.zero_grad(set_to_none=True)
        self.loss = F.cross_entropy(self.model(self.x), self.target)
        self.loss.backward()
        self.adam.step()

    def capture(self):
        """Warms up on a side stream, captures one step, and starts over from the first weights."""
        first = {name: value.clone() for name, value in self.model.state_dict().items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.eager()
        torch.cuda.current_stream().wait_stream(stream)
        self.adam.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.loss = F.cross_entropy(self.model(self.x), self.target)
            self.loss.backward()
            self.adam.step()
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                value.copy_(first[name])
            for values in self.adam.state.values():
                for value in values.values():
                    if torch.is_tensor(value):
                        value.zero_()
        self.graph = graph
        self.run = graph.replay


def synchronize():
    if CUDA:
        torch.cuda.synchronize()


def time_step(mode, make, shape, batch, golden):
    step = Step(mode, make, shape, batch)
    losses = []
    for _ in range(CHECKED_STEPS):
        step.run()
        losses.append(step.loss.item())
    if step.golden:
        worst = max(abs(a / b - 1) for a, b in zip(losses, golden))
        if worst > TOLERANCE:
            return {"problem": f"WRONG: losses off by {worst:.1e}"}
    elif not losses[-1] < losses[0]:
        return {"problem": f"WRONG: losses {losses}"}

    def seconds(runs):
        begin = time.perf_counter()
        for _ in range(runs):
            step.run()
        synchronize()
        return (time.perf_counter() - begin) / runs

    seconds(3)
    runs = max(1, int(ROUND_SECONDS / seconds(3)))
    times = sorted(1e3 * seconds(runs) for _ in range(ROUNDS))
    return {"ms": statistics.median(times), "min": times[0], "max": times[-1]}


def main():
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    golden = json.loads(sys.argv[1])
    modes = ["eager", *(["compile"] if hasattr(torch, "compile") and CUDA else []), *(["CUDA graph"] if CUDA else [])]
    rows = []
    for name, make, shape, batch in WORKLOADS:
        row = {"name": name}
        for mode in modes:
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    row[mode] = time_step(mode, make, shape, batch, golden)
            except Exception as error:  # one mode that fails leaves the others their figures
                row[mode] = {"problem": f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"}
        rows.append(row)
        print(name, file=sys.stderr)
    device = torch.cuda.get_device_name() if CUDA else f"CPU, {torch.get_num_threads()} threads"
    print(json.dumps({"torch": torch.__version__, "device": device, "modes": modes, "rows": rows}))


if __name__ == "__main__":
    main()
