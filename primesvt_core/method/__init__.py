"""The steps of the method, one file each; `primesvt_core.pipeline` puts them in order."""
