"""LSTM training steps of lstm-problem.mjs in PyTorch on one CPU thread; the protocol is that of torch_step.py. Also computes the
reference losses in 64-bit numbers."""
import numpy as np
import torch

import torch_step

STEPS, FEATURES, UNITS, CLASSES = 64, 128, 128, 10


def load_problem(batch):
    """Weights, inputs and labels of lstm-problem.mjs, from the same generator."""
    shapes = [(4 * UNITS, FEATURES), (4 * UNITS, UNITS), (4 * UNITS,), (4 * UNITS,), (CLASSES, UNITS), (CLASSES,)]
    total = sum(int(np.prod(s)) for s in shapes) + batch * STEPS * FEATURES + batch
    numbers = np.empty(total)
    seed = 1
    for i in range(total):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        numbers[i] = seed / 2**32
    at = 0

    def take(shape):
        nonlocal at
        at += int(np.prod(shape))
        return numbers[at - int(np.prod(shape)) : at].reshape(shape)

    bound = UNITS**-0.5
    weights = [((2 * take(shape) - 1) * bound).astype(np.float32) for shape in shapes]
    inputs = (2 * take((batch, STEPS, FEATURES)) - 1).astype(np.float32)
    return weights, inputs, np.floor(take((batch,)) * CLASSES).astype(np.int64)


class LstmSession:
    def __init__(self, batch, dtype=torch.float32):
        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        weights, inputs, labels = load_problem(batch)
        self.lstm = torch.nn.LSTM(FEATURES, UNITS, batch_first=True).to(dtype)
        self.fc = torch.nn.Linear(UNITS, CLASSES).to(dtype)
        parameters = [*self.lstm.parameters(), *self.fc.parameters()]
        with torch.no_grad():
            for parameter, value in zip(parameters, weights):
                parameter.copy_(torch.tensor(value))
        self.inputs, self.labels = torch.tensor(inputs, dtype=dtype), torch.tensor(labels)
        betas = (torch_step.BETA1, torch_step.BETA2)
        self.optimizer = torch.optim.Adam(parameters, lr=torch_step.LEARNING_RATE, betas=betas, eps=torch_step.EPSILON)
        self.description = f"PyTorch {torch.__version__}, CPU, 1 thread"

    def step(self):
        _, (h, _) = self.lstm(self.inputs)
        loss = torch.nn.functional.cross_entropy(self.fc(h[0]), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def reference(batch):
    exact = LstmSession(batch, torch.float64)
    return {"losses": [exact.step() for _ in range(6)]}


if __name__ == "__main__":
    torch_step.SESSIONS = {"torch": LstmSession}
    torch_step.REQUESTS["reference"] = reference
    torch_step.main()
