//! A reader of Python pickles that builds data and calls nothing.
//!
//! A pickle is a program for a stack machine that may name and call any function of Python. This machine knows a closed list of names, none
//! of which runs anything: a call becomes a value that says what was asked for. Values live in one vector and refer to one another
//! by index, so shared and looping values cost nothing, and nothing here recurses.
//! The operations are those that pickling protocols 2 to 5 write.

use std::collections::HashMap;
use std::ops::Range;

/// A pickle may have this many bytes; the descriptions of ten thousand tensors take 2 MB.
const LARGEST: usize = 1 << 24;
/// A pickle may make this many values, elements of copied lists included.
const MOST_VALUES: usize = 1 << 22;

/// The index of a value.
pub type Id = u32;

/// What a pickle may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Global {
    /// A kind of storage, by the name without `Storage`: `Float`, `Half`.
    Storage(String),
    /// A tensor from a storage, an offset, a shape and strides.
    RebuildTensor,
    /// A parameter, which is a tensor for us.
    RebuildParameter,
    /// A dictionary in order.
    OrderedDict,
    /// Data beside the tensors that is skipped: numbers of NumPy, options of a command line.
    Skipped,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Whole numbers and truth values.
    Int(i64),
    /// Text or bytes: where they stand in the pickle.
    Text(Range<usize>),
    /// A tuple, a list or a set.
    Sequence(Vec<Id>),
    /// A dictionary.
    Dict(Vec<(Id, Id)>),
    /// A name.
    Global(Global),
    /// What `torch.save` keeps outside: the tuple that says which storage.
    Persistent(Id),
    /// A tensor: the tuple of the arguments that it is rebuilt from.
    Tensor(Id),
    /// None, floating point numbers, and all that is skipped.
    Opaque,
}

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
    root: Id,
    /// How many bytes it takes.
    pub length: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle that `bytes` begin with.
    ///
    /// # Errors
    /// A sentence that says what is wrong, or which name was refused.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let bytes = bytes.get(..LARGEST).unwrap_or(bytes);
        let mut machine = Machine {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            copied: 0,
        };
        loop {
            let at = machine.at;
            if let Some(root) = machine.step().map_err(|message| format!("the pickle at byte {at}: {message}"))? {
                return Ok(Self { bytes, values: machine.values, root, length: machine.at });
            }
        }
    }

    /// The whole.
    pub fn root(&self) -> &Value {
        self.value(self.root)
    }

    /// A value.
    pub fn value(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::Opaque)
    }

    /// All values, in no order that means anything.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The elements of a sequence.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&'a str> {
        match self.value(id) {
            Value::Text(range) => std::str::from_utf8(self.bytes.get(range.clone())?).ok(),
            _ => None,
        }
    }

    /// A number that counts something.
    pub fn count(&self, id: Id) -> Option<usize> {
        match self.value(id) {
            Value::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    copied: usize,
}

impl Machine<'_> {
    /// One operation; the root when it was the last.
    fn step(&mut self) -> Result<Option<Id>, String> {
        match self.byte()? {
            b'.' => return self.pop().map(Some),
            // The protocol's number, and frames of protocol 4.
            0x80 => drop(self.byte()?),
            0x95 => {
                self.take(8)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.popped_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::Opaque)?,
            0x88 => self.push(Value::Int(1))?,
            0x89 => self.push(Value::Int(0))?,
            b'K' => self.number(1)?,
            b'M' => self.number(2)?,
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()))?;
            }
            0x8A => {
                let length = self.byte()?.into();
                self.long(length)?;
            }
            0x8B => {
                let length = self.length(4)?;
                self.long(length)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Opaque)?;
            }
            b'U' | b'C' | 0x8C => self.text(1)?,
            b'T' | b'B' | b'X' => self.text(4)?,
            0x8D | 0x8E => self.text(8)?,
            b')' => self.push(Value::Sequence(Vec::new()))?,
            b']' | 0x8F => self.push(Value::Sequence(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b't' | b'l' | 0x91 => {
                let items = self.popped_to_mark()?;
                self.push(Value::Sequence(items))?;
            }
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b'd' => {
                let items = self.popped_to_mark()?;
                self.push(Value::Dict(pairs(&items)?))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.popped_to_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.popped_to_mark()?;
                self.set(&items)?;
            }
            b'q' => {
                let key = self.byte()?.into();
                self.remember(key)?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)?;
            }
            0x94 => {
                let key = u32::try_from(self.memo.len()).unwrap_or(u32::MAX);
                self.remember(key)?;
            }
            b'h' => {
                let key = self.byte()?.into();
                self.recall(key)?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.values.get(module as usize), self.values.get(name as usize)) {
                    (Some(Value::Text(module)), Some(Value::Text(name))) => self.name(module.clone(), name.clone())?,
                    _ => return Err("a name is no text".to_owned()),
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            0x92 => {
                let (_keywords, arguments, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            // The state of an object: attributes of a dictionary, or of what is skipped.
            b'b' => drop(self.pop()?),
            other => return Err(format!("operation {other:#04x} does not belong in a file of weights")),
        }
        Ok(None)
    }

    fn take(&mut self, count: usize) -> Result<Range<usize>, String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| match self.bytes.len() {
            LARGEST => format!("it is longer than the {LARGEST} bytes that are read"),
            _ => "it ends in the middle".to_owned(),
        })?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let range = self.take(N)?;
        self.bytes.get(range).and_then(|bytes| bytes.first_chunk().copied()).ok_or_else(String::new)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A little-endian number without a sign.
    fn length(&mut self, width: usize) -> Result<usize, String> {
        let range = self.take(width)?;
        let bytes = self.bytes.get(range).unwrap_or_default();
        let number = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).map_err(|_| "a length that no memory has".to_owned())
    }

    /// The range of a line without its end.
    fn line(&mut self) -> Result<Range<usize>, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("a name without end")?;
        let range = self.take(length)?;
        self.take(1)?;
        Ok(range)
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        let id = self.values.len();
        if id + self.copied >= MOST_VALUES {
            return Err(format!("it makes more than {MOST_VALUES} values"));
        }
        self.values.push(value);
        self.stack.push(u32::try_from(id).unwrap_or(u32::MAX));
        Ok(())
    }

    fn top(&self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.last().copied().filter(|_| self.stack.len() > floor);
        top.ok_or_else(|| "an operation finds its stack empty".to_owned())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn popped_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("an operation finds no mark")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn number(&mut self, width: usize) -> Result<(), String> {
        let number = self.length(width)?;
        self.push(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// A whole number of any length; those past 64 bits are no counts.
    fn long(&mut self, length: usize) -> Result<(), String> {
        let range = self.take(length)?;
        let bytes = self.bytes.get(range).unwrap_or_default();
        let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
        let value = match bytes.len() {
            0..=8 => {
                let start = if negative { -1_i64 } else { 0 };
                Value::Int(bytes.iter().rev().fold(start, |number, byte| number << 8 | i64::from(*byte)))
            }
            _ => Value::Opaque,
        };
        self.push(value)
    }

    fn text(&mut self, width: usize) -> Result<(), String> {
        let length = self.length(width)?;
        let range = self.take(length)?;
        self.push(Value::Text(range))
    }

    fn tuple(&mut self, count: usize) -> Result<(), String> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push(Value::Sequence(items))
    }

    fn append(&mut self, items: &[Id]) -> Result<(), String> {
        let top = self.top()?;
        match self.values.get_mut(top as usize) {
            Some(Value::Sequence(list)) => list.extend(items),
            Some(Value::Opaque) => {}
            _ => return Err("it appends to what is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let top = self.top()?;
        match self.values.get_mut(top as usize) {
            Some(Value::Dict(dict)) => dict.extend(pairs(items)?),
            Some(Value::Opaque) => {}
            _ => return Err("it sets an entry of what is no dictionary".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let id = self.memo.get(&key).ok_or("it recalls what it did not remember")?;
        self.stack.push(*id);
        Ok(())
    }

    fn name(&mut self, module: Range<usize>, name: Range<usize>) -> Result<(), String> {
        let text = |range| String::from_utf8_lossy(self.bytes.get(range).unwrap_or_default());
        let global = allowed(&text(module.clone()), &text(name.clone()));
        let global = global.ok_or_else(|| {
            let shown: String = format!("{}.{}", text(module), text(name)).chars().take(200).collect();
            format!("it names `{}`, which is not read from a file of weights", shown.escape_debug())
        })?;
        self.push(Value::Global(global))
    }

    fn call(&mut self, callable: Id, arguments: Id) -> Result<(), String> {
        let Some(Value::Sequence(items)) = self.values.get(arguments as usize) else {
            return Err("a call's arguments are no tuple".to_owned());
        };
        let first = items.first().copied();
        let value = match self.values.get(callable as usize) {
            Some(Value::Global(Global::RebuildTensor)) => Value::Tensor(arguments),
            Some(Value::Global(Global::RebuildParameter)) => {
                // The same tensor under another name.
                self.stack.push(first.ok_or("a parameter without a tensor")?);
                return Ok(());
            }
            Some(Value::Global(Global::OrderedDict)) => {
                let Some(Value::Sequence(entries)) = first.and_then(|first| self.values.get(first as usize)) else {
                    return self.push(Value::Dict(Vec::new()));
                };
                let entry = |id: &Id| match self.values.get(*id as usize)? {
                    Value::Sequence(pair) => Some((*pair.first()?, *pair.get(1)?)),
                    _ => None,
                };
                let entries: Option<Vec<_>> = entries.iter().map(entry).collect();
                let entries = entries.ok_or("a dictionary's entry is no pair")?;
                self.copied += entries.len();
                Value::Dict(entries)
            }
            Some(Value::Global(Global::Skipped) | Value::Opaque) => Value::Opaque,
            _ => return Err("it calls what cannot be called".to_owned()),
        };
        self.push(value)
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a dictionary has a key without a value".to_owned());
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

/// What a name stands for, when it is on the list.
fn allowed(module: &str, name: &str) -> Option<Global> {
    match (module, name) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Some(Global::RebuildParameter),
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("torch" | "torch.cuda", storage) if storage.ends_with("Storage") => {
            Some(Global::Storage(storage.trim_end_matches("Storage").to_owned()))
        }
        // What training scripts keep beside the weights.
        ("torch", "Size" | "device")
        | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct")
        | ("numpy", "dtype" | "ndarray")
        | ("_codecs", "encode")
        | ("argparse", "Namespace")
        | ("builtins" | "__builtin__", "set") => Some(Global::Skipped),
        _ => None,
    }
}
