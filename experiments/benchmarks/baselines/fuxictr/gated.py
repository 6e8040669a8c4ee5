"""Models with gates, masks and factorized layers: DNN, MaskNet, GDCN, FinalMLP, FinalNet."""

import itertools

import torch
from fuxictr.pytorch import layers
from torch import nn

from .base import DEEP_UNITS, Model, TwoLogits


class _DNN(Model):
    def make(self, feature_map):
        self.embedding, self.mlp = self.embed(feature_map), self.deep(self.width)

    def logit(self, inputs):
        return self.mlp(self.embedding(inputs, flatten_emb=True))


class _MaskBlock(nn.Module):
    def __init__(self, mask_width, width, units):
        super().__init__()
        self.mask = nn.Sequential(nn.Linear(mask_width, width), nn.ReLU(), nn.Linear(width, width))
        self.output = nn.Sequential(nn.Linear(width, units, bias=False), nn.LayerNorm(units), nn.ReLU())

    def forward(self, embedded, states):
        return self.output(self.mask(embedded) * states)


class _MaskNet(Model):
    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.norms = nn.ModuleList(nn.LayerNorm(self.embedding_dim) for _ in range(self.num_fields))
        self.blocks = nn.ModuleList(
            _MaskBlock(self.width, width, units) for width, units in itertools.pairwise([self.width, *DEEP_UNITS])
        )
        self.output = nn.Linear(DEEP_UNITS[-1], 1)

    def normalized(self, embedded):
        vectors = embedded.chunk(self.num_fields, dim=1)
        return torch.cat([norm(vector) for norm, vector in zip(self.norms, vectors, strict=True)], dim=1).flatten(1)

    def logit(self, inputs):
        embedded = self.embedding(inputs)
        states, flat = self.normalized(embedded), embedded.flatten(1)
        for block in self.blocks:
            states = block(flat, states)
        return self.output(states)


class _ParallelMaskNet(_MaskNet):
    def make(self, feature_map):
        super().make(feature_map)
        self.blocks = nn.ModuleList(_MaskBlock(self.width, self.width, units) for units in DEEP_UNITS)
        self.output = self.deep(sum(DEEP_UNITS))

    def logit(self, inputs):
        embedded = self.embedding(inputs)
        states, flat = self.normalized(embedded), embedded.flatten(1)
        return self.output(torch.cat([block(flat, states) for block in self.blocks], dim=-1))


class _GatedCross(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.product, self.gate = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.bias = nn.Parameter(torch.rand(width))

    def forward(self, first, states):
        return first * (self.product(states) + self.bias) * self.gate(states).sigmoid() + states


class _GDCN(Model):
    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.cross = nn.ModuleList(_GatedCross(self.width) for _ in range(3))
        self.mlp = self.deep(self.width)

    def crossed(self, flat):
        states = flat
        for layer in self.cross:
            states = layer(flat, states)
        return states

    def logit(self, inputs):
        return self.mlp(self.crossed(self.embedding(inputs, flatten_emb=True)))


class _ParallelGDCN(_GDCN):
    def make(self, feature_map):
        super().make(feature_map)
        self.mlp, self.output = self.deep(self.width, output_dim=None), nn.Linear(self.width + DEEP_UNITS[-1], 1)

    def logit(self, inputs):
        flat = self.embedding(inputs, flatten_emb=True)
        return self.output(torch.cat([self.crossed(flat), self.mlp(flat)], dim=-1))


class _Stream(nn.Module):
    """A stream of FinalMLP: a gate, which without context fields is computed from a free vector, and an MLP."""

    def __init__(self, width, dim, mlp):
        super().__init__()
        self.context = nn.Parameter(torch.zeros(1, dim))
        self.gate = layers.MLP_Block(
            input_dim=dim, output_dim=width, hidden_units=[64], hidden_activations="ReLU", output_activation="Sigmoid"
        )
        self.mlp, self.output = mlp, nn.Linear(DEEP_UNITS[-1], 1)

    def forward(self, flat):
        gates = self.gate(self.context.repeat(len(flat), 1)) * 2
        return self.mlp(flat * gates)


class _FinalMLP(Model):
    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.first, self.second = (
            _Stream(self.width, self.embedding_dim, self.deep(self.width, output_dim=None)) for _ in range(2)
        )
        size = DEEP_UNITS[-1]
        self.fusion = nn.Parameter(nn.init.xavier_normal_(torch.empty(size * size, 1)))

    def logit(self, inputs):
        flat = self.embedding(inputs).flatten(1)
        first, second = self.first(flat), self.second(flat)
        mapped = torch.matmul(first.unsqueeze(1), self.fusion.view(1, first.shape[1], -1))
        products = torch.matmul(mapped, second.unsqueeze(-1)).squeeze(-1)
        return self.first.output(first) + self.second.output(second) + products


class _Factorized(nn.Module):
    """A layer of FinalNet: one half of a linear map, then its product with the other half."""

    def __init__(self, width, units):
        super().__init__()
        self.linear, self.norm = nn.Linear(width, units), nn.BatchNorm1d(units)

    def forward(self, states):
        kept, other = self.linear(states).chunk(2, dim=-1)
        return self.norm(torch.cat([kept, kept * other], dim=-1)).relu()


class _FinalNet(TwoLogits):
    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.first, self.second = (
            nn.Sequential(
                *(_Factorized(*sizes) for sizes in itertools.pairwise([self.width, *DEEP_UNITS])),
                nn.Linear(DEEP_UNITS[-1], 1),
            )
            for _ in range(2)
        )

    def logits(self, inputs):
        flat = self.embedding(inputs).flatten(1)
        return self.first(flat), self.second(flat)

    def add_loss(self, return_dict, y_true):
        target = return_dict["y_pred"].detach()
        loss = self.loss_fn(return_dict["y_pred"], y_true, reduction="mean")
        return loss + sum(self.loss_fn(return_dict[name], target, reduction="mean") for name in ("first", "second"))


MODELS = {
    "dnn": _DNN,
    "masknet": _MaskNet,
    "masknet_parallel": _ParallelMaskNet,
    "gdcn": _GDCN,
    "gdcn_parallel": _ParallelGDCN,
    "finalmlp": _FinalMLP,
    "finalnet": _FinalNet,
}
