"""Every fixed point of a small network, one state after another, and how those found overlap."""
