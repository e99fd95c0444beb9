"""Layers of our own, for what stock Keras cannot say: a file that has one loads after `register_keras_objects()`."""

from __future__ import annotations

from reconstruct.layers.attention_decoder import AttentionDecoder
from reconstruct.layers.crf import CRF, ChainDecoder
from reconstruct.layers.masks import CarryMask, GivenMask
from reconstruct.layers.placeholder import Placeholder

__all__ = ["CRF", "AttentionDecoder", "CarryMask", "ChainDecoder", "GivenMask", "Placeholder"]
