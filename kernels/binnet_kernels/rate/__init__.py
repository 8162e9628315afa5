"""Rate networks: their trajectories and the gradients, backwards, forwards and by traces."""
