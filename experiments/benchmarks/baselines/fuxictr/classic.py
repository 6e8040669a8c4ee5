"""Models of the zoo before 2021, on FuxiCTR's layers.

As in FuxiCTR's model zoo, FFM makes a set of tables for each field, HOFM lists all triples, and Fi-GNN and InterHAt
implement their graph and attention themselves.
"""

import itertools

import torch
from fuxictr.pytorch import layers
from torch import nn

from .base import DEEP_UNITS, Model


class _LR(Model):
    def make(self, feature_map):
        self.linear = layers.LogisticRegression(feature_map)

    def logit(self, inputs):
        return self.linear(inputs)


class _FM(Model):
    def make(self, feature_map):
        self.embedding, self.pairs = self.embed(feature_map), layers.FactorizationMachine(feature_map)

    def logit(self, inputs):
        return self.pairs(inputs, self.embedding(inputs))


class _DeepFM(_FM):
    def make(self, feature_map):
        super().make(feature_map)
        self.mlp = self.deep(self.width)

    def logit(self, inputs):
        embedded = self.embedding(inputs)
        return self.pairs(inputs, embedded) + self.mlp(embedded.flatten(1))


class _FNN(Model):
    def make(self, feature_map):
        self.embedding, self.mlp = self.embed(feature_map), self.deep(self.width)

    def logit(self, inputs):
        return self.mlp(self.embedding(inputs, flatten_emb=True))


class _WideDeep(_FNN):
    def make(self, feature_map):
        super().make(feature_map)
        self.linear = layers.LogisticRegression(feature_map, use_bias=False)

    def logit(self, inputs):
        return super().logit(inputs) + self.linear(inputs)


class _NFM(Model):
    def make(self, feature_map):
        self.embedding, self.linear = self.embed(feature_map), layers.LogisticRegression(feature_map, use_bias=False)
        self.pool = layers.InnerProductInteraction(self.num_fields, output="bi_interaction")
        self.mlp = self.deep(self.embedding_dim, [200])

    def logit(self, inputs):
        return self.linear(inputs) + self.mlp(self.pool(self.embedding(inputs)))


class _AFM(Model):
    def make(self, feature_map):
        self.embedding, self.linear = self.embed(feature_map), layers.LogisticRegression(feature_map)
        self.products = layers.InnerProductInteraction(self.num_fields, output="elementwise_product")
        self.hidden, self.score = nn.Linear(self.embedding_dim, 16), nn.Linear(16, 1, bias=False)
        self.output = nn.Linear(self.embedding_dim, 1, bias=False)

    def logit(self, inputs):
        products = self.products(self.embedding(inputs))
        weights = self.score(self.hidden(products).relu()).softmax(dim=1)
        return self.linear(inputs) + self.output((weights * products).sum(dim=1))


