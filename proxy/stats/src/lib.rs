//! Counters and histograms of the data path.
