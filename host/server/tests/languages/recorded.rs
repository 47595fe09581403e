//! Invocations that the guest in Rust has recorded, as bundles: another language makes the very same operations, with the same
//! payloads, byte for byte; and where one entry is another, it does not get past it.

use std::fs;

use serde_json::Value;

use crate::{
    guests::{Guest, root},
    support::{Folder, run},
};

pub fn continues_what_fits_and_refuses_what_differs(guest: Guest) {
    let Some(component) = guest.path() else { return };
    let folder = Folder::new();
    let all = folder.path().join("bundles");
    fs::create_dir(&all).expect("create");
    // In one folder, so that the component is compiled once.
    for kind in ["fits", "differs"] {
        for file in fs::read_dir(root().join("components/portable/bundles").join(kind)).expect("list") {
            let file = file.expect("list").path();
            let name = file.file_name().expect("a file has a name").to_string_lossy();
            fs::copy(&file, all.join(format!("{kind}-{name}"))).expect("copy");
        }
    }
    let component = component.to_str().expect("the path is text");
    let output = run(&mut folder.relight(&["replay", "bundles", component, "-o", "json"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}: {said}", guest.0);
    let replays: Vec<Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{}: {error}: {said}", guest.0));
    let (mut fit, mut differ) = (0, 0);
    for replay in &replays {
        let verdict = &replay["verdict"];
        if replay["file"].as_str().is_some_and(|file| file.contains("fits-")) {
            assert_eq!(verdict["verdict"], "compatible", "{}: {replay:#}", guest.0);
            fit += 1;
        } else {
            assert_eq!(verdict["verdict"], "diverges", "{}: {replay:#}", guest.0);
            let message = verdict["message"].as_str().expect("a text");
            assert!(message.starts_with("journal mismatch at entry "), "{}: {message}", guest.0);
            differ += 1;
        }
    }
    assert!(15 <= fit && 8 <= differ, "{fit} fit, {differ} differ");
}
