//! Who is calling, from verified facts only.
