//! Stage 4: a plan written down as Rust. Cannot fail: whatever is wrong was found before.

use proc_macro2::TokenStream;

use crate::pipeline::Compiled;

/// The type that stands for the network in generated code.
#[derive(Debug, Clone)]
pub struct Item {
    /// Doc comments and other attributes of the type.
    pub attributes: TokenStream,
    /// Its visibility.
    pub visibility: TokenStream,
    /// Its name.
    pub name: proc_macro2::Ident,
    /// The path of the runtime crate: `::resnet`.
    pub runtime: TokenStream,
    /// Where the packed weights are.
    pub weights: Weights,
}

/// Where a generated program finds its packed weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weights {
    /// Inside the program: an expression-position path for `include_bytes!`, relative to the source file or absolute.
    Embedded(String),
    /// Given when the network is made.
    Runtime,
}

/// The tokens of the module's content.
pub fn module(_compiled: &Compiled, _item: &Item) -> TokenStream {
    TokenStream::new()
}

/// The tokens as formatted source with a header.
pub fn source(_compiled: &Compiled, _item: &Item) -> String {
    String::new()
}
