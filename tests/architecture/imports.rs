//! Which file uses which, read from the sources: a name that a folder's own file re-exports counts as used from
//! the file that has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module's path within its crate; the empty one is `lib.rs` or `main.rs`.
pub(crate) type Module = Vec<String>;

/// The files of one crate, and what each uses.
pub(crate) struct Imports(BTreeMap<Module, BTreeSet<Module>>);

impl Imports {
    /// Reads the sources below `folder`, whose crate others name `name`.
    pub(crate) fn of(folder: &Path, name: &str) -> Self {
        let mut sources = BTreeMap::new();
        collect(folder, &mut Vec::new(), &mut sources);
        let re_exports: BTreeMap<&Module, BTreeMap<String, Module>> = sources
            .iter()
            .map(|(module, code)| (module, re_exported(module, code, &sources)))
            .collect();
        let used = |module: &Module, code: &str| -> BTreeSet<Module> {
            let paths = paths(&without_re_exports(code));
            let absolute = paths.iter().filter_map(|path| absolute(module, path, name));
            absolute
                .filter_map(|path| resolve(&path, &sources, &re_exports, 0))
                .filter(|other| other != module)
                .collect()
        };
        let graph = sources
            .iter()
            .map(|(module, code)| (module.clone(), used(module, code)))
            .collect();
        Self(graph)
    }

    /// Every file and a file that it uses.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (&Module, &Module)> {
        let edges = self.0.iter();
        edges.flat_map(|(file, used)| used.iter().map(move |other| (file, other)))
    }

    /// Files that use each other, however many lie between: each circle once.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> = self
            .0
            .keys()
            .map(|file| (file, self.reachable(file)))
            .collect();
        let mut circles = BTreeSet::new();
        for file in self.0.keys() {
            let circle: Vec<String> = reach[file]
                .iter()
                .filter(|other| reach.get(**other).is_some_and(|back| back.contains(file)))
                .map(|other| other.join("/"))
                .collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn reachable(&self, from: &Module) -> BTreeSet<&Module> {
        let mut seen = BTreeSet::new();
        let mut left: Vec<&Module> = self.0[from].iter().collect();
        while let Some(next) = left.pop() {
            if seen.insert(next) {
                left.extend(self.0.get(next).into_iter().flatten());
            }
        }
        seen
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn collect(folder: &Path, module: &mut Module, sources: &mut BTreeMap<Module, String>) {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    for path in entries.flatten().map(|entry| entry.path()) {
        let stem = path.file_stem().expect("a name").to_string_lossy();
        if path.is_dir() {
            module.push(stem.into_owned());
            collect(&path, module, sources);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("the file can be read");
            let mut module = module.clone();
            if !["lib", "main"].contains(&&*stem) {
                module.push(stem.into_owned());
            }
            sources.insert(module, code(&text));
        }
    }
}

/// Without tests and comments, which may name what the code may not.
pub(crate) fn code(text: &str) -> String {
    let tests = ["mod", "pub(crate) mod"].map(|module| format!("#[cfg(test)]\n{module} tests"));
    let ends = tests.iter().filter_map(|begin| text.find(begin));
    let lines = text[..ends.min().unwrap_or(text.len())].lines();
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// The statements `use …;`, and where each begins and ends.
fn uses(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find("use ").map(|at| at + from) {
        let begins = code[..at].chars().next_back();
        let end = code[at..].find(';').map_or(code.len(), |end| at + end);
        if begins.is_none_or(char::is_whitespace) {
            found.push((at + 4, end));
        }
        from = end.max(at + 4);
    }
    found
}

fn is_public(code: &str, at: usize) -> bool {
    let line = code[..at].rsplit('\n').next().unwrap_or_default();
    line.trim_start().starts_with("pub")
}

fn without_re_exports(code: &str) -> String {
    let mut kept = String::new();
    let mut from = 0;
    for (begin, end) in uses(code) {
        if is_public(code, begin) {
            kept.push_str(&code[from..begin]);
            from = end;
        }
    }
    kept.push_str(&code[from..]);
    kept
}

/// Names that a file re-exports, and where they are.
fn re_exported(
    module: &Module,
    code: &str,
    sources: &BTreeMap<Module, String>,
) -> BTreeMap<String, Module> {
    let public = uses(code)
        .into_iter()
        .filter(|(at, _)| is_public(code, *at));
    let paths = public.flat_map(|(begin, end)| expand(&code[begin..end]));
    let mut names = BTreeMap::new();
    for path in paths {
        let child: Module = [module.as_slice(), &path[..1]].concat();
        let target = match path[0].as_str() {
            "self" => [module.as_slice(), &path[1..]].concat(),
            "crate" => path[1..].to_vec(),
            _ if sources.contains_key(&child) => [module.as_slice(), &path].concat(),
            _ => continue,
        };
        if let Some(name) = target.last().cloned() {
            names.insert(name, target);
        }
    }
    names
}

/// All paths that code names: in its `use` statements, and where it stands.
fn paths(code: &str) -> Vec<Module> {
    let mut paths = Vec::new();
    let mut rest = String::new();
    let mut from = 0;
    for (begin, end) in uses(code) {
        paths.extend(expand(&code[begin..end]));
        rest.push_str(&code[from..begin]);
        from = end;
    }
    rest.push_str(&code[from..]);
    for word in rest.split(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter))) {
        if ["crate::", "super::", "self::"]
            .iter()
            .any(|begin| word.starts_with(begin))
        {
            paths.push(word.split("::").map(str::to_owned).collect());
        }
    }
    paths
}

/// `a::{b, c::{d}}` as the paths that it stands for.
fn expand(text: &str) -> Vec<Module> {
    let text = text.trim();
    let Some((head, tail)) = text.split_once('{') else {
        let path = text.split(" as ").next().unwrap_or_default();
        return vec![
            path.split("::")
                .map(|part| part.trim().to_owned())
                .collect(),
        ];
    };
    let head: Module = head
        .split("::")
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    let tail = tail.trim_end().strip_suffix('}').unwrap_or(tail);
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, letter) in tail.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tail[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tail[begin..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts
        .flat_map(expand)
        .map(|part| {
            let part = part.into_iter().filter(|name| name != "self");
            head.iter().cloned().chain(part).collect()
        })
        .collect()
}

/// A path from the crate's root; `None`: it is another crate's.
fn absolute(module: &Module, path: &Module, name: &str) -> Option<Module> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    if supers > 0 {
        let base = module.len().saturating_sub(supers);
        return Some([&module[..base], &path[supers..]].concat());
    }
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module.as_slice(), &path[1..]].concat()),
        first if first == name => Some(path[1..].to_vec()),
        _ => None,
    }
}

/// The file that has what a path names.
fn resolve(
    path: &[String],
    sources: &BTreeMap<Module, String>,
    re_exports: &BTreeMap<&Module, BTreeMap<String, Module>>,
    depth: usize,
) -> Option<Module> {
    let length = (0..=path.len())
        .rev()
        .find(|length| sources.contains_key(&path[..*length]))?;
    let file = path[..length].to_vec();
    let target = path
        .get(length)
        .and_then(|name| re_exports[&file].get(name));
    match target {
        Some(target) if depth < 5 => {
            let target = [target.as_slice(), &path[length + 1..]].concat();
            resolve(&target, sources, re_exports, depth + 1)
        }
        Some(_) | None => Some(file),
    }
}
