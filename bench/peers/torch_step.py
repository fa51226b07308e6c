"""LeNet-5 training steps without a GPU, on one thread: "torch" or "numpy". Answers requests, one line of JSON each, on
standard input and output (the protocol of worker.mjs). numpy also computes the reference losses in 64-bit numbers."""
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "test/fixtures/golden/lenet5"
LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def read_safetensors(name):
    data = (FOLDER / name).read_bytes()
    length = int.from_bytes(data[:8], "little")
    types = {"F32": np.float32, "I32": np.int32}
    tensors = {}
    for key, entry in json.loads(data[8 : 8 + length]).items():
        if key == "__metadata__":
            continue
        begin, end = (offset + 8 + length for offset in entry["data_offsets"])
        tensors[key] = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def load_problem(batch):
    """Initial weights, images [batch, 1, 28, 28], labels [batch]; the 64 images are repeated in order."""
    stored = read_safetensors("images.safetensors")
    which = np.arange(batch) % len(stored["labels"])
    return read_safetensors("initial_weights.safetensors"), stored["images"][which], stored["labels"][which]


class TorchSession:
    def __init__(self, batch):
        import torch

        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        weights, images, labels = load_problem(batch)
        self.torch = torch
        self.images = torch.tensor(images)
        self.labels = torch.tensor(labels.astype(np.int64))
        self.weights = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=LEARNING_RATE, betas=(BETA1, BETA2), eps=EPSILON)
        self.description = f"PyTorch {torch.__version__}, CPU, 1 thread"

    def step(self):
        f, w = self.torch.nn.functional, self.weights
        h = f.max_pool2d(f.relu(f.conv2d(self.images, w["conv1.weight"], w["conv1.bias"], padding=2)), 2)
        h = f.max_pool2d(f.relu(f.conv2d(h, w["conv2.weight"], w["conv2.bias"])), 2).flatten(1)
        h = f.relu(f.linear(h, w["fc1.weight"], w["fc1.bias"]))
        h = f.relu(f.linear(h, w["fc2.weight"], w["fc2.bias"]))
        loss = f.cross_entropy(f.linear(h, w["fc3.weight"], w["fc3.bias"]), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class NumpySession:
    """Activations are kept as [N, H, W, C]; a convolution is a copy of all windows and one matrix product."""

    def __init__(self, batch, dtype=np.float32):
        weights, images, self.labels = load_problem(batch)
        self.weights = {name: value.astype(dtype) for name, value in weights.items()}
        self.m = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self.v = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self.images = np.pad(images.astype(dtype), ((0, 0), (0, 0), (2, 2), (2, 2))).transpose(0, 2, 3, 1)
        self.count = 0
        self.description = f"NumPy {np.__version__}, CPU, 1 thread"

    def step(self):
        w, gradients = self.weights, {}
        h, back1 = self.block(self.images, "conv1", gradients, input_gradient=False)
        h, back2 = self.block(h, "conv2", gradients, input_gradient=True)
        pooled_shape = h.shape
        h = h.transpose(0, 3, 1, 2).reshape(len(h), 400)
        backs = []
        for layer in ("fc1", "fc2", "fc3"):
            backs.append((layer, h))
            h = h @ w[f"{layer}.weight"].T + w[f"{layer}.bias"]
            if layer != "fc3":
                h = np.maximum(h, 0)
        rows = np.arange(len(h))
        h = h - h.max(axis=1, keepdims=True)
        log_p = h - np.log(np.exp(h).sum(axis=1, keepdims=True))
        loss = -log_p[rows, self.labels].mean()
        d = np.exp(log_p)
        d[rows, self.labels] -= 1
        d /= len(h)
        for layer, x in reversed(backs):
            gradients[f"{layer}.weight"] = d.T @ x
            gradients[f"{layer}.bias"] = d.sum(axis=0)
            d = d @ w[f"{layer}.weight"]
            if layer != "fc1":
                d *= x > 0
        n, rows_out, columns_out, channels = pooled_shape
        back1(back2(d.reshape(n, channels, rows_out, columns_out).transpose(0, 2, 3, 1)))
        self.adam(gradients)
        return float(loss)

    def block(self, x, layer, gradients, input_gradient):
        """Convolution 5x5, relu, max pooling 2x2; returns the result and the function that goes back through it."""
        weight = self.weights[f"{layer}.weight"]
        k, c = weight.shape[:2]
        flat = weight.transpose(0, 2, 3, 1).reshape(k, 25 * c)
        n, height, width = x.shape[0], x.shape[1] - 4, x.shape[2] - 4
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (1, 2))  # n, h, w, c, 5, 5
        columns = windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * height * width, 25 * c)
        y = (columns @ flat.T).reshape(n, height // 2, 2, width // 2, 2, k)
        y += self.weights[f"{layer}.bias"]
        corners = [y[:, :, i, :, j] for i in (0, 1) for j in (0, 1)]
        top = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
        pooled = np.maximum(top, 0)

        def back(d):
            d = d * (top > 0)
            dy = np.zeros_like(y)
            free = np.ones(top.shape, bool)  # the first of equal maxima takes the gradient
            for (i, j), corner in zip(((0, 0), (0, 1), (1, 0), (1, 1)), corners):
                hit = free & (corner == top)
                dy[:, :, i, :, j] = d * hit
                free &= ~hit
            dy = dy.reshape(n * height * width, k)
            gradients[f"{layer}.weight"] = (dy.T @ columns).reshape(k, 5, 5, c).transpose(0, 3, 1, 2)
            gradients[f"{layer}.bias"] = dy.sum(axis=0)
            if not input_gradient:
                return None
            dcolumns = (dy @ flat).reshape(n, height, width, 5, 5, c)
            dx = np.zeros_like(x)
            for i in range(5):
                for j in range(5):
                    dx[:, i : i + height, j : j + width] += dcolumns[:, :, :, i, j]
            return dx

        return pooled, back

    def adam(self, gradients):
        self.count += 1
        correction1, correction2 = 1 - BETA1**self.count, 1 - BETA2**self.count
        for name, g in gradients.items():
            m, v = self.m[name], self.v[name]
            m += (1 - BETA1) * (g - m)
            v += (1 - BETA2) * (g * g - v)
            self.weights[name] -= LEARNING_RATE * (m / correction1) / (np.sqrt(v / correction2) + EPSILON)


session = None
SESSIONS = {"torch": TorchSession, "numpy": NumpySession}


def start(library, batch, **_):
    global session
    begin = time.perf_counter()
    importlib.import_module(library)
    loaded = time.perf_counter()
    session = SESSIONS[library](batch)
    created = time.perf_counter()
    loss = session.step()
    stepped = time.perf_counter()
    times = {
        "loadMs": (loaded - begin) * 1e3,
        "createMs": (created - loaded) * 1e3,
        "firstStepMs": (stepped - created) * 1e3,
    }
    return {"adapter": {"description": session.description}, "losses": [loss], **times}


def first_losses(n):
    return {"losses": [session.step() for _ in range(n)]}


def steps(k):
    cpu, begin = time.process_time(), time.perf_counter()
    for _ in range(k):
        loss = session.step()
    return {"loss": loss, "ms": (time.perf_counter() - begin) * 1e3, "cpuMs": (time.process_time() - cpu) * 1e3}


def reference(batch):
    exact = NumpySession(batch, np.float64)
    return {"losses": [exact.step() for _ in range(6)]}


REQUESTS = {
    "start": start,
    "firstLosses": first_losses,
    "steps": steps,
    "reference": reference,
    "memory": lambda: {"peakMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024},
    "stop": lambda: {},
}


def main():
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request["id"]}
        try:
            answer["result"] = REQUESTS[request["method"]](**request["args"])
        except Exception as error:  # sent to the parent, which reports it
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)
        if request["method"] == "stop":
            os._exit(0)


if __name__ == "__main__":
    main()
