"""Models of pairs and of products with learned exponents: FwFM, FmFM, FiBiNET, AFN and AFN+."""

import torch
from fuxictr.pytorch import layers
from torch import nn

from .base import Model


class _FwFM(Model):
    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.products = layers.InnerProductInteraction(self.num_fields, output="inner_product")
        self.of_pairs = nn.Linear(self.num_fields * (self.num_fields - 1) // 2, 1)
        self.of_fields = nn.Linear(self.width, 1, bias=False)

    def logit(self, inputs):
        embedded = self.embedding(inputs)
        return self.of_pairs(self.products(embedded)) + self.of_fields(embedded.flatten(1))


class _FmFM(Model):
    def make(self, feature_map):
        self.embedding, self.linear = self.embed(feature_map), layers.LogisticRegression(feature_map)
        self.first, self.second = torch.triu_indices(self.num_fields, self.num_fields, offset=1)
        kernel = torch.empty(len(self.first), self.embedding_dim, self.embedding_dim)
        self.kernel = nn.Parameter(nn.init.xavier_normal_(kernel))

    def logit(self, inputs):
        embedded = self.embedding(inputs)
        first, second = embedded.index_select(1, self.first), embedded.index_select(1, self.second)
        mapped = torch.matmul(first.unsqueeze(2), self.kernel).squeeze(2)
        return self.linear(inputs) + (mapped * second).sum(dim=-1).sum(dim=-1, keepdim=True)


class _FiBiNET(Model):
    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.linear = layers.LogisticRegression(feature_map, use_bias=False)
        self.excitation = layers.SqueezeExcitation(self.num_fields, reduction_ratio=3)
        self.products, self.weighted_products = (
            layers.BilinearInteractionV2(self.num_fields, self.embedding_dim, "field_interaction") for _ in range(2)
        )
        self.mlp = self.deep((self.num_fields - 1) * self.width)

    def logit(self, inputs):
        embedded = self.embedding(inputs)
        products = [self.products(embedded), self.weighted_products(self.excitation(embedded))]
        return self.linear(inputs) + self.mlp(torch.cat(products, dim=1).flatten(1))


class _AFN(Model):
    num_neurons = 800

    def make(self, feature_map):
        self.embedding = self.embed(feature_map)
        self.log_norm, self.exp_norm = nn.BatchNorm1d(self.num_fields), nn.BatchNorm1d(self.num_neurons)
        self.exponents = nn.Linear(self.num_fields, self.num_neurons, bias=False)
        self.mlp = self.deep(self.num_neurons * self.embedding_dim)

    def logit(self, inputs):
        logarithms = self.log_norm(self.embedding(inputs).abs().clamp(min=1e-5).log())
        products = self.exponents(logarithms.transpose(1, 2)).transpose(1, 2).exp()
        return self.mlp(self.exp_norm(products).flatten(1))


class _AFNPlus(_AFN):
    def make(self, feature_map):
        super().make(feature_map)
        self.deep_embedding, self.deep_mlp = self.embed(feature_map), self.deep(self.width)
        self.output = nn.Linear(2, 1)

    def logit(self, inputs):
        deep = self.deep_mlp(self.deep_embedding(inputs).flatten(1))
        return self.output(torch.cat([super().logit(inputs), deep], dim=-1))


MODELS = {"fwfm": _FwFM, "fmfm": _FmFM, "fibinet": _FiBiNET, "afn": _AFN, "afn_plus": _AFNPlus}
