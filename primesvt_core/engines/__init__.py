"""Engines: how candidates are computed on images."""

from primesvt_core.engines._base import Engine as Engine
from primesvt_core.engines._base import Images as Images
from primesvt_core.engines._base import Predictions as Predictions
from primesvt_core.engines.opening import open_engine as open_engine
