"""From a file to a model: identify the family, infer the config, say what had to be assumed."""
