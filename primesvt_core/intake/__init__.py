"""From a file to a model: identify the family, infer the config, list what had to be assumed."""
