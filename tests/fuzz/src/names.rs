//! Names of files: those that a server suggests, and those that follow from a URL.

use demo::engine::urls::{is_web, normalize};
use demo::engine::{Names, file_name, safe_name, suggested_name};
use std::path::{Component, Path};
use url::Url;

/// The least limit on a name that a file system in use has, in bytes (eCryptfs).
const NAME: usize = 143;
/// The most bytes of a path: macOS allows 1023, of which the output folder takes a part.
const PATH: usize = 1000;

/// A value of `Content-Disposition` suggests one name that is valid on every system, or none.
pub fn disposition(bytes: &[u8]) {
    for name in [suggested_name(bytes), safe_name(bytes)].into_iter().flatten() {
        one_name(&name);
    }
}

fn one_name(name: &str) {
    let mut components = Path::new(name).components();
    assert!(matches!(components.next(), Some(Component::Normal(only)) if only == name), "{name:?}");
    assert!(components.next().is_none() && name.len() <= NAME, "{name:?}");
    assert!(!name.starts_with('.') && !name.ends_with(['.', ' ']), "{name:?}");
    assert!(!name.contains(|char: char| char.is_control() || "/\\:*?\"<>|".contains(char)), "{name:?}");
    assert_eq!(safe_name(name.as_bytes()).as_deref(), Some(name), "a safe name is safe as it is");
}

/// The file of a URL is below the folder of its server; different URLs have different files.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let base = Url::parse("http://h.example/d/").expect("it is valid");
    let parsed = |text: &str| base.join(text).ok().filter(is_web).map(normalize);
    let urls: Vec<Url> = text.splitn(2, '\n').filter_map(parsed).collect();
    for folds_case in [false, true] {
        let mut names = Names::default();
        names.folds_case = folds_case;
        let paths: Vec<_> = urls.iter().map(|url| names.path(url)).collect();
        for (url, path) in urls.iter().zip(&paths) {
            assert_eq!(normalize(url.clone()), *url, "a normalized URL is normal");
            below_the_folder(path);
            one_name(&file_name(url));
        }
        let [one, other] = &urls[..] else { continue };
        // A port speaks either http or https, so the scheme is not part of a name.
        let is_same = one[url::Position::BeforeHost..] == other[url::Position::BeforeHost..]
            || one.port_or_known_default() == other.port_or_known_default()
                && one.host() == other.host()
                && one[url::Position::BeforePath..] == other[url::Position::BeforePath..];
        assert!(is_same || paths[0] != paths[1], "{one} and {other} are both {:?}", paths[0]);
    }
}

fn below_the_folder(path: &Path) {
    assert!(path.components().count() >= 2 && path.as_os_str().len() <= PATH, "{path:?}");
    for component in path.components() {
        let Component::Normal(name) = component else { panic!("{path:?}") };
        let name = name.to_str().expect("names are UTF-8");
        assert!(name.len() <= NAME && !name.ends_with(['.', ' ']) && !matches!(name, "." | ".."), "{path:?}");
        assert!(!name.contains(|char: char| char.is_control() || "/\\:*?\"<>|".contains(char)), "{path:?}");
    }
    assert!(!path.starts_with(".parts"), "{path:?}");
}
