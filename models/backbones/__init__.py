"""Backbones: BERT, GPT and LSTM encoders, and the blocks they are built from.

Read ``bert.py`` first: its functions are the interface of a family. ``gpt.py`` and
``lstm.py`` have the same ones. The classic recipe takes KerasHub's blocks; all others
take those of ``transformer.py``, with ``attention.py``, ``pooling.py`` and
``activation_checkpointing.py``. ``flops.py`` counts the operations of each.
"""
