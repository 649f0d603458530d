//! The standalone program, around a network with several outputs.

mod app_support;

use std::fs;
use std::path::Path;

use serde_json::Value;

use app_support::{Colors, Maps, OtherLabels, Several, SeveralNoLabels, call, colors, fixture, npy, text};

#[test]
fn classifies_by_the_output_that_has_a_value_per_label() {
    let picture = fixture("alpha.png");
    let (code, several, err) = call::<Colors<Several>>(&["--json", text(&picture)]);
    assert_eq!((code, err.as_str()), (0, ""));
    let predictions = |out: &str| serde_json::from_str::<Value>(out).unwrap()[0]["predictions"].clone();
    assert_eq!(predictions(&several), predictions(&colors(&["--json", text(&picture)]).1));

    let refused = |result: (u8, String, String)| {
        assert_eq!((result.0, result.1.as_str()), (2, ""), "{}", result.2);
        result.2
    };
    let err = refused(call::<Colors<SeveralNoLabels>>(&[text(&picture)]));
    assert!(err.contains("2 of the network's outputs could be classes") && err.contains("\"aux\" [2, 6]"), "{err}");
    let err = refused(call::<Colors<OtherLabels>>(&[text(&picture)]));
    assert!(err.contains("2 labels") && err.contains("\"logits\" [2, 3]"), "{err}");
    let err = refused(call::<Colors<Maps>>(&[text(&picture)]));
    assert!(err.contains("maps: \"maps/0\" [2, 3, 4, 4]") && err.contains("expected"), "{err}");
}

/// The shape and the values of a file that the program wrote.
fn written(path: &Path) -> (String, Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    let header = String::from_utf8_lossy(&bytes[10..128]).into_owned();
    let shape = header.split("'shape': ").nth(1).unwrap().split(", }").next().unwrap().to_owned();
    (shape, bytes[128..].as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

#[test]
fn writes_several_outputs_to_a_folder_or_one_to_a_file() {
    let several = call::<Colors<Several>>;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let names = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let values: Vec<f32> = (0..3 * 48).map(|index| (index / 16) as f32).collect();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3, 4, 4), }\n";
    fs::write(at("in.npy"), npy(header, &values)).unwrap();
    let logits: Vec<f32> = (0..9).map(|mean| mean as f32 * 10.0).collect();
    let aux: Vec<f32> = [0.0, 3.0, 6.0].into_iter().flat_map(|value| [value; 6]).collect();
    let maps = ("(3,3,4,4,)".to_owned(), values.clone());

    // A new folder, and the same again into what is there now, beside a file of someone else.
    for round in 0..2 {
        assert_eq!(several(&["tensor", text(&at("in.npy")), text(&at("out"))]), (0, String::new(), String::new()));
        let mut expected = vec!["logits.npy", "maps_0.npy", "output_aux.npy"];
        if round == 1 {
            expected.push("thesis.txt");
        }
        assert_eq!(names(&at("out")), expected);
        assert_eq!(written(&at("out/maps_0.npy")), maps);
        assert_eq!(written(&at("out/output_aux.npy")), ("(3,6,)".to_owned(), aux.clone()));
        assert_eq!(written(&at("out/logits.npy")), ("(3,3,)".to_owned(), logits.clone()));
        fs::write(at("out/thesis.txt"), "years").unwrap();
        fs::write(at("out/logits.npy"), "old").unwrap();
    }

    assert_eq!(several(&["tensor", "--output", "maps/0", text(&at("in.npy")), text(&at("one.npy"))]).0, 0);
    assert_eq!(written(&at("one.npy")), maps);
    assert_eq!(colors(&["tensor", "--output=logits", text(&at("in.npy")), text(&at("one.npy"))]).0, 0);
    assert_eq!(written(&at("one.npy")), ("(3,3,)".to_owned(), logits));

    let before = names(folder.path());
    let (code, _, err) = several(&["tensor", "--output", "maps", text(&at("in.npy")), text(&at("no.npy"))]);
    assert!(code == 2 && err.contains("no output \"maps\"") && err.contains("\"maps/0\" [2, 3, 4, 4]"), "{err}");
    let (code, _, err) = several(&["tensor", text(&at("in.npy")), text(&at("one.npy"))]);
    assert!(code == 1 && err.contains("no folder") && err.contains("--output NAME"), "{err}");
    let (code, _, err) = several(&["tensor", text(&at("in.npy")), text(&at("none/out"))]);
    assert!(code == 1 && err.contains("cannot be written"), "{err}");
    // A run that fails leaves neither a new folder nor anything in one that was there.
    fs::write(at("short.npy"), npy(header, &values[..100])).unwrap();
    fs::create_dir(at("mine")).unwrap();
    fs::create_dir(at("mine/logits.npy")).unwrap();
    for (input, out) in [("short.npy", "new"), ("in.npy", "mine")] {
        let (code, _, err) = several(&["tensor", text(&at(input)), text(&at(out))]);
        assert_eq!(code, 1, "{err}");
    }
    assert_eq!(names(&at("mine")), ["logits.npy"]);
    fs::remove_file(at("short.npy")).unwrap();
    fs::remove_dir_all(at("mine")).unwrap();
    assert_eq!(names(folder.path()), before);
}

#[test]
fn tells_of_several_outputs() {
    let several = call::<Colors<Several>>;
    let (code, help, _) = several(&["--help"]);
    assert!(code == 0 && help.contains("out/NAME.npy") && help.contains("--output maps/0"), "{help}");
    assert!(several(&["tensor", "--help"]).1.contains("--output"));
    assert!(!colors(&["--help"]).1.contains("out/NAME.npy"));
    let info: Value = serde_json::from_str(&several(&["info", "--json"]).1).unwrap();
    assert_eq!(info["outputs"][0], serde_json::json!({ "name": "maps/0", "shape": [2, 3, 4, 4], "softmax": false }));
    assert_eq!(info["outputs"].as_array().unwrap().len(), 3);
    let info = several(&["info"]).1;
    assert!(info.contains("maps/0 [2, 3, 4, 4]") && info.contains("logits [2, 3]"), "{info}");
    assert_eq!(several(&["bench", "--seconds", "0.01"]).0, 0);
}
