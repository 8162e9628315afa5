"""What everything else is built on: bits of words, random numbers, vector instructions, tiles."""
