"""PrimeSVT: automated, memory-aware structured pruning of Spiking Vision Transformers (arXiv 2606.03428)."""

__version__ = "0.1.0"
