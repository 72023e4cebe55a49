//! Data sets, exact truth, recall, protocol, records and report.
