"""What people call from Python; ``import primesvt`` passes it on."""
