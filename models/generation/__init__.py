"""Text generation, token by token, inside one graph.

Read in this order: ``decoder.py``, the model as this package sees it; ``sampling.py``,
the choice of a token; ``generate.py``, the loop; ``beam.py``, the search for a likely
text; ``stop.py``, texts that end at a string. The caches of attention are in
``models/backbones``.
"""
