//! Memory that starts on a 64-byte line.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;
/// Bytes of a large page: one step zeroes it and one entry of the processor's tables finds it, where usual pages take five hundred.
const LARGE_PAGE: usize = 1 << 21;

/// A value that starts on a 64-byte line, as embedded weights must:
/// `static WEIGHTS: &Aligned<[u8]> = &Aligned(*include_bytes!("network.weights"));`
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Aligned<T: ?Sized>(pub T);

/// f32 values on the heap, zero at first, that start on a 64-byte line.
#[derive(Debug)]
pub(super) struct Buffer {
    start: NonNull<f32>,
    length: usize,
}

// SAFETY: the buffer owns its memory, as a boxed slice does.
unsafe impl Send for Buffer {}
// SAFETY: shared references only read.
unsafe impl Sync for Buffer {}

impl Buffer {
    pub(super) fn zeroed(length: usize) -> Self {
        let layout = Self::layout(length);
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        prefer_large_pages(start, layout);
        // This touches the memory: from here on it has its pages, and no call has to wait for them.
        // SAFETY: so many bytes were allocated.
        unsafe { start.write_bytes(0, layout.size()) };
        Self { start: start.cast(), length }
    }

    fn layout(length: usize) -> Layout {
        let bytes = length.max(1).checked_mul(size_of::<f32>());
        let layout = bytes.and_then(|bytes| {
            let align = if bytes >= LARGE_PAGE { LARGE_PAGE } else { LINE };
            Layout::from_size_align(bytes, align).ok()
        });
        layout.unwrap_or_else(|| panic!("{length} values exceed the address space"))
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.start.as_ptr()
    }

    pub(super) fn as_slice(&self) -> &[f32] {
        // SAFETY: start and length are those of the allocation, and every f32 in it was initialised.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    pub(super) fn as_mut_bytes(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and the buffer is borrowed mutably; every byte pattern is a f32.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.length * size_of::<f32>()) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and not freed before.
        unsafe { dealloc(self.start.as_ptr().cast(), Self::layout(self.length)) }
    }
}

/// Asks for large pages behind memory that was not touched yet, when it begins on one.
#[cfg(target_os = "linux")]
fn prefer_large_pages(start: NonNull<u8>, layout: Layout) {
    /// `MADV_HUGEPAGE`
    const ADVICE: i32 = 14;
    unsafe extern "C" {
        fn madvise(start: *mut u8, length: usize, advice: i32) -> i32;
    }
    if layout.align() == LARGE_PAGE {
        // SAFETY: the pages are whole ones of the allocation, and the advice changes nothing that can be read. A system without large
        // pages refuses, which is no harm.
        let _ = unsafe { madvise(start.as_ptr(), layout.size() / LARGE_PAGE * LARGE_PAGE, ADVICE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_large_pages(_: NonNull<u8>, _: Layout) {}

/// The f32 values in bytes, when these start on a 64-byte line. The length is rounded down.
pub(super) fn as_values(bytes: &[u8]) -> Option<&[f32]> {
    if bytes.as_ptr().align_offset(LINE) != 0 {
        return None;
    }
    // SAFETY: aligned, initialised, and every byte pattern is a f32.
    Some(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<f32>()) })
}
