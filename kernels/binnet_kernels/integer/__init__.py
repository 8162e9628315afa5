"""Integer weights of few bits and packed spins: fields by popcounts and byte dot products."""
