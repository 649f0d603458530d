//! What each code means: the text of `resnetc explain`.

/// A code, and what there is to say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code: `E-` of an error, `W-` of a warning, `N-` of a note.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub what: &'static str,
    /// How it comes about, and what to do.
    pub remedy: &'static str,
}

/// The explanation of a code.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|one| one.code.eq_ignore_ascii_case(code))
}

const fn code(code: &'static str, what: &'static str, remedy: &'static str) -> Code {
    Code { code, what, remedy }
}

/// All codes, in alphabetical order.
pub const CODES: &[Code] = &[
    code(
        "E-ADD",
        "A sum has terms of different shapes.",
        "The message names both shapes and what made them. A shortcut needs the shape of the branch: give it a projection where channels or stride change, or bring the branch to the shape of the shortcut.",
    ),
    code(
        "E-ARG",
        "A step of a spec has an argument that it does not take, lacks one, or has it twice.",
        "specs/README.md lists the arguments of every step. Names are checked, so the message suggests the nearest one.",
    ),
    code(
        "E-ARGUMENT",
        "An option of the command line contradicts another, or has a value that it cannot have.",
        "`resnetc COMMAND --help` tells what each option takes, with examples. The exit status is 2.",
    ),
    code(
        "E-BODY",
        "A spec has both `stages` and `graph`, or neither, or lacks what goes with one of them.",
        "A network of residual blocks has `stages`, with a `stem` and a `head`; any other has a `graph` of steps.",
    ),
    code(
        "E-BUILD",
        "cargo could not build the program.",
        "The end of what cargo printed stands in the message. The first build needs the network for the dependencies and a recent Rust; a full disk and a compiler that was killed for want of memory show here too.",
    ),
    code(
        "E-CACHE",
        "The folder in which programs are built and weights are kept cannot be used.",
        "Make room there, mend its permissions, or name another folder with `--cache` or RESNETC_CACHE.",
    ),
    code(
        "E-CARGO",
        "cargo cannot be started.",
        "Install Rust from https://rustup.rs, or write the package with `--emit rust` and build it elsewhere.",
    ),
    code(
        "E-CONCAT",
        "Values that are joined differ in more than their channels.",
        "All operands of a concatenation have the same height and width. The message names their shapes and what made them.",
    ),
    code(
        "E-DEPARTURE",
        "Two programs of one network, or a program and what was expected of it, give results that differ by more than rounding.",
        "`resnetc verify MODEL` names the first layer that departs, `resnetc verify MODEL --passes` the pass. Weights that make no sensible numbers can be a reason: values beyond 1e30 lose all digits.",
    ),
    code(
        "E-DUP",
        "A name is given twice.",
        "Values, blocks and outputs have names of their own; `input` and `x` are taken.",
    ),
    code(
        "E-EXPECT",
        "The network is not what its spec's `expect` says.",
        "`expect` holds numbers that are known of a network: parameters, multiply-accumulates. Where they are right, the structure is wrong; the layers of `resnetc inspect` show where.",
    ),
    code(
        "E-FETCH",
        "Published weights could not be fetched.",
        "The message has the server's answer. Behind a proxy, HTTPS_PROXY says which; SSL_CERT_FILE names certificates of your own. What has arrived is kept, and a further call goes on from there.",
    ),
    code(
        "E-FILE",
        "A file or folder cannot be read or written.",
        "The message has the system's reason: it is missing, not permitted, or no file of this kind.",
    ),
    code(
        "E-GROUP",
        "Channels cannot be divided into the groups that a convolution or a normalisation asks for.",
        "Groups must divide the channels read and the channels made; a width per group makes sense in bottlenecks only.",
    ),
    code(
        "E-HEAD",
        "The head of a network does not fit what comes to it.",
        "Pools read maps `[N, C, H, W]`, dense layers vectors `[N, C]`: `flatten` stands between them. A softmax is said once.",
    ),
    code(
        "E-INTERNAL",
        "resnetc contradicts itself.",
        "This is a defect of resnetc, not of your files. Please report it with the command and the model, or its structure with `--weights seed:1`.",
    ),
    code(
        "E-INTERPRETER",
        "The plain interpreter, against which programs are held, cannot run the network.",
        "An input has another number of values than the network takes, or a map has more than 2^30 elements.",
    ),
    code(
        "E-KEY",
        "A spec has a key that does not exist there.",
        "The message suggests the nearest; specs/README.md lists all. Keys are checked so that a slip of the pen does not become a default.",
    ),
    code(
        "E-LABELS",
        "The labels do not fit the classes.",
        "Give one label per class, a known set (`imagenet1k`, `cifar10`, `cifar100`), or none.",
    ),
    code(
        "E-LEN",
        "Lists that belong together have different lengths.",
        "`depth`, `width` and `stride` have an entry per stage; `mean` and `std` one per channel.",
    ),
    code(
        "E-LIMITS",
        "The variable RESNETC_LIMITS sets a limit that does not exist, or a value that none can have.",
        "It is a list of NAME=NUMBER with commas between them, as in `onnx-nodes=2000000,spec-layers=1000000`. The README lists the names, and what each limits.",
    ),
    code(
        "E-MODEL",
        "The model is neither a file that can be compiled nor a network that ships inside.",
        "Models are `.yaml`, `.yml` or `.onnx` files, or a name of `resnetc specs`. An ONNX model has its own weights.",
    ),
    code(
        "E-MUL",
        "Factors of a product do not go together.",
        "Both have one shape, or one of them has a value per channel: `[N, C, 1, 1]` or `[N, C]`.",
    ),
    code(
        "E-NPY",
        "A .npy file is not what is wanted.",
        "It has float32 or float64 values in C order, as numpy.save writes them, in the shape of the network's input or output.",
    ),
    code(
        "E-OFFLINE",
        "A file is not there, and `--offline` forbids to fetch it.",
        "Leave `--offline` out once, or put the file where the message says.",
    ),
    code(
        "E-ONNX-ATTR",
        "A node has an attribute with a value that is not supported or makes no sense.",
        "The message names node, attribute and what would be right. Attributes that the standard has added since are read by the version that the model declares.",
    ),
    code(
        "E-ONNX-BIAS",
        "A bias has another length than there are output channels.",
        "Some exporters write such files after folding a normalisation; export again with another version, without optimisation.",
    ),
    code(
        "E-ONNX-CTRL",
        "The model decides at run time what to compute: If, Loop or Scan.",
        "A program's steps are fixed when it is compiled. Export the model with fixed shapes and in evaluation mode; what is decided by shapes then disappears.",
    ),
    code(
        "E-ONNX-CYCLE",
        "Nodes wait for each other, or a function calls itself.",
        "No order of such nodes exists; the file was put together wrongly.",
    ),
    code(
        "E-ONNX-DYN",
        "An extent other than the batch is not known.",
        "Height, width and channels are constants of a program. Export for one picture size; `--batch` says how many images a call takes.",
    ),
    code(
        "E-ONNX-EXT",
        "Weights that lie in another file cannot be read.",
        "Keep the files of a model in one folder. Paths that lead out of it, links, and lengths that do not fit are refused.",
    ),
    code(
        "E-ONNX-FILE",
        "The file cannot be read, or is no ONNX model.",
        "It may be cut short, larger than 2 GiB, of another format, or a pointer of Git LFS in place of the file.",
    ),
    code(
        "E-ONNX-IO",
        "The model's inputs or outputs cannot be those of a program.",
        "One input is wanted, an image; constants that stand among the inputs do not count. Outputs are what depends on it: maps, vectors, scores.",
    ),
    code(
        "E-ONNX-LIMIT",
        "The model asks for more than any network needs.",
        "Constants are computed up to 2 GiB, and functions are written out up to 2^20 nodes, so that a small file cannot take all memory.",
    ),
    code(
        "E-ONNX-NAME",
        "A value has two origins or none.",
        "The message suggests a name that is near. Names are unique in a graph of ONNX.",
    ),
    code(
        "E-ONNX-OP",
        "The model has operators that cannot be compiled.",
        "All of them are listed, with the reason. Leave pre- and post-processing out of the export, export in evaluation mode, and simplify the model (onnxsim) where shapes are computed.",
    ),
    code(
        "E-ONNX-OPSET",
        "The version of the operators is not known.",
        "Versions 1 to 25 of the standard are read. onnx.version_converter changes a model's version.",
    ),
    code(
        "E-ONNX-SHAPE",
        "Shapes contradict each other, or what the file declares is not what follows from the inputs.",
        "The message names both. A fixed batch inside a file is a frequent reason: export with a dynamic batch, or compile for that one.",
    ),
    code(
        "E-ONNX-TRAIN",
        "The model is in training mode.",
        "Normalisation would take the statistics of the batch, and dropout would drop values. Call `model.eval()` before the export.",
    ),
    code(
        "E-ONNX-TYPE",
        "Values are of a type that cannot be computed there.",
        "Networks compute in float; weights may be float8, float16, bfloat16, float, double or integers of 4 to 64 bits.",
    ),
    code(
        "E-ONNX-WEIGHTS",
        "An ONNX model was given weights from elsewhere.",
        "It has its own. Name a YAML spec as the model to compile a structure with a file of weights.",
    ),
    code(
        "E-OP",
        "A spec names a step or a block that does not exist.",
        "The message suggests the nearest; specs/README.md lists all steps, and `blocks` defines your own.",
    ),
    code(
        "E-ORDER",
        "A value is read before it is defined.",
        "Steps are carried out in the order in which they stand: move the definition up.",
    ),
    code(
        "E-OUTPUT",
        "What is to be written cannot be written there.",
        "The place is a folder, a file that the model was read from, or has something in it that resnetc did not make. Nothing was changed; name another place.",
    ),
    code(
        "E-PAD",
        "A padding is missing or not possible.",
        "A kernel of even size has no symmetric half: say what is added on each side. A pool's padding is smaller than its window.",
    ),
    code(
        "E-PARAM",
        "A block is called without a parameter that it needs, or with one that it does not have.",
        "Parameters stand in the block's `parameters`; those without a default are given in every call.",
    ),
    code(
        "E-PASS",
        "A pass is not known, or is switched in a way that contradicts itself.",
        "`resnetc inspect MODEL` lists the passes. Some are needed by every program and cannot be left out.",
    ),
    code(
        "E-PLAN",
        "No program can be made of the network.",
        "It needs more memory than 16 GiB at a time, has no result, or a form that cannot be laid out. A smaller input or batch helps against the first.",
    ),
    code(
        "E-PRE",
        "How pictures become the input is contradictory.",
        "A crop fits into what it is cut from, mean and std have an entry per channel, and `--crop` excludes `--crop-fraction`.",
    ),
    code(
        "E-PROXY",
        "A proxy is not written as one.",
        "`http://HOST:PORT`, or with `https`, `socks4`, `socks4a`, `socks5` or `socks5h` in front.",
    ),
    code(
        "E-RANGE",
        "A number is outside of what it can be.",
        "The message says what it may be: extents, strides and depths are positive, epsilons small and positive.",
    ),
    code(
        "E-REC",
        "A block of a spec contains itself.",
        "Blocks are written out where they are called, so they cannot lead back to themselves.",
    ),
    code(
        "E-REF",
        "A spec reads a value that does not exist at that place.",
        "The message suggests the nearest. Inside a block only its own values and its input are seen.",
    ),
    code(
        "E-RUN",
        "A program that was built did not run as it should.",
        "Its own message stands inside. A program asks at its start for the memory that it needs, and refuses weights of another plan.",
    ),
    code(
        "E-SHAPE",
        "A step cannot read what is given to it.",
        "The message names both shapes; `resnetc inspect` shows those of all layers before it.",
    ),
    code(
        "E-SHORTCUT",
        "A shortcut does not fit its block.",
        "An identity needs equal channels and size; zero padding cannot take channels away; a projection can do all of it.",
    ),
    code(
        "E-SPATIAL",
        "A map becomes smaller than a pixel.",
        "The message names the layer and the smallest input that works. Strides and windows without padding shrink maps.",
    ),
    code(
        "E-SPEC",
        "The spec does not say which version of the format it is written in, or one that is not known.",
        "The first line is `spec: resnet/1`.",
    ),
    code(
        "E-STRIDE",
        "A stride has no layer that could take it.",
        "`stride_on` names a convolution of the block's kind; a block of one layer in a stage of one block has no other place.",
    ),
    code(
        "E-TEXT",
        "A graph in text form cannot be read.",
        "Line and column say where. `resnetc graph MODEL --format text` writes such a text.",
    ),
    code(
        "E-TUNE",
        "Layers could not be timed.",
        "A program that times them failed, or gave no sensible number. Its own message stands inside.",
    ),
    code(
        "E-TUNING",
        "A tuning file cannot be used with this network.",
        "It belongs to a network with the same layers, batch and sizes. `resnetc tune MODEL -o FILE` writes it anew.",
    ),
    code(
        "E-TYPE",
        "A value of a spec is of another kind than is wanted there.",
        "The message says what is wanted: a number, a word, a list, a map.",
    ),
    code(
        "E-UNUSED",
        "A value or a block is defined and never used.",
        "Read it, name it in `output`, or leave it out: in a graph it is a mistake more often than not.",
    ),
    code(
        "E-URL",
        "There is no address to fetch weights from, or it is none.",
        "Published weights have `weights.url` and `weights.sha256` in their spec.",
    ),
    code(
        "E-WEXTRA",
        "The file of weights has tensors that the network lacks.",
        "It belongs to a network with more layers, or `include_top` is off. `resnetc weights FILE` says which networks that ship it fits.",
    ),
    code(
        "E-WFILE",
        "The file of weights cannot be read.",
        "It is missing, cut short, or damaged. Files are data: whatever in them would be executed by another reader is refused here.",
    ),
    code(
        "E-WFMT",
        "The file of weights is of no known format.",
        "safetensors, PyTorch, Keras (.h5, .keras), NumPy (.npz) and ONNX are read; its content decides, not its name.",
    ),
    code(
        "E-WHASH",
        "The file of weights is not the one that the spec means.",
        "Its SHA-256 differs: it is another version, or did not arrive whole. Fetch it again with `resnetc pull`.",
    ),
    code(
        "E-WNAME",
        "A weight of the network is not in the file.",
        "The message names the tensor, and what is near. `weights.names` says which convention a file follows, and maps single names.",
    ),
    code(
        "E-WNONE",
        "No weights are given.",
        "Name a file with `--weights`, fetch the published ones with `resnetc pull`, or say `--weights seed:1` for made-up ones.",
    ),
    code(
        "E-WORDER",
        "Weights are bound by order, and the order does not fit.",
        "The file has another number of layers, or a layer another number of tensors, than the network has.",
    ),
    code(
        "E-WSHAPE",
        "A tensor of the file has another shape than the layer needs.",
        "The message names both. Classes, width and kernel are the usual reasons.",
    ),
    code(
        "E-WSPEC",
        "A file holds the weights of another network.",
        "The message says what the file itself tells of its network.",
    ),
    code(
        "E-WTYPE",
        "Weights are of a type that cannot be read.",
        "F32, F16, BF16 and F64 can; they are computed in F32.",
    ),
    code(
        "E-WVAL",
        "Weights have values that no network can use.",
        "NaN, infinity or a negative variance: the training diverged, or the file is damaged.",
    ),
    code(
        "E-YAML",
        "The file is no YAML that is accepted.",
        "Line and column say where. Anchors, aliases and tags are refused, and so is nesting without end: a spec needs none of it.",
    ),
    code(
        "N-BLOCKS",
        "Convolutions have widths that leave blocks of 16 channels partly empty.",
        "Channels are computed 16 at a time, whatever the instruction set. A layer of 24 channels takes as long as one of 32: where you choose the widths, choose multiples of 16. Layers that are not worth telling are not listed.",
    ),
    code(
        "N-COPY",
        "Channels are copied from one map to another.",
        "Operands of a concatenation are written where they belong, and slices read where they lie, if they are whole blocks of 16 channels and all readers agree on the frame of zeros. These are not.",
    ),
    code(
        "N-DIM",
        "The file leaves a dimension open, and the program has it fixed.",
        "Only the batch may be open: `--batch` says how many images a call takes, and a program per batch serves several.",
    ),
    code(
        "N-GROUPS",
        "Grouped convolutions multiply among zeros.",
        "Groups of 1, 2, 4, 8 or 16 channels, as many out as in, have a kernel of their own, if strides are at most 3 and kernels narrow; groups of multiples of 16 need none. All others are computed as blocks with zeros between the groups.",
    ),
    code(
        "N-PRE",
        "Nothing says how a picture becomes the input.",
        "An ONNX model never does. The program then takes raw tensors only; `--preprocess` and the options beside it, or `preprocess` in a spec, make it take pictures.",
    ),
    code(
        "N-SCALAR",
        "Numbers are copied piece by piece, without whole vectors.",
        "Concatenations and slices that do not end at a multiple of 16 channels are copied pixel by pixel, and a map of several pixels that is flattened number by number.",
    ),
    code(
        "N-SEED",
        "No weights are given, so none are checked.",
        "The structure is checked with made-up ones. Name a file with `--weights`, or fetch the published ones with `resnetc pull`.",
    ),
    code(
        "N-UNFUSED",
        "Layers that compute little are steps of their own, and move whole maps.",
        "Normalisations, activations and sums cost next to nothing where the convolution before them takes them along. The reason why it could not stands beside each: a result that others read too, or an operation in between. A normalisation before a convolution, as in pre-activation networks, is one of them by design.",
    ),
    code(
        "N-VARIANCE",
        "Some channels have running variances next to nothing.",
        "They were constant in training: their inputs are dead. Such channels are frequent in published networks and harmless, as epsilon bounds their scale.",
    ),
    code(
        "N-ZERO",
        "Some output channels have only zeros for weights.",
        "Pruning leaves them behind. They are computed as any others: take them out of the network, with what reads them, for it to become faster.",
    ),
    code(
        "W-ACC",
        "The results will differ a little from those of training.",
        "The recipe of a preset or an epsilon is another than the one that was trained with.",
    ),
    code(
        "W-DENORMAL",
        "Weights are so small that they were made zero.",
        "They change no result in single precision, and slow every multiplication down.",
    ),
    code(
        "W-LARGE",
        "Weights are so large that products of them do not fit in f32.",
        "Values beyond 1e19 overflow when two of them meet, and a normalisation whose scale is too large cannot be folded. A scale that was applied twice, or bytes in another order, can be the reason.",
    ),
    code(
        "W-ONNX-BATCH",
        "The model is written for another batch than the program is built for.",
        "Shapes inside were changed to follow. Export with a dynamic batch to be without doubt.",
    ),
    code(
        "W-ONNX-CONSTANT",
        "An output depends on no input.",
        "The program gives the same values for every call. Often the exporter traced the model with the input as a constant.",
    ),
    code(
        "W-ONNX-IR",
        "The version of the file's format is not known.",
        "It is read as the newest known one. A file without a version was written by hand or is damaged; onnx.checker says more.",
    ),
    code(
        "W-ONNX-META",
        "A hint in the model's metadata cannot be followed.",
        "Metadata say how pictures become the input and what the classes are called. What does not go with the model's inputs and outputs is left out; `--preprocess` and `--labels` say it from outside.",
    ),
    code(
        "W-ONNX-OPSET",
        "The model's operators are newer than this resnetc.",
        "They are read by the rules of the newest known version; check the results with `resnetc verify`.",
    ),
    code(
        "W-ONNX-TYPE",
        "The model's input has elements of another type than float.",
        "The program takes the same numbers as f32, which holds whole numbers up to 2^24 and float16 exactly.",
    ),
    code(
        "W-PRE",
        "Pictures become the input in an unusual way.",
        "Mean and deviation are of values from 0 to 1 or from 0 to 255, in the order of the channels: what is told does not go together, or is far from what published recipes give. A wrong recipe costs accuracy, and nothing else shows it.",
    ),
    code(
        "W-TUNING",
        "A tuning file lists no layer of this network.",
        "It has no effect. Make one for this network, with the same batch and sizes.",
    ),
    code(
        "W-VARIANCE",
        "A normalisation has variances of next to nothing in every channel.",
        "Trained statistics are large against epsilon. These may never have been collected, or another tensor stands in their place; epsilon alone then decides the scale.",
    ),
    code(
        "W-ZERO",
        "A kernel or the scale of a normalisation is zero everywhere.",
        "Nothing but a bias comes through such a layer. The weights may not have been loaded; or the scale of a residual branch began at zero and was never trained.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Codes that stand in sources as strings of their own.
    fn used(folder: &Path, codes: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, codes);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("codes.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let quoted =
                    text.split('"').filter(|part| ["E-", "W-", "N-"].iter().any(|kind| part.starts_with(kind)));
                let all = |code: &&str| code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
                codes.extend(quoted.filter(all).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_code_that_is_used_is_explained_and_no_other() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut codes = BTreeSet::new();
        used(&root.join("src"), &mut codes);
        used(&root.join("../macros/src"), &mut codes);
        let explained: BTreeSet<String> = CODES.iter().map(|code| code.code.to_owned()).collect();
        assert_eq!(codes, explained);
        assert!(CODES.is_sorted_by(|one, next| one.code < next.code));
        for code in CODES {
            assert!(code.what.ends_with('.') && code.remedy.ends_with('.'), "{}", code.code);
        }
        assert_eq!(find("e-onnx-op").map(|code| code.code), Some("E-ONNX-OP"));
        assert!(find("E-NONE").is_none());
    }
}
