//! A network that was made ready allocates nothing more, whatever the number of threads.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use resnet::{Model, Options, Tensor};

resnet::resnet! {
    /// The bundled network.
    pub struct ResNet20 { model: "cifar-resnet20" }
}

resnet::resnet! {
    /// A network with several outputs.
    pub struct Backbone { model: "../examples/embed/models/backbone.onnx" }
}

/// The system's allocator, counting.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The only test of its program: another one's allocations would be counted.
#[test]
fn inference_allocates_nothing() {
    fn goes_between_threads<T: Send + Sync + Clone>() {}
    goes_between_threads::<ResNet20>();
    goes_between_threads::<Backbone>();
    let input = <[[[[f32; 32]; 32]; 3]; 1]>::boxed();
    for threads in [1, 2] {
        let mut network = ResNet20::with_options(Options { threads: Some(threads) }).unwrap();
        let mut backbone = Backbone::with_options(Options { threads: Some(threads) }).unwrap();
        let (first, embedding) = (*network.infer(&input), *backbone.infer(&input).embedding);
        let before = CALLS.load(Ordering::SeqCst);
        for call in 0..1000 {
            // The larger network, now and then.
            if call % 50 == 0 {
                assert_eq!(*network.infer(&input), first);
            }
            let outputs = backbone.infer(&input);
            assert_eq!(*outputs.embedding, embedding);
            let outputs = Model::run(&mut backbone, (*input).flat()).unwrap();
            assert_eq!(outputs.named("embedding"), Some(embedding.flat()));
            assert!(outputs.iter().all(|(output, values)| values.len() == output.len()));
        }
        let after = CALLS.load(Ordering::SeqCst);
        assert_eq!(after - before, 0, "allocations in 1000 calls on {threads} threads");
        // The counter counts: a copy has memory of its own.
        let _copy = network.clone();
        assert!(CALLS.load(Ordering::SeqCst) > after);
    }
}
