"""From a picture or an array to what a model takes: decoding, ranges, preprocessing."""
