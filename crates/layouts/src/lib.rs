//! Where vectors, graphs and results lie in memory and in files.
