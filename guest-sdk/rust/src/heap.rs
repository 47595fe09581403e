//! Memory for guests: the heap begins in a region that every instance has from the start.
//!
//! The allocator of the standard library asks for more linear memory at its first allocation. For a handler that runs for
//! microseconds that is the dearest thing it does: the host must change the protection of pages, twice for each
//! instance, and every core must hear of it. This is the same allocator, dlmalloc, with a region of its own to begin
//! with; memory beyond it comes from the host as ever.
//!
//! What does not live here: a say in which allocator a component uses. Without the feature `heap` it is the standard
//! library's, or one of the component's own.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr,
};

use dlmalloc::{Allocator, Dlmalloc};

/// What most handlers never exceed. It is zero and untouched until it is used, so it costs address space only.
const REGION_BYTES: usize = 1 << 20;
/// Of WebAssembly.
const PAGE_BYTES: usize = 64 << 10;

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Dlmalloc::new_with_allocator(Memory)));

static REGION: Region = Region { bytes: UnsafeCell::new([0; REGION_BYTES]), taken: UnsafeCell::new(false) };

struct Heap(UnsafeCell<Dlmalloc<Memory>>);

#[repr(align(65536))]
struct Region {
    bytes: UnsafeCell<[u8; REGION_BYTES]>,
    taken: UnsafeCell<bool>,
}

/// Where dlmalloc gets memory from.
struct Memory;

// SAFETY: a component of this target has one thread; the host offers no others. Nothing below calls back into an
// allocation.
unsafe impl Sync for Heap {}
// SAFETY: as above.
unsafe impl Sync for Region {}

// SAFETY: every call goes to dlmalloc, which keeps the contract of `GlobalAlloc`; layouts are handed on as they are.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and dlmalloc does not call back.
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the caller got `pointer` from here with this layout.
        unsafe { (*self.0.get()).free(pointer, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).realloc(pointer, layout.size(), layout.align(), bytes) }
    }
}

// SAFETY: what is given is not used by anybody else: the region is given once, and grown memory is new.
unsafe impl Allocator for Memory {
    fn alloc(&self, bytes: usize) -> (*mut u8, usize, u32) {
        // SAFETY: one thread.
        let taken = unsafe { &mut *REGION.taken.get() };
        if !*taken && bytes <= REGION_BYTES {
            *taken = true;
            return (REGION.bytes.get().cast(), REGION_BYTES, 0);
        }
        let pages = bytes.div_ceil(PAGE_BYTES);
        match core::arch::wasm32::memory_grow(0, pages) {
            usize::MAX => (ptr::null_mut(), 0, 0),
            first => ((first * PAGE_BYTES) as *mut u8, pages * PAGE_BYTES, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_BYTES
    }
}
