"""Backbones: BERT, GPT and LSTM encoders, and the blocks they are built from."""
