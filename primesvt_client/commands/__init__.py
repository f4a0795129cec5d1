"""The command ``primesvt``: what it does with a server."""
