"""Training steps of lstm-problem.mjs and gpt-problem.mjs in PyTorch on one CPU thread; the protocol is that of torch_step.py. Also
computes the reference losses in 64-bit numbers. Arguments: library, network."""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import torch_step

SIZES = json.loads((Path(__file__).resolve().parent / "sizes.json").read_text())
ADAM = {"lr": torch_step.LEARNING_RATE, "betas": (torch_step.BETA1, torch_step.BETA2), "eps": torch_step.EPSILON}


class Generator:
    """The numbers of generator.mjs."""

    def __init__(self):
        self.seed = 1

    def uniform(self, shape):
        count, seed = int(np.prod(shape)), self.seed
        numbers = np.empty(count)
        for i in range(count):
            seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
            numbers[i] = seed / 2**32
        self.seed = seed
        return numbers.reshape(shape)

    def floats(self, shape, bound, centre=0):
        return torch.tensor(((2 * self.uniform(shape) - 1) * bound + centre).astype(np.float32))

    def integers(self, shape, limit):
        return torch.tensor(np.floor(self.uniform(shape) * limit).astype(np.int64))


class Lstm(nn.Module):
    """Parameters are registered in the order of lstm-problem.mjs."""

    def __init__(self, steps, features, units, classes):
        super().__init__()
        self.shape = (steps, features)
        self.lstm = nn.LSTM(features, units, batch_first=True)
        self.fc = nn.Linear(units, classes)

    def draw(self, generator, batch):
        """Sets the parameters; gives inputs and labels."""
        bound = self.lstm.hidden_size**-0.5
        for parameter in self.parameters():
            parameter.copy_(generator.floats(parameter.shape, bound))
        return generator.floats((batch, *self.shape), 1), generator.integers((batch,), self.fc.out_features)

    def forward(self, x):
        _, (h, _) = self.lstm(x)
        return self.fc(h[0])

    def optimizer(self):
        return torch.optim.Adam(self.parameters(), **ADAM)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn, self.attn_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.c_fc, self.mlp_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attn_proj(self.attention(self.c_attn(self.ln_1(x))))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))

    def attention(self, qkv):
        n, length, width = qkv.shape
        q, k, v = qkv.view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:  # before PyTorch 2
            later = torch.ones(length, length, dtype=torch.bool).triu(1)
            scores = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
            y = scores.masked_fill(later, float("-inf")).softmax(-1) @ v
        return y.transpose(1, 2).reshape(n, length, width // 3)


class Gpt(nn.Module):
    """Parameters are registered in the order of gpt-problem.mjs."""

    def __init__(self, layers, heads, embedSize, contextLength, vocabSize):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabSize, embedSize), nn.Embedding(contextLength, embedSize)
        self.h = nn.ModuleList(Block(embedSize, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(embedSize)

    def draw(self, generator, batch):
        """Sets the parameters; gives tokens and those that follow them."""
        for name, parameter in self.named_parameters():
            centre = 1 if "ln_" in name and name.endswith("weight") else 0
            parameter.copy_(generator.floats(parameter.shape, 0.02 * 3**0.5, centre))
        text = generator.integers((batch, self.wpe.num_embeddings + 1), self.wte.num_embeddings)
        return text[:, :-1], text[:, 1:].flatten()

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe.weight
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight).flatten(0, 1)

    clip_norm = 1

    def optimizer(self):
        return torch.optim.AdamW(self.parameters(), weight_decay=0.1, **ADAM)


class Session:
    def __init__(self, network, batch, dtype=torch.float32):
        torch.set_num_threads(1)
        self.model = (Lstm if network == "lstm" else Gpt)(**SIZES[network]).to(dtype)
        with torch.no_grad():
            inputs, self.labels = self.model.draw(Generator(), batch)
        self.inputs = inputs.to(dtype) if inputs.is_floating_point() else inputs
        self.optimizer = self.model.optimizer()
        self.description = f"PyTorch {torch.__version__}, CPU, 1 thread"

    def step(self):
        loss = F.cross_entropy(self.model(self.inputs), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if hasattr(self.model, "clip_norm"):
            nn.utils.clip_grad_norm_(self.model.parameters(), self.model.clip_norm)
        self.optimizer.step()
        return loss.item()


def main():
    network = sys.argv[2]

    def reference(batch):
        exact = Session(network, batch, torch.float64)
        return {"losses": [exact.step() for _ in range(6)]}

    torch_step.SESSIONS = {"torch": lambda batch: Session(network, batch)}
    torch_step.REQUESTS["reference"] = reference
    torch_step.main()


if __name__ == "__main__":
    main()
