"""Models meet images: who is right on which image, how many spikes, how much memory, how fast."""
