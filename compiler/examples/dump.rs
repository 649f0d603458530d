use quote::{format_ident, quote};
use resnetc::codegen::{Item, Weights};
use resnetc::pipeline::{Options, compile};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let t = std::time::Instant::now();
    let mut options = Options::new(args[1].clone());
    if args.len() > 3 { options.weights = Some(resnetc::frontend::WeightSource::parse(&args[3])); }
    let compiled = match compile(&options, &mut |s| eprintln!("{s:?} {:?}", t.elapsed())) { Ok(c) => c, Err(e) => { eprintln!("{e}"); std::process::exit(1) } };
    eprintln!("{} done {:?}", compiled.warnings, t.elapsed());
    let item = Item { attributes: quote!(#[doc = " The network."]), visibility: quote!(pub), name: format_ident!("Net"), runtime: quote!(::resnet), weights: Weights::Embedded("weights.bin".into()) };
    std::fs::write(format!("{}/net.rs", args[2]), compiled.source(&item)).unwrap();
    std::fs::write(format!("{}/weights.bin", args[2]), compiled.plan.blob()).unwrap();
    eprintln!("written {:?} arena {} bound {}", t.elapsed(), compiled.plan.arena*4, compiled.plan.arena_lower_bound*4);
}
