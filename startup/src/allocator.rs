//! The allocator of every program that links this crate.
//!
//! Events are many small values that one thread makes and another drops. glibc's allocator takes a fifth of the CPU of a busy
//! gateway for that (`docs/performance.md`), and keeps what was freed in the arenas of threads.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;
