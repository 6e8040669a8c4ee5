"""Models of histories: pooling, DIN, DIEN and BST, for a schema with one history whose columns share ids."""

import torch
from fuxictr.pytorch import layers
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .base import Model


class _HistoryModel(Model):
    units = (400, 400)
    has_batch_norm = False

    def make(self, feature_map):
        specifications = feature_map.features
        self.columns = [name for name, kind in specifications.items() if "share_embedding" in kind]
        self.candidates = [specifications[name]["share_embedding"] for name in self.columns]
        self.num_events = specifications[self.columns[0]]["max_len"]
        self.embedding = layers.FeatureEmbeddingDict(feature_map, self.embedding_dim)
        self.size = len(self.columns) * self.embedding_dim
        width = self.width - self.size  # fields that are no columns of the history
        self.mlp = self.deep(width + self.make_history(), self.units, batch_norm=self.has_batch_norm)

    def make_history(self):
        """Create the layers of the history; return the size of their output."""
        raise NotImplementedError

    def of_history(self, events, candidate, mask):
        raise NotImplementedError

    def logit(self, inputs):
        vectors = self.embedding(inputs)
        events = torch.cat([vectors.pop(name) for name in self.columns], dim=-1)
        candidate = torch.cat([vectors[name] for name in self.candidates], dim=-1)
        mask = inputs[self.columns[0]].long() != 0
        return self.mlp(torch.cat([*vectors.values(), self.of_history(events, candidate, mask)], dim=-1))


class _Pooled(_HistoryModel):
    def make_history(self):
        self.pool = layers.MaskedAveragePooling()
        return 2 * self.size

    def of_history(self, events, candidate, mask):
        del mask  # FuxiCTR's pooling leaves out zero vectors
        pooled = torch.cat([self.pool(column) for column in events.split(self.embedding_dim, dim=-1)], dim=-1)
        return torch.cat([pooled, pooled * candidate], dim=-1)


class _DIN(_HistoryModel):
    units = (512, 128, 64)

    def make_history(self):
        self.attention = layers.DIN_Attention(self.size, attention_units=[64], hidden_activations="Dice")
        return self.size

    def of_history(self, events, candidate, mask):
        return self.attention(candidate, events, mask)


class _AttentionGRU(nn.Module):
    """The AUGRU, step by step over packed events, as FuxiCTR's model zoo computes it."""

    def __init__(self, size):
        super().__init__()
        self.size, self.of_event, self.of_state = size, nn.Linear(size, 3 * size), nn.Linear(size, 3 * size)

    def forward(self, packed, weights):
        start, most = 0, int(packed.batch_sizes[0])
        state, last = (packed.data.new_zeros(most, self.size) for _ in range(2))
        for count in packed.batch_sizes.tolist():
            rows = slice(start, start + count)
            state = self.step(packed.data[rows], state[:count], weights.data[rows].unsqueeze(-1))
            last[:count] = state
            start += count
        return last[packed.unsorted_indices]

    def step(self, event, state, weight):
        update, reset, new = self.of_event(event).chunk(3, 1)
        old_update, old_reset, old_new = self.of_state(state).chunk(3, 1)
        update = torch.sigmoid(update + old_update) * weight
        new = torch.tanh(new + torch.sigmoid(reset + old_reset) * old_new)
        return state + update * (new - state)


class _DIEN(_HistoryModel):
    units, has_batch_norm = (200, 80), True

    def make_history(self):
        self.interests = nn.GRU(self.size, self.size, batch_first=True)
        self.bilinear, self.evolution = nn.Parameter(torch.eye(self.size)), _AttentionGRU(self.size)
        return self.size

    def of_history(self, events, candidate, mask):
        filled = mask.any(dim=1)
        events, candidate, mask = events[filled], candidate[filled], mask[filled]
        lengths = mask.sum(dim=1)
        packed, _ = self.interests(_packed(events, lengths))
        interests, _ = pad_packed_sequence(packed, batch_first=True, total_length=self.num_events)
        scores = ((interests @ self.bilinear) @ candidate.unsqueeze(-1)).squeeze(-1) * mask
        weights = (scores - 1e9 * (1 - mask.float())).softmax(dim=-1)
        last = torch.zeros(len(filled), self.size)
        last[filled] = self.evolution(packed, _packed(weights, lengths))
        return last


def _packed(padded, lengths):
    return pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)


class _BST(_HistoryModel):
    units, num_heads = (256, 128, 64), 2

    def make_history(self):
        size = self.size + self.embedding_dim
        self.positions = nn.Parameter(torch.randn(self.num_events + 1, self.embedding_dim))
        self.attention = nn.MultiheadAttention(size, self.num_heads, batch_first=True)
        self.feed_forward = nn.Sequential(nn.Linear(size, size), nn.LeakyReLU(), nn.Linear(size, size))
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))
        return size

    def of_history(self, events, candidate, mask):
        states = torch.cat([events, candidate.unsqueeze(1)], dim=1)
        states = torch.cat([states, self.positions.expand(len(states), -1, -1)], dim=-1)
        present = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        others = ~torch.eye(present.shape[1], dtype=torch.bool)
        blocked = (~present.unsqueeze(1) & others).repeat_interleave(self.num_heads, dim=0)
        attended, _ = self.attention(states, states, states, attn_mask=blocked)
        states = self.norms[0](states + attended)
        states = self.norms[1](states + self.feed_forward(states))
        present = present.float().unsqueeze(-1)
        return (states * present).sum(dim=1) / (present.sum(dim=1) + 1e-12)


MODELS = {"pooled": _Pooled, "din": _DIN, "dien": _DIEN, "bst": _BST}
