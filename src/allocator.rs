//! The system's allocator, that says why there is no memory. Otherwise a limit of address space
//! (ulimit -v) is "memory allocation failed" and a signal.
#![allow(unsafe_code)] // GlobalAlloc

use std::alloc::{GlobalAlloc, Layout, System};

use handfast_cli::out_of_memory;

pub(crate) struct Allocator;

/// The program cannot go on: none of its allocations may fail.
fn checked(memory: *mut u8, layout: Layout) -> *mut u8 {
    if memory.is_null() {
        out_of_memory(layout.size());
    }
    memory
}

// SAFETY: each call is handed on as it is, and its answer is handed back.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, handed on.
        checked(unsafe { System.alloc(layout) }, layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, handed on.
        checked(unsafe { System.alloc_zeroed(layout) }, layout)
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise, handed on.
        checked(unsafe { System.realloc(memory, layout, size) }, layout)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(memory, layout) }
    }
}