class _PNN(Model):
    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.products = layers.InnerProductInteraction(self.num_fields, output="inner_product")
        self.mlp = self.deep(self.width + self.num_fields * (self.num_fields - 1) // 2)

    def logit(self, inputs):
        embedded = self.embedding(inputs)
        return self.mlp(torch.cat([embedded.flatten(1), self.products(embedded)], dim=1))


class _CrossNet(Model):
    cross_layers = layers.CrossNet

    def make(self, feature_map):
        self.embedding, self.cross = self.embed(feature_map), self.cross_layers(self.width, 3)
        self.output = nn.Linear(self.width, 1)

    def logit(self, inputs):
        return self.output(self.cross(self.embedding(inputs, flatten_emb=True)))


class _DCN(_CrossNet):
    def make(self, feature_map):
        super().make(feature_map)
        self.mlp, self.output = self.deep(self.width, output_dim=None), nn.Linear(self.width + DEEP_UNITS[-1], 1)

    def logit(self, inputs):
        flat = self.embedding(inputs, flatten_emb=True)
        return self.output(torch.cat([self.cross(flat), self.mlp(flat)], dim=-1))


class _DCNv2(_DCN):
    cross_layers = layers.CrossNetV2


class _DLRM(Model):
    def make(self, feature_map):
        self.numbers = [name for name, spec in feature_map.features.items() if spec["type"] == "numeric"]
        self.embedding = layers.FeatureEmbedding(
            feature_map, self.embedding_dim, not_required_feature_columns=self.numbers
        )
        vectors = self.num_fields - len(self.numbers) + bool(self.numbers)
        width = vectors * (vectors - 1) // 2
        if self.numbers:
            self.bottom = self.deep(len(self.numbers), [512, 256, 64], self.embedding_dim)
            width += self.embedding_dim
        self.products = layers.InnerProductInteraction(vectors, output="inner_product")
        self.top = self.deep(width, [512, 256])

    def logit(self, inputs):
        vectors, extra = self.embedding(inputs), []
        if self.numbers:
            extra = [self.bottom(torch.stack([inputs[name] for name in self.numbers], dim=1))]
            vectors = torch.cat([vectors, extra[0].unsqueeze(1)], dim=1)
        return self.top(torch.cat([self.products(vectors), *extra], dim=-1))


class _CIN(Model):
    def make(self, feature_map):
        self.embedding, self.linear = self.embed(feature_map), layers.LogisticRegression(feature_map)
        self.cin = layers.CompressedInteractionNet(self.num_fields, [200, 200, 200])

    def logit(self, inputs):
        return self.linear(inputs) + self.cin(self.embedding(inputs))


class _SelfAttention(nn.Module):
    def __init__(self, dim, units, num_heads, scale=None):
        super().__init__()
        self.shape, self.scale = (num_heads, units // num_heads), scale
        self.queries, self.keys, self.values, self.residual = (nn.Linear(dim, units, bias=False) for _ in range(4))
        self.attend = layers.ScaledDotProductAttention()

    def forward(self, states):
        def by_head(projection):
            return projection(states).unflatten(-1, self.shape).transpose(1, 2)

        heads, _ = self.attend(*map(by_head, (self.queries, self.keys, self.values)), scale=self.scale)
        return (heads.transpose(1, 2).flatten(2) + self.residual(states)).relu()


class _AutoInt(Model):
    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        dims = [self.embedding_dim, 64, 64, 64]
        self.attention = nn.Sequential(*(_SelfAttention(dim, units, 2) for dim, units in itertools.pairwise(dims)))
        self.output = nn.Linear(self.num_fields * 64, 1)

    def logit(self, inputs):
        return self.output(self.attention(self.embedding(inputs)).flatten(1))


class _FFM(Model):
    embedding_dim = 4

    def make(self, feature_map):
        self.linear = layers.LogisticRegression(feature_map)
        self.towards = nn.ModuleList(self.embed(feature_map) for _ in range(self.num_fields - 1))

    def logit(self, inputs):
        vectors, total = [embedding(inputs) for embedding in self.towards], self.linear(inputs)
        for first, second in itertools.combinations(range(self.num_fields), 2):
            total = total + (vectors[second - 1][:, first] * vectors[first][:, second]).sum(dim=1, keepdim=True)
        return total


class _HOFM(Model):
    def make(self, feature_map):
        self.linear = layers.LogisticRegression(feature_map)
        self.of_pairs, self.of_triples = self.embed(feature_map), self.embed(feature_map)
        self.pairs = layers.InnerProductInteraction(self.num_fields)
        self.triples = torch.tensor(list(itertools.combinations(range(self.num_fields), 3))).T

    def logit(self, inputs):
        vectors = self.of_triples(inputs)
        products = vectors[:, self.triples[0]] * vectors[:, self.triples[1]] * vectors[:, self.triples[2]]
        return self.linear(inputs) + self.pairs(self.of_pairs(inputs)) + products.sum((1, 2)).unsqueeze(1)


class _FiGNN(Model):
    num_steps = 2

    def make(self, feature_map):
        dim, fields = self.embedding_dim, self.num_fields
        self.embedding = self.embed(feature_map)
        self.sending, self.receiving = (
            nn.ParameterList(nn.init.xavier_normal_(torch.empty(fields, dim, dim)) for _ in range(self.num_steps))
            for _ in range(2)
        )
        self.bias = nn.ParameterList(torch.zeros(dim) for _ in range(self.num_steps))
        self.gates, self.edge = nn.GRUCell(dim, dim), nn.Linear(2 * dim, 1, bias=False)
        self.senders, self.receivers = torch.cartesian_prod(torch.arange(fields), torch.arange(fields)).T
        self.itself = torch.eye(fields, dtype=torch.bool)
        self.score, self.importance = nn.Linear(dim, 1, bias=False), nn.Linear(self.width, fields, bias=False)

    def logit(self, inputs):
        start = states = self.embedding(inputs)
        pairs = torch.cat([start[:, self.senders], start[:, self.receivers]], dim=-1)
        scores = nn.functional.leaky_relu(self.edge(pairs)).view(-1, self.num_fields, self.num_fields)
        edges = scores.masked_fill(self.itself, float("-inf")).softmax(dim=-1)
        for sending, receiving, bias in zip(self.sending, self.receiving, self.bias, strict=True):
            sent = (sending @ states.unsqueeze(-1)).squeeze(-1)
            message = (receiving @ (edges @ sent).unsqueeze(-1)).squeeze(-1) + bias
            states = self.gates(message.flatten(0, 1), states.flatten(0, 1)).view_as(start) + start
        importance = self.importance(states.flatten(1)).sigmoid()
        return (importance * self.score(states).squeeze(-1)).sum(dim=1, keepdim=True)


class _Pooling(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.hidden, self.score = nn.Linear(dim, 64), nn.Linear(64, 1, bias=False)

    def forward(self, vectors):
        return (self.score(self.hidden(vectors).relu()).softmax(dim=1) * vectors).sum(dim=1)


class _InterHAt(Model):
    def make(self, feature_map):
        dim = self.embedding_dim
        self.embedding, self.attention = self.embed(feature_map), _SelfAttention(dim, 64, 2, scale=32**0.5)
        self.join, self.first_norm, self.second_norm = (
            nn.Linear(64, dim, bias=False),
            nn.LayerNorm(dim),
            nn.LayerNorm(dim),
        )
        self.feed_forward = self.deep(dim, [64], dim)
        self.orders, self.over_orders = nn.ModuleList(_Pooling(dim) for _ in range(3)), _Pooling(dim)
        self.mlp = self.deep(dim, [8])

    def logit(self, inputs):
        embedded = self.embedding(inputs)
        first = self.first_norm(embedded + self.join(self.attention(embedded)).relu())
        states = first = self.second_norm(first + self.feed_forward(first))
        summaries = []
        for pooling in self.orders:
            summaries.append(pooling(states))
            states = states + summaries[-1].unsqueeze(1) * first
        return self.mlp(self.over_orders(torch.stack(summaries, dim=1)))


MODELS = {
    "lr": _LR,
    "fm": _FM,
    "ffm": _FFM,
    "afm": _AFM,
    "nfm": _NFM,
    "hofm": _HOFM,
    "fnn": _FNN,
    "pnn": _PNN,
    "wide_deep": _WideDeep,
    "deepfm": _DeepFM,
    "dlrm": _DLRM,
    "cross_net": _CrossNet,
    "dcn": _DCN,
    "dcn_v2": _DCNv2,
    "cin": _CIN,
    "autoint": _AutoInt,
    "fignn": _FiGNN,
    "interhat": _InterHAt,
}
