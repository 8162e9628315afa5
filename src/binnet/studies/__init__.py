"""Studies: experiments of the sources as parameter grids, and what is read off their results."""
