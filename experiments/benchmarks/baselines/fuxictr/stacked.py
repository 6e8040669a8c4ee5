"""Models of stacked interaction layers: EulerNet, WuKong and FCN.

FuxiCTR has no FCN. It is connected as in its authors' code, which is written for FuxiCTR.
"""

import torch
from fuxictr.pytorch import layers
from torch import nn

from .base import Model, TwoLogits


class _Euler(nn.Module):
    def __init__(self, num_inputs, num_outputs, dim):
        super().__init__()
        self.dim = dim
        self.orders = nn.Parameter(torch.softmax(torch.randn(num_inputs, num_outputs) / 0.01, dim=0))
        self.modulus_bias, self.angle_bias = (nn.Parameter(torch.randn(1, dim, num_outputs) * 0.01) for _ in range(2))
        self.linear = nn.Linear(num_inputs * dim, num_outputs * dim)
        self.norms = nn.ModuleList(nn.LayerNorm([dim]) for _ in range(2))

    def forward(self, parts):
        real, imaginary = parts
        moduli = 0.5 * (real**2 + imaginary**2 + 1e-8).log()
        angles = torch.atan2(imaginary, real)
        moduli = (moduli.transpose(1, 2) @ self.orders + self.modulus_bias).exp().transpose(1, 2)
        angles = (angles.transpose(1, 2) @ self.orders + self.angle_bias).transpose(1, 2)
        explicit = moduli * angles.cos(), moduli * angles.sin()
        implicit = (self.linear(part.flatten(1)).relu().unflatten(1, (-1, self.dim)) for part in parts)
        sums = (one + other for one, other in zip(implicit, explicit, strict=True))
        return tuple(norm(part) for norm, part in zip(self.norms, sums, strict=True))


class _EulerNet(Model):
    num_outputs = 32

    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.moduli = nn.Parameter(torch.ones(1, self.num_fields, 1))
        self.euler = _Euler(self.num_fields, self.num_outputs, self.embedding_dim)
        self.output = nn.Linear(self.num_outputs * self.embedding_dim, 1)

    def logit(self, inputs):
        embedded = self.embedding(inputs)
        parts = self.euler((self.moduli * embedded.cos(), self.moduli * embedded.sin()))
        return sum(self.output(part.flatten(1)) for part in parts)


class _Wukong(nn.Module):
    def __init__(self, num_inputs, num_fm, num_linear, dim, rank=8):
        super().__init__()
        num_outputs = num_fm + num_linear
        self.shape = (num_fm, dim)
        self.projection = nn.Parameter(torch.randn(num_inputs, rank))
        self.fm_norm, self.norm = nn.LayerNorm(num_inputs * rank), nn.LayerNorm(dim)
        self.fm = layers.MLP_Block(
            input_dim=num_inputs * rank,
            output_dim=num_fm * dim,
            hidden_units=[32, 32],
            hidden_activations="relu",
            output_activation="relu",
        )
        self.linear = nn.Linear(num_inputs, num_linear, bias=False)
        self.residual = nn.Linear(num_inputs, num_outputs) if num_inputs != num_outputs else None

    def forward(self, states):
        by_dim = states.transpose(1, 2)
        products = torch.bmm(states, by_dim @ self.projection)
        pairs = self.fm(self.fm_norm(products.flatten(1))).unflatten(1, self.shape)
        joined = torch.cat([pairs, self.linear(by_dim).transpose(1, 2)], dim=1)
        kept = states if self.residual is None else self.residual(by_dim).transpose(1, 2)
        return self.norm(joined + kept)


class _WuKong(Model):
    num_fm = num_linear = 40

    def make(self, feature_map):
        self.embedding, num_states = self.embed(feature_map), self.num_fm + self.num_linear
        self.wukong = nn.Sequential(
            *(
                _Wukong(inputs, self.num_fm, self.num_linear, self.embedding_dim)
                for inputs in (self.num_fields, num_states, num_states)
            )
        )
        self.mlp = self.deep(num_states * self.embedding_dim, [32, 32])

    def logit(self, inputs):
        return self.mlp(self.wukong(self.embedding(inputs)).flatten(1))


class _MaskedCross(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear, self.norm = nn.Linear(width, width // 2, bias=False), nn.LayerNorm(width // 2)
        self.bias = nn.Parameter(torch.rand(width))

    def forward(self, first, states):
        mapped = self.linear(states)
        masked = mapped * self.norm(mapped).relu()
        return first * (torch.cat([mapped, masked], dim=-1) + self.bias) + states


class _FCN(TwoLogits):
    num_layers = 4

    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.exponential, self.linear = (
            nn.ModuleList(_MaskedCross(self.width) for _ in range(self.num_layers)) for _ in range(2)
        )
        self.exponential_output, self.linear_output = (nn.Linear(self.width, 1) for _ in range(2))

    def logits(self, inputs):
        halves = self.embedding(inputs).chunk(2, dim=-1)
        first = degree_two = degree_one = torch.cat([half.flatten(1) for half in halves], dim=-1)
        for exponential, linear in zip(self.exponential, self.linear, strict=True):
            degree_two, degree_one = exponential(degree_two, degree_two), linear(first, degree_one)
        return self.exponential_output(degree_two), self.linear_output(degree_one)

    def add_loss(self, return_dict, y_true):
        loss, *others = (
            self.loss_fn(return_dict[name], y_true, reduction="mean") for name in ("y_pred", "first", "second")
        )
        return loss + sum(other * (other - loss).clamp(min=0) for other in others)


MODELS = {"eulernet": _EulerNet, "wukong": _WuKong, "fcn": _FCN}
