"""One driver class a peer: how its public Python interface is called."""
