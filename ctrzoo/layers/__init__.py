"""Layers of click-through-rate models, written only in `keras.ops`.

They run on every Keras backend and under every dtype policy. No layer supports Keras masks: an absent entry is id 0
with value 0, which embeds to zero. Keras warns where a mask arrives.
"""

from ctrzoo.layers.activations import Dice
from ctrzoo.layers.afm import AttentionalInteraction
from ctrzoo.layers.afn import LogarithmicNeurons
from ctrzoo.layers.attention import REFERENCE_ATTENTION, FieldAttention
from ctrzoo.layers.autofis import GatedPairs
from ctrzoo.layers.cin import CompressedInteraction
from ctrzoo.layers.cross import CrossV1, CrossV2, MixtureCrossLayer
from ctrzoo.layers.dense import MLP, ResidualUnit
from ctrzoo.layers.embedding import FieldEmbedding, LinearLogit, NumericalValues
from ctrzoo.layers.euler import ComplexFields, EulerInteraction
from ctrzoo.layers.event_attention import EventAttention
from ctrzoo.layers.event_gru import EventGRU, NextEventLoss
from ctrzoo.layers.event_transformer import EventTransformer, JoinPositions
from ctrzoo.layers.factorization import AnovaKernel, BiInteraction, DotInteraction, PairProducts, PairwiseInteraction
from ctrzoo.layers.factorized import FactorizedMLP, FieldMixing, SelfDistillation
from ctrzoo.layers.fibinet import BilinearInteraction, SqueezeExcitation
from ctrzoo.layers.field_aware import FieldAwareInteraction
from ctrzoo.layers.fignn import FieldGraph
from ctrzoo.layers.gated_cross import GatedCross
from ctrzoo.layers.graphfm import GraphInteraction, ReferenceGraphInteraction
from ctrzoo.layers.hashed_pairs import HashedPairs
from ctrzoo.layers.hoafm import HighOrderCross
from ctrzoo.layers.interhat import AttentionPooling, ProductAttention, TransformerBlock
from ctrzoo.layers.masked_cross import HeadHalves, MaskedCross, NetworkMean
from ctrzoo.layers.masknet import FieldNormalization, MaskBlock
from ctrzoo.layers.negative_sampling import NegativeSamplingCorrection
from ctrzoo.layers.product import FactorizedInnerProducts, FactorizedOuterProducts, InnerProducts, OuterProducts
from ctrzoo.layers.sign import EdgeGates, HardConcrete, InteractionGraph
from ctrzoo.layers.streams import FeatureGate, HeadProducts
from ctrzoo.layers.weighted_pairs import FieldVectorLogit, WeightedPairs
from ctrzoo.layers.wukong import WukongLayer

__all__ = [
    "AnovaKernel",
    "AttentionPooling",
    "AttentionalInteraction",
    "BiInteraction",
    "BilinearInteraction",
    "ComplexFields",
    "CompressedInteraction",
    "CrossV1",
    "CrossV2",
    "Dice",
    "DotInteraction",
    "EdgeGates",
    "EulerInteraction",
    "EventAttention",
    "EventGRU",
    "EventTransformer",
    "FactorizedInnerProducts",
    "FactorizedMLP",
    "FactorizedOuterProducts",
    "FeatureGate",
    "FieldAttention",
    "FieldAwareInteraction",
    "FieldEmbedding",
    "FieldGraph",
    "FieldMixing",
    "FieldNormalization",
    "FieldVectorLogit",
    "GatedCross",
    "GatedPairs",
    "GraphInteraction",
    "HardConcrete",
    "HashedPairs",
    "HeadHalves",
    "HeadProducts",
    "HighOrderCross",
    "InnerProducts",
    "InteractionGraph",
    "JoinPositions",
    "LinearLogit",
    "LogarithmicNeurons",
    "MLP",
    "MaskBlock",
    "MaskedCross",
    "MixtureCrossLayer",
    "NegativeSamplingCorrection",
    "NetworkMean",
    "NextEventLoss",
    "NumericalValues",
    "OuterProducts",
    "PairProducts",
    "PairwiseInteraction",
    "ProductAttention",
    "REFERENCE_ATTENTION",
    "ReferenceGraphInteraction",
    "ResidualUnit",
    "SelfDistillation",
    "SqueezeExcitation",
    "TransformerBlock",
    "WeightedPairs",
    "WukongLayer",
]
