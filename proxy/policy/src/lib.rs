//! Policy as a pure function: parse, decide, explain, mask.
