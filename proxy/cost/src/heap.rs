//! What is on the heap, counted as it is asked for: what C code takes for itself is not in it.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Prints how often memory was asked for, or more of it, and how many bytes of it are held.
pub(crate) fn report() {
    let so_far = HEAP.stats();
    println!(
        "{} allocations, {} bytes held",
        so_far.allocations + so_far.reallocations,
        so_far.bytes_allocated - so_far.bytes_deallocated
    );
}
